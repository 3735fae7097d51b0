"""The C++ compiler of a build, tried before torch looks for it, which would not say what is missing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from pathlib import Path

# What the operators need: C++17, vectors that can be shuffled, which GCC has since 12, and Python's headers.
PROBE = """#include <optional>
#include <Python.h>
typedef float four __attribute__((vector_size(16)));
four shuffled(four a, four b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
"""
USUAL = ("c++", "g++", "clang++")
HINTS = {
    "linux": "apt install g++ python3-dev (Debian, Ubuntu), dnf install gcc-c++ python3-devel (Fedora)",
    "darwin": "xcode-select --install (macOS)",
}


def wanted_compiler() -> str:
    """Return the command of the compiler: that of the environment (CXX), else the first of the usual ones on PATH."""
    return os.environ.get("CXX") or next(filter(shutil.which, USUAL), USUAL[0])


def compiler_problem(command: str) -> str | None:
    """Return in one line why a compiler cannot build the operators and how to get one that can; None if it can."""
    if sys.platform == "win32":
        return "the operators do not compile on Windows yet (docs/howto/install.md); they do in WSL 2"
    words, include = shlex.split(command), sysconfig.get_path("include")
    hint = f"to get one: {HINTS.get(sys.platform, HINTS['linux'])}"
    if not words or shutil.which(words[0]) is None:
        missing = f"CXX={command} names none" if os.environ.get("CXX") else f"none of {', '.join(USUAL)} is on PATH"
        return f"no C++ compiler was found ({missing}); {hint}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text(PROBE)
        flags = ["-std=c++17", "-fPIC", f"-I{include}", "-c", str(source), "-o", str(source.with_suffix(".o"))]
        try:
            ran = subprocess.run([*words, *flags], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        except OSError as error:
            return f"the C++ compiler {command} does not run ({error.strerror}); {hint}"
    if ran.returncode == 0:
        return None
    said = first_error(ran.stderr) or f"exit code {ran.returncode}"
    if "Python.h" in said:
        return f"Python's headers are missing (there is no Python.h in {include}); {hint.replace('one', 'them')}"
    return f"expected GCC 12 or newer or clang, got {command}, which cannot compile the operators ({said}); {hint}"


def host_flags(command: str) -> list[str]:
    """Return the flags that give nvcc its host compiler: CC, as torch has it, else the C++ compiler of the build."""
    named = os.environ.get("CC") or command
    return ["-ccbin", named] if shutil.which(named) else []  # not for "ccache g++", which nvcc does not understand


def first_error(said: str) -> str:
    """Return the line of a compiler's output that names the error, or its first one; of a long one the beginning."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    return textwrap.shorten((telling or lines or [""])[0], 240, placeholder=" …")
