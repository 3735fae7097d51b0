"""Build of the operators: photoflow._C (CPU, always) and photoflow._cuda (CUDA, if a usable toolkit is found).

PHOTOFLOW_CUDA=auto|0|1      auto (default) compiles CUDA where it can, 0 never does, 1 fails where it cannot
PHOTOFLOW_CUDA_ARCHS="8.0 9.0+PTX"   architectures; TORCH_CUDA_ARCH_LIST does the same. Without them: those of the
                             GPUs in this machine, or if it has none 7.5, 8.0 and 9.0 with PTX, which newer ones run;
                             those that the toolkit knows (building/architectures.py)
CXX, CC                      the C++ compiler, and the one that nvcc gives the host's part (building/cxx_compiler.py)
CUDA_HOME, CUDA_PATH         the toolkit's root; without them nvcc on PATH, the toolkit that torch finds and pip's
                             packages are tried (building/cuda_toolkit.py)
PHOTOFLOW_VERSION_SUFFIX=+cu130   is added to the version, to tell a wheel with CUDA from the one without
PHOTOFLOW_SANITIZE=address,undefined   compiles the CPU operators with these sanitizers, for tests: slow, and loaded
                             only into a process that has the compiler's libasan.so (docs/reliability.md)
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import torch
from setuptools import setup
from torch.utils import cpp_extension

sys.path.insert(0, str(Path(__file__).resolve().parent / "building"))
from architectures import ARCHITECTURES, wanted_architectures
from cuda_toolkit import find_toolkit, probe
from cxx_compiler import compiler_problem, host_flags, wanted_compiler
from sanitizers import compile_flags, link_flags, wanted_sanitizers

STABLE_ABI = ["-DTORCH_TARGET_VERSION=0x020a000000000000"]  # the stable ABI of torch 2.10
PYTHON_311 = "0x030B0000"


def sources(folder: str, suffix: str) -> list[str]:
    return sorted(path.as_posix() for path in Path("csrc", folder).glob(f"*{suffix}"))


compiler = wanted_compiler()
problem = compiler_problem(compiler)
os.environ["CXX"] = compiler  # for torch, which compiles, and for setuptools, which links
wish = os.environ.get("PHOTOFLOW_CUDA", "auto")
if wish not in ("auto", "0", "1"):
    sys.exit(f"PHOTOFLOW_CUDA: expected auto, 0 or 1, got {wish!r}")
if wish == "0":
    toolkit = "PHOTOFLOW_CUDA=0"
elif torch.version.cuda is None:
    toolkit = f"torch {torch.__version__} has no CUDA"
elif problem:
    toolkit = problem
else:
    toolkit = find_toolkit(torch.version.cuda)
if not isinstance(toolkit, str) and not wanted_architectures(toolkit.root):
    toolkit = f"{toolkit.root} compiles for none of {' '.join(ARCHITECTURES)}"
if not isinstance(toolkit, str) and (failure := probe(toolkit.root, host_flags(compiler))):
    host = " ".join(host_flags(compiler)[1:]) or compiler
    toolkit = f"CUDA {toolkit.version} does not compile with {host} ({failure}); CC names another compiler for it"
if wish == "1" and isinstance(toolkit, str):
    sys.exit(f"photoflow: PHOTOFLOW_CUDA=1, but {toolkit}")

try:
    sanitizers = wanted_sanitizers(os.environ.get("PHOTOFLOW_SANITIZE", ""))
except ValueError as error:
    sys.exit(f"photoflow: {error}")

facts: list[tuple[str, str | None]] = []
if not isinstance(toolkit, str):
    archs = wanted_architectures(toolkit.root)
    cpp_extension.CUDA_HOME = str(toolkit.root)
    # nvcc took its host compiler. torch would go by the version of the other one, and by its name.
    os.environ["TORCH_DONT_CHECK_COMPILER_ABI"] = "ON"
    os.environ["TORCH_CUDA_ARCH_LIST"] = ";".join(archs)
    facts = [("PHOTOFLOW_CUDA_VERSION", toolkit.version), ("PHOTOFLOW_CUDA_ARCHS", "_".join(archs))]
    built = f"CPU and CUDA {toolkit.version} operators ({' '.join(archs)}; {toolkit.name})"
else:
    built = f"CPU operators only: {toolkit}"
if sanitizers:
    facts.append(("PHOTOFLOW_SANITIZERS", "_".join(sanitizers)))
    built += f"; the CPU's with sanitizers: {', '.join(sanitizers)}"

# Show every warning about our sources, but none about torch's headers.
warnings = ["-Wall", "-Wextra", *(flag for path in cpp_extension.include_paths() for flag in ("-isystem", path))]
optimise = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
modules = [
    cpp_extension.CppExtension(
        "photoflow._C",
        ["csrc/registration.cpp", "csrc/module.cpp", *sources("cpu", ".cpp")],
        define_macros=[("Py_LIMITED_API", PYTHON_311), *facts],
        extra_compile_args={"cxx": [*STABLE_ABI, *optimise, *warnings, *compile_flags(sanitizers)]},
        extra_link_args=link_flags(sanitizers),
        depends=[*sources("common", ".h"), *sources("cpu", ".h")],
        py_limited_api=True,
    )
]
if not isinstance(toolkit, str):
    threads = str(os.cpu_count() or 1)
    cuda = cpp_extension.CUDAExtension(
        "photoflow._cuda",
        sources("cuda", ".cu"),
        extra_compile_args={"nvcc": [*STABLE_ABI, "-DUSE_CUDA", "-O3", "--threads", threads, *host_flags(compiler)]},
        depends=[*sources("common", ".h"), *sources("cuda", ".cuh")],
        py_limited_api=True,
    )
    cuda.libraries = [toolkit.runtime_library if name == "cudart" else name for name in cuda.libraries]
    modules.append(cuda)


class Build(cpp_extension.BuildExtension):  # type: ignore[misc]
    """Build command that reports in one line what it built."""

    def run(self) -> None:
        if problem:
            sys.exit(f"photoflow: {problem}")
        super().run()
        digest = runpy.run_path("photoflow/ops/_sources.py")["digest"](Path("csrc"))
        Path(self.get_ext_fullpath("photoflow._C")).with_name("_C.sources").write_text(digest + "\n")
        print(f"photoflow: built the {built}", flush=True)


options = {"bdist_wheel": {"py_limited_api": "cp311"}}
if suffix := os.environ.get("PHOTOFLOW_VERSION_SUFFIX"):
    options["egg_info"] = {"tag_build": suffix}
if sanitizers:
    # In a folder of its own: setuptools takes a library that is newer than its sources for built, whatever the flags.
    options["build"] = {"build_base": "build/sanitized"}

setup(
    ext_modules=modules,
    cmdclass={"build_ext": Build},
    options=options,
)
