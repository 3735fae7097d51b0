"""Search for a CUDA toolkit to compile with: one installed on the machine, or the compiler from pip's packages."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cxx_compiler import first_error
from torch.utils import cpp_extension

PIP_SINCE = 13  # the packages for CUDA 12 and before have no nvcc
# The packages that compiling needs. nvcc's package accepts any version of the others, but all must be the same.
PIP_PARTS = "nvcc,nvvm,crt,cudart,cccl"
# GCC has -std=c++20, with which torch's headers are compiled, since 10. Whether nvcc takes a compiler it says itself.
PROBE = """#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 10
#error expected GCC 10 or newer, got an older one
#endif
#include <cuda_fp16.h>
__global__ void probe(__half* x) { *x = __float2half(1.0f); }
"""


class Toolkit(NamedTuple):
    """A toolkit that can compile: its folder, its version such as "13.2", and whether it comes from pip."""

    root: Path
    version: str
    from_pip: bool = False

    @property
    def name(self) -> str:
        return f"pip's toolkit {self.root}" if self.from_pip else f"toolkit {self.root}"

    @property
    def runtime_library(self) -> str:
        """Return the CUDA runtime's name for the linker. Pip's packages only have the file name with a version."""
        folders = [self.root / "lib64", self.root / "lib"]
        if any((folder / "libcudart.so").exists() for folder in folders):
            return "cudart"
        versioned = next((path.name for folder in folders for path in folder.glob("libcudart.so.*")), None)
        return f":{versioned}" if versioned else "cudart"


def find_toolkit(cuda: str) -> Toolkit | str:
    """Return a toolkit of the same major version as `cuda`, torch's version such as "13.2", or the reason for none."""
    major, reasons = cuda.split(".")[0], []
    for root in installed_roots():
        version = toolkit_version(root)
        if version and version.split(".")[0] == major:
            return Toolkit(root, version)
        # Most candidates do not exist; report only those that do or that the environment names.
        if root.exists() or root in named_roots():
            reasons.append(f"{root} has " + (f"CUDA {version}" if version else "no cuda_runtime.h or no nvcc"))
    for root in [] if named_roots() else pip_roots(major):
        version = toolkit_version(root)
        failure = probe(root) if version else "no cuda_runtime.h"
        if version and failure is None:
            return Toolkit(root, version, from_pip=True)
        reasons.append(f"{root} cannot compile: {failure}")
    text = f"no CUDA {major} toolkit was found" + (f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else "")
    wanted = pip_requirement(cuda)
    if wanted is None or named_roots():
        return text
    return f'{text}; pip brings one: pip install "{wanted}", then build with --no-build-isolation'


def named_roots() -> list[Path]:
    """Return the toolkits that the environment names; if there are any, no other place is searched."""
    return [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]


def installed_roots() -> list[Path]:
    """Return the folders where a toolkit may be installed, best first."""
    if named := named_roots():
        return named
    roots = []
    nvcc = shutil.which("nvcc")
    if nvcc:
        roots.append(Path(nvcc).resolve().parents[1])
        # nvcc on PATH may be a script that calls the real one, whose dry run prints its folder.
        top = re.search(r"^#\$ TOP=(.+)$", output_of(nvcc, "--dryrun", "-x", "cu", "-c", os.devnull), re.MULTILINE)
        if top:
            roots.append(Path(top[1].strip()).resolve())
    # torch also looks in the usual places when nvcc is not on PATH.
    return [*roots, Path(cpp_extension.CUDA_HOME)] if cpp_extension.CUDA_HOME else roots


def pip_roots(major: str) -> list[Path]:
    """Return the folders where pip's packages have installed a compiler."""
    packages = importlib.util.find_spec("nvidia")
    places = packages.submodule_search_locations if packages else None
    roots = [Path(place) / f"cu{major}" for place in places or ()]
    return [root for root in roots if (root / "bin" / "nvcc").is_file()]


def pip_requirement(cuda: str) -> str | None:
    """Return the pip requirement of a compiler of version `cuda`, or None if pip has none."""
    return f"cuda-toolkit[{PIP_PARTS}]=={cuda}.*" if int(cuda.split(".")[0]) >= PIP_SINCE else None


def toolkit_version(root: Path) -> str | None:
    """Return the version of the toolkit at a root, or None if its headers or its nvcc are missing."""
    if not (root / "include" / "cuda_runtime.h").is_file():
        return None
    release = re.search(r"release (\d+\.\d+)", output_of(str(root / "bin" / "nvcc"), "--version"))
    return release[1] if release else None


def probe(root: Path, flags: Sequence[str] = ()) -> str | None:
    """Compile a few lines with nvcc and return None on success, else the line of its output that names the error.

    Pip's packages need this test, as they may be incomplete or of different versions; and so does nvcc's host
    compiler, given by `flags`, as each toolkit takes some versions only.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "probe.cu"), Path(folder, "probe.o")
        source.write_text(PROBE)
        said = output_of(str(root / "bin" / "nvcc"), "-c", "-o", str(result), str(source), *flags)
        return None if result.is_file() else first_error(said) or "nvcc does not run"


def output_of(*command: str) -> str:
    """Return the output of a command, stdout then stderr; empty if it cannot run."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout + ran.stderr
