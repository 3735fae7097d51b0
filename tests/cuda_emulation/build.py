"""Compiles the CUDA operators for the CPU: a library in the place of photoflow's own, and a photoflow that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .rewrite import rewrite_sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TSAN = ["-fsanitize=thread", "--param=tsan-distinguish-volatile=1"]
# Mode -> the compiler's flags for the operators, and for the emulator, which is not sanitized itself.
MODES: dict[str, tuple[list[str], list[str]]] = {
    "plain": (["-O2"], []),
    "address": (["-O1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"], ["-DEMULATION_ASAN"]),
    "thread": (["-O1", *TSAN], ["-DEMULATION_TSAN"]),
}
SANITIZED = 66  # the exit code of a process in which ThreadSanitizer found something
# Objects of what lies outside of csrc/cuda, by source and flags: each fault that is planted would compile them again.
_OBJECTS: dict[tuple[str, ...], bytes] = {}
RUNTIMES = {"address": "libasan.so", "thread": "libtsan.so"}


def build(library: Path, *, csrc: Path = ROOT / "csrc", mode: str = "plain", only: str = "*") -> None:
    """Compile the operators of a folder.

    Args:
        library: the file to make.
        csrc: the folder; it stays as it is.
        mode: "plain", "address" (AddressSanitizer and UBSan) or "thread" (ThreadSanitizer).
        only: which files of `csrc/cuda`, as a pattern without the suffix; the operators of the others are left out.

    Raises:
        RuntimeError: the compiler refused; its words are the message.
    """
    import torch

    flags, of_emulator = MODES[mode]
    includes = [Path(torch.__file__).parent / "include" / part for part in ("", "torch/csrc/api/include")]
    includes.append(Path(sysconfig.get_paths()["include"]))
    base = ["g++", "-std=c++20", "-fPIC", "-g1", "-fvisibility=hidden", "-ffp-contract=off", "-Wno-unknown-pragmas"]
    base += ["-DTORCH_TARGET_VERSION=0x020a000000000000", "-DPy_LIMITED_API=0x030A0000", f"-I{HERE / 'shim'}"]
    base += [f"-isystem{path}" for path in includes]
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "csrc"
        rewrite_sources(csrc, sources)
        units = [(path, flags) for path in sorted(sources.glob(f"cuda/{only}.cu"))]
        units += [(sources / name, []) for name in ("registration.cpp", "module.cpp")]
        units += [(HERE / name, ["-O2", *of_emulator]) for name in ("emulator.cpp", "fibers.cpp")]
        # The longest first.
        units.sort(key=lambda unit: -unit[0].stat().st_size)

        def compiled(unit: tuple[Path, list[str]]) -> str:
            path, own = unit
            target, key = Path(scratch) / f"{path.stem}.o", (path.read_text(), *own)
            if key in _OBJECTS:
                target.write_bytes(_OBJECTS[key])
                return str(target)
            execute([*base, *own, "-x", "c++", "-c", str(path), "-o", str(target)])
            if path.parent.name != "cuda":
                _OBJECTS[key] = target.read_bytes()
            return str(target)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, units))
        torch_libraries = [f"-L{includes[0].parent / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
        sanitizers = [flag for flag in flags if flag.startswith("-fsanitize")]
        execute(["g++", "-shared", "-o", str(library), *objects, *torch_libraries, *sanitizers])


def execute(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:1] + command[-3:])}:\n{done.stderr[-4000:]}")


def package_with(library: Path, folder: Path) -> None:
    """Put a photoflow into `folder` whose operators are those of a library."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.sources")
    shutil.copytree(ROOT / "photoflow", folder / "photoflow", ignore=ignored)
    shutil.copy(library, folder / "photoflow" / "_C.abi3.so")


def run_pytest(
    folder: Path, *arguments: str, mode: str = "plain", timeout: float = 540, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run tests of this repository with the photoflow in `folder`; its output is text."""
    # From there: a photoflow in the current folder would come first.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *arguments]
    if mode == "thread":
        command = ["setarch", "-R", *command]  # its shadow memory has to lie where nothing else does
    if mode != "plain":
        command.append("-s")  # a report that ends the process must not end in a buffer
    made = environment_for(folder, mode, **environment)
    return subprocess.run(command, cwd=folder, env=made, capture_output=True, text=True, timeout=timeout)


def environment_for(folder: Path, mode: str = "plain", **more: str) -> dict[str, str]:
    """Return the environment of a process that imports the photoflow in `folder`, with a sanitizer's library if any."""
    made = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "EMULATED": "1", **more}
    if mode in RUNTIMES:
        # The sanitizer looks for the C++ library's functions when it is loaded.
        asked = [["gcc", f"-print-file-name={name}"] for name in (RUNTIMES[mode], "libstdc++.so")]
        found = [subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip() for ask in asked]
        made["LD_PRELOAD"] = " ".join(found)
        made["ASAN_OPTIONS"] = "detect_leaks=0:allocator_may_return_null=1"
        made["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
        made["TSAN_OPTIONS"] = f"report_signal_unsafe=0:ignore_noninstrumented_modules=1:exitcode={SANITIZED}"
    return made
