"""The device that networks run on, and their precision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from photoflow.errors import InputError

if TYPE_CHECKING:
    import torch


def check_device(device: str) -> None:
    """Check that a device is named as a person may name it; `settled_device` checks that it is there.

    Raises:
        InputError: it is not "auto", "cpu", "cuda" or "cuda:NUMBER".
    """
    if not isinstance(device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise InputError(f"device: expected auto, cpu, cuda or cuda:NUMBER, got {device!r}")


def settled_device(device: str) -> str:
    """Return the device that a person's choice means here.

    Args:
        device: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where torch and photoflow have it, else the CPU.

    Raises:
        InputError: no such kind of device, or it is not there, or photoflow was built without it.
    """
    check_device(device)
    import torch

    from photoflow import ops

    info = ops.build_info()
    if device == "auto":
        return "cuda" if torch.cuda.is_available() and info["cuda_loaded"] else "cpu"
    if device != "cpu" and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise InputError(f"device: {device!r} is not available here; expected auto, cpu or a CUDA device")
    if device != "cpu" and not info["cuda_loaded"]:
        raise InputError(f"device: {device!r} cannot be used; built were {info['summary']}")
    return device


def fast_inference(device: str) -> torch.autocast:
    """Return a context for products in the half precision that the device is quick in.

    float16 on CUDA; bfloat16 on a CPU that multiplies matrices of it in hardware (AMX), where it is several times
    faster than float32; on any other CPU nothing changes.
    """
    import torch

    kind = device.partition(":")[0]
    if kind == "cpu":
        return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported())
    return torch.autocast(kind, torch.float16)
