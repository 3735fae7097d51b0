"""The device that networks run on, their precision, and torch itself, which is loaded late."""

from __future__ import annotations

import functools
import importlib
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photoflow.errors import InputError

if TYPE_CHECKING:
    import torch


@contextmanager
def torch_loading() -> Iterator[None]:
    """Load torch, which takes seconds, beside what is done within; afterwards it is there, also after an error.

    No thread imports it while a caller goes on: where one imports torch and another torch.nn, each sees half of it.
    What is done within imports torch itself first, and so waits for it.
    """
    thread = threading.Thread(target=importlib.import_module, args=("torch",), daemon=True)
    thread.start()
    try:
        yield
    except Exception:
        thread.join()
        raise
    thread.join()


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
        device: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where torch has it and photoflow's operators run on it,
            else the CPU. Operators that were built for other GPUs than this are told of in a warning.

    Raises:
        InputError: no such kind of device, or it is not there, or photoflow was not built for it.
    """
    check_device(device)
    import torch

    from photoflow import ops

    if device == "auto":
        return _found_device()
    if device != "cpu" and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise InputError(f"device: {device!r} is not available here; expected auto, cpu or a CUDA device")
    if why := ops.why_not_on(torch.device(device)):
        raise InputError(f"device: {device!r} cannot be used, for want of CUDA operators: {why}")
    return device


def _found_device() -> str:
    """Return "cuda" if it can be used, else "cpu", with a warning where there is a GPU that photoflow cannot use."""
    import torch

    from photoflow import ops

    if not torch.cuda.is_available():
        return "cpu"
    if why := ops.why_not_on(torch.device("cuda")):
        _warn_once(f"there is a GPU, but photoflow runs on the CPU, for want of CUDA operators: {why}")
        return "cpu"
    return "cuda"


@functools.cache
def _warn_once(line: str) -> None:
    """Warn of something in a line, however often and from wherever it comes up."""
    warnings.warn(line, stacklevel=2)


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
