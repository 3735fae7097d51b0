"""Tensor arguments drawn at random: of any shape, type, layout and values, right and wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

HALVES = (torch.float16, torch.bfloat16)
FEATURES = (torch.float32, torch.float32, torch.float64, *HALVES)
OTHERS = (torch.int64, torch.uint8, torch.bool, torch.complex64)
LAYOUTS = ("contiguous",) * 4 + ("channels last", "transposed", "strided", "inner", "expanded", "numpy", "read only")
EXTREMES = (
    float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 0.5, -0.5, 1e-40, 1e4, -1e6, 2.0**23 + 1, 2.0**31, -(2.0**31),
    2.0**63, -(2.0**63), 1e30, -3e38,
)  # fmt: skip
NO_TENSORS = (None, 3, 2.5, "flow", [], [[1.0]], {}, object(), np.array("a"), np.array([None]), b"bytes", torch.float32)


@dataclass
class Spec:
    """A tensor argument before it is made."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    values: float = 1.0  # their size
    device: str = "cpu"
    layout: str = "contiguous"
    gradient: bool = False
    instead: Any = field(default=None)  # a value of another kind


def spoilt(rng: random.Random, spec: Spec) -> None:
    """Change one thing about an argument, which it may survive."""
    kind = rng.choice(
        ("rank", "rank", "size", "size", "size", "dtype", "dtype", "device", "sparse", "reversed", "none")
    )
    if kind == "rank":
        at = rng.randrange(len(spec.shape) + 1)
        longer = (*spec.shape[:at], rng.randrange(3), *spec.shape[at:])
        spec.shape = rng.choice((longer, spec.shape[1:], spec.shape[:-1], ()))
    elif kind == "size" and spec.shape:
        at = rng.randrange(len(spec.shape))
        size = rng.choice((0, 1, spec.shape[at] + 1, max(spec.shape[at] - 1, 0), 2 * spec.shape[at]))
        spec.shape = (*spec.shape[:at], size, *spec.shape[at + 1 :])
    elif kind == "dtype":
        spec.dtype = rng.choice((*FEATURES, *OTHERS))
    elif kind == "device":
        spec.device = "meta"
    elif kind in ("sparse", "reversed"):
        spec.layout = kind
    elif kind == "none":
        spec.instead = rng.choice(NO_TENSORS)
        spec.layout = "instead"


def numbers(rng: random.Random, spec: Spec) -> Tensor:
    """Draw a contiguous tensor, with extreme values here and there."""
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    values = torch.randn(spec.shape, dtype=torch.float64, generator=generator) * spec.values
    if values.numel() and rng.random() < 0.4:
        flat = values.reshape(-1)
        for _ in range(rng.choice((1, 1, 3, flat.numel()))):
            flat[rng.randrange(flat.numel())] = rng.choice(EXTREMES)
    if not spec.dtype.is_floating_point:
        values = values.nan_to_num(0, 0, 0).clamp(0, 9)
    return values.to(spec.dtype)


def laid_out(rng: random.Random, tensor: Tensor, layout: str) -> Any:
    """Return the same values, or the first ones again and again, in another layout or kind of array."""
    if layout == "channels last" and tensor.dim() == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    if layout == "transposed" and tensor.dim() >= 2:
        a, b = rng.sample(range(tensor.dim()), 2)
        return tensor.transpose(a, b).contiguous().transpose(a, b)
    if layout == "strided" and tensor.dim():
        axis = rng.randrange(tensor.dim())
        return (
            torch.stack((tensor, tensor + 1), axis + 1)
            .flatten(axis, axis + 1)
            .narrow(axis, 0, 2 * tensor.shape[axis])[
                tuple(slice(None, None, 2) if i == axis else slice(None) for i in range(tensor.dim()))
            ]
        )
    if layout == "inner" and tensor.dim():
        axis = rng.randrange(tensor.dim())
        ends = torch.cat((tensor.narrow(axis, 0, min(tensor.shape[axis], 1)), tensor, tensor), axis)
        return ends.narrow(axis, min(tensor.shape[axis], 1), tensor.shape[axis])
    if layout == "expanded" and tensor.dim():
        axis = rng.randrange(tensor.dim())
        return tensor.narrow(axis, 0, min(tensor.shape[axis], 1)).expand(tensor.shape)
    if layout == "sparse":
        return tensor.to_sparse() if tensor.dim() else tensor
    if layout in ("numpy", "read only", "reversed") and tensor.dtype in (torch.float16, torch.float32, torch.float64):
        array = tensor.numpy().copy()
        array.flags.writeable = layout != "read only"
        return array[..., ::-1] if layout == "reversed" and array.ndim else array
    return tensor


def made(rng: random.Random, spec: Spec) -> tuple[Any, Tensor | None]:
    """Make an argument; return it, and the leaf whose gradient is to be computed, if any."""
    if spec.layout == "instead":
        return spec.instead, None
    tensor = numbers(rng, spec).to(spec.device)
    if spec.device == "meta":
        return tensor, None
    leaf = tensor.requires_grad_() if spec.gradient and spec.dtype.is_floating_point else None
    if leaf is not None and spec.layout in ("numpy", "read only", "reversed", "sparse"):
        return leaf, leaf
    return laid_out(rng, tensor, spec.layout), leaf
