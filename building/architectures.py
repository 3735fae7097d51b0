"""The GPU architectures that the CUDA operators are compiled for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from cuda_toolkit import output_of

# Every GPU since Turing: code for X.Y runs on all X.Z from Y on, and PTX on everything newer.
ARCHITECTURES = ("7.5", "8.0", "9.0+PTX")
OLDEST = (7, 0)  # what the operators need; CUDA 13 compiles for nothing before 7.5


def wanted_architectures(root: Path) -> list[str]:
    """Return the architectures to compile for: those asked for, else those of this machine's GPUs, else the default.

    All but those asked for are limited to the ones that nvcc knows.

    Args:
        root: of the CUDA toolkit.

    Returns:
        Architectures as torch names them, such as "8.0" or "9.0+PTX"; none if nvcc knows none of the default.
    """
    asked = os.environ.get("PHOTOFLOW_CUDA_ARCHS") or os.environ.get("TORCH_CUDA_ARCH_LIST")
    if asked:
        return re.split(r"[\s;,]+", asked.strip())
    known = set(re.findall(r"compute_(\d+)", output_of(str(root / "bin" / "nvcc"), "--list-gpu-arch")))

    def fitting(archs: Iterable[str]) -> list[str]:
        return [arch for arch in archs if arch.removesuffix("+PTX").replace(".", "") in known]

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = sorted({torch.cuda.get_device_capability(i) for i in range(count)})
    exact = [f"{major}.{minor}" for major, minor in here]
    return exact if here and here[0] >= OLDEST and fitting(exact) == exact else fitting(ARCHITECTURES)
