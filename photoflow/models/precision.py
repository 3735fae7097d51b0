"""Which precision networks run in, where nobody trains them."""

from __future__ import annotations

import torch


def fast_inference(device: str) -> torch.autocast:
    """A context in which products are done in the half precision that the device is quick in.

    float16 on CUDA; bfloat16 on a CPU that multiplies matrices of it in hardware (AMX), where it is several times
    faster than float32; on any other CPU nothing changes.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported())
    return torch.autocast(kind, torch.float16)
