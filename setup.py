"""Builds the operators: photoflow._C (CPU, always) and photoflow._cuda (CUDA, where a usable toolkit is found).

PHOTOFLOW_CUDA=auto|0|1      auto (default) compiles CUDA where it can, 0 never does, 1 fails where it cannot
PHOTOFLOW_CUDA_ARCHS="8.0 9.0+PTX"   architectures; TORCH_CUDA_ARCH_LIST does the same
CUDA_HOME, CUDA_PATH         the toolkit's root; without them nvcc on PATH and the usual places are looked at
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from setuptools import setup

ARCHITECTURES = ("8.0", "8.6", "8.9", "9.0", "10.0", "12.0")
STABLE_ABI = ["-DTORCH_TARGET_VERSION=0x020a000000000000"]  # the stable ABI of torch 2.10
PYTHON_310 = "0x030A0000"


def output_of(*command: str) -> str:
    """What a command prints, on either stream; empty if it cannot run."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout + ran.stderr


def candidate_roots() -> list[Path]:
    """Where a CUDA toolkit may be, best first. CUDA_HOME and CUDA_PATH are taken at their word."""
    named = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    if named:
        return [Path(root) for root in named]
    roots = []
    nvcc = shutil.which("nvcc")
    if nvcc:
        roots.append(Path(nvcc).resolve().parents[1])
        # nvcc on PATH may be a script that calls the real one, which tells where it lives.
        top = re.search(r"^#\$ TOP=(.+)$", output_of(nvcc, "--dryrun", "-x", "cu", "-c", os.devnull), re.MULTILINE)
        if top:
            roots.append(Path(top[1].strip()).resolve())
    usual = ["/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True), "/opt/cuda"]
    return roots + [Path(root) for root in usual]


def toolkit_version(root: Path) -> str | None:
    """The version of the toolkit at a root, or None if it cannot compile."""
    if not (root / "include" / "cuda_runtime.h").is_file():
        return None
    release = re.search(r"release (\d+\.\d+)", output_of(str(root / "bin" / "nvcc"), "--version"))
    return release[1] if release else None


def find_toolkit() -> tuple[Path, str] | str:
    """The root and version of a toolkit that fits torch, or why there is none."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} has no CUDA"
    major, found = torch.version.cuda.split(".")[0], []
    roots = candidate_roots()
    for root in roots:
        version = toolkit_version(root)
        if version and version.split(".")[0] == major:
            return root, version
        found.append(f"{root} has CUDA {version}" if version else f"{root} has no cuda_runtime.h or no nvcc")
    # Most candidates do not exist; say so only of what is there or was asked for.
    asked = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    named = [text for root, text in zip(roots, found) if asked or root.exists()]
    return f"no CUDA {major} toolkit was found" + (f" ({'; '.join(dict.fromkeys(named))})" if named else "")


def architectures(root: Path) -> list[str]:
    """The architectures to compile for; by default those that this nvcc knows, and PTX of the newest."""
    asked = os.environ.get("PHOTOFLOW_CUDA_ARCHS") or os.environ.get("TORCH_CUDA_ARCH_LIST")
    if asked:
        return re.split(r"[\s;,]+", asked.strip())
    known = set(re.findall(r"compute_(\d+)", output_of(str(root / "bin" / "nvcc"), "--list-gpu-arch")))
    fitting = [arch for arch in ARCHITECTURES if arch.replace(".", "") in known]
    return [*fitting[:-1], fitting[-1] + "+PTX"] if fitting else []


def sources(folder: str, suffix: str) -> list[str]:
    return sorted(path.as_posix() for path in Path("csrc", folder).glob(f"*{suffix}"))


wish = os.environ.get("PHOTOFLOW_CUDA", "auto")
if wish not in ("auto", "0", "1"):
    sys.exit(f"PHOTOFLOW_CUDA: expected auto, 0 or 1, got {wish!r}")
toolkit = "PHOTOFLOW_CUDA=0" if wish == "0" else find_toolkit()
if not isinstance(toolkit, str) and not architectures(toolkit[0]):
    toolkit = f"{toolkit[0]} compiles for none of {' '.join(ARCHITECTURES)}"
if wish == "1" and isinstance(toolkit, str):
    sys.exit(f"photoflow: PHOTOFLOW_CUDA=1, but {toolkit}")

facts: list[tuple[str, str | None]] = []
if not isinstance(toolkit, str):
    cuda_root, cuda_version = toolkit
    archs = architectures(cuda_root)
    os.environ["CUDA_HOME"] = str(cuda_root)  # before torch looks for itself
    os.environ["TORCH_CUDA_ARCH_LIST"] = ";".join(archs)
    facts = [("PHOTOFLOW_CUDA_VERSION", cuda_version), ("PHOTOFLOW_CUDA_ARCHS", "_".join(archs))]
    built = f"CPU and CUDA {cuda_version} operators ({' '.join(archs)}; toolkit {cuda_root})"
else:
    built = f"CPU operators only: {toolkit}"

from torch.utils.cpp_extension import BuildExtension, CppExtension, CUDAExtension, include_paths  # noqa: E402

# Every warning about our sources, none about torch's headers.
warnings = ["-Wall", "-Wextra", *(flag for path in include_paths() for flag in ("-isystem", path))]
optimise = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
modules = [
    CppExtension(
        "photoflow._C",
        ["csrc/registration.cpp", "csrc/module.cpp", *sources("cpu", ".cpp")],
        define_macros=[("Py_LIMITED_API", PYTHON_310), *facts],
        extra_compile_args={"cxx": [*STABLE_ABI, *optimise, *warnings]},
        depends=[*sources("common", ".h"), *sources("cpu", ".h")],
        py_limited_api=True,
    )
]
if facts:
    threads = str(os.cpu_count() or 1)
    modules.append(
        CUDAExtension(
            "photoflow._cuda",
            sources("cuda", ".cu"),
            extra_compile_args={"nvcc": [*STABLE_ABI, "-DUSE_CUDA", "-O3", "--threads", threads]},
            depends=[*sources("common", ".h"), *sources("cuda", ".h")],
            py_limited_api=True,
        )
    )


class Build(BuildExtension):  # type: ignore[misc]
    """Says in one line what it built."""

    def run(self) -> None:
        super().run()
        print(f"photoflow: built the {built}", flush=True)


setup(
    ext_modules=modules,
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
