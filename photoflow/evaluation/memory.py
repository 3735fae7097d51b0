"""Memory that a call needs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


def peak_mb(run: Callable[[], Any], device: str) -> float:
    """Measure the additional memory that a call needs at its peak.

    Args:
        run: the call.
        device: whose memory is measured, "cpu" or "cuda".

    Returns:
        MiB; NaN where the system does not tell: on CPUs, Linux does.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - held) / 2**20
    _release_free_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the kernel's record of peak memory
    except OSError:
        run()
        return float("nan")
    before = _status_mb("VmRSS")
    run()
    return max(0.0, _status_mb("VmHWM") - before)


def _release_free_memory() -> None:
    """Return the memory that malloc keeps for reuse to the system; a call that reuses it would seem to need none."""
    with suppress(OSError, AttributeError):  # the C library is not glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status_mb(name: str) -> float:
    """Read a value of this process's status, MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
