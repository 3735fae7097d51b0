"""Finds a CUDA toolkit to compile with: one that is installed on the machine, or the compiler from pip's packages."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from torch.utils import cpp_extension

PIP_SINCE = 13  # the packages for CUDA 12 and before have no nvcc
# What compiling takes. nvcc's own package asks for any version of the others, and they must be the same.
PIP_PARTS = "nvcc,nvvm,crt,cudart,cccl"
PROBE = "#include <cuda_fp16.h>\n__global__ void probe(__half* x) { *x = __float2half(1.0f); }\n"


class Toolkit(NamedTuple):
    """A toolkit that can compile: its folder, its version such as "13.2", and where it comes from."""

    root: Path
    version: str
    from_pip: bool = False

    @property
    def name(self) -> str:
        return f"pip's toolkit {self.root}" if self.from_pip else f"toolkit {self.root}"

    @property
    def runtime_library(self) -> str:
        """What the linker calls the CUDA runtime. Pip's packages lack the name without a version."""
        folders = [self.root / "lib64", self.root / "lib"]
        if any((folder / "libcudart.so").exists() for folder in folders):
            return "cudart"
        versioned = next((path.name for folder in folders for path in folder.glob("libcudart.so.*")), None)
        return f":{versioned}" if versioned else "cudart"


def find_toolkit(cuda: str) -> Toolkit | str:
    """A toolkit of the same major version as `cuda`, torch's own version such as "13.2", or why there is none."""
    major, reasons = cuda.split(".")[0], []
    for root in installed_roots():
        version = toolkit_version(root)
        if version and version.split(".")[0] == major:
            return Toolkit(root, version)
        # Most places do not exist; say so only of what is there or was asked for.
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
    """The toolkit that the environment names, which is taken at its word."""
    return [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]


def installed_roots() -> list[Path]:
    """Where a toolkit may be installed, best first."""
    if named := named_roots():
        return named
    roots = []
    nvcc = shutil.which("nvcc")
    if nvcc:
        roots.append(Path(nvcc).resolve().parents[1])
        # nvcc on PATH may be a script that calls the real one, which tells where it lives.
        top = re.search(r"^#\$ TOP=(.+)$", output_of(nvcc, "--dryrun", "-x", "cu", "-c", os.devnull), re.MULTILINE)
        if top:
            roots.append(Path(top[1].strip()).resolve())
    # Without nvcc on PATH torch has looked where toolkits usually are.
    return [*roots, Path(cpp_extension.CUDA_HOME)] if cpp_extension.CUDA_HOME else roots


def pip_roots(major: str) -> list[Path]:
    """Where pip's packages have put a compiler."""
    packages = importlib.util.find_spec("nvidia")
    places = packages.submodule_search_locations if packages else None
    roots = [Path(place) / f"cu{major}" for place in places or ()]
    return [root for root in roots if (root / "bin" / "nvcc").is_file()]


def pip_requirement(cuda: str) -> str | None:
    """What pip is asked for to get a compiler of version `cuda`, or None if it has none."""
    return f"cuda-toolkit[{PIP_PARTS}]=={cuda}.*" if int(cuda.split(".")[0]) >= PIP_SINCE else None


def toolkit_version(root: Path) -> str | None:
    """The version of the toolkit at a root, or None if it cannot compile."""
    if not (root / "include" / "cuda_runtime.h").is_file():
        return None
    release = re.search(r"release (\d+\.\d+)", output_of(str(root / "bin" / "nvcc"), "--version"))
    return release[1] if release else None


def probe(root: Path) -> str | None:
    """Compile a few lines; None if it works, or what was said. Pip's packages may be incomplete or of two versions."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "probe.cu"), Path(folder, "probe.o")
        source.write_text(PROBE)
        said = output_of(str(root / "bin" / "nvcc"), "-c", "-o", str(result), str(source))
        return None if result.is_file() else (said.strip().splitlines() or ["nvcc does not run"])[0]


def output_of(*command: str) -> str:
    """What a command prints, on either stream; empty if it cannot run."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout + ran.stderr
