"""correlation_lookup: how well the features around a place of one image fit those of another."""

from __future__ import annotations

import contextlib
import math
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.ops._contract import (
    as_tensor,
    check_beside,
    check_features,
    fail,
    refuse_double_backward,
    register_gradient,
)

_NAME = "correlation_lookup"
_METHODS = ("auto", "direct", "volume")
_MOST_LEVELS = 16
_MOST_RADIUS = 16

VOLUME_BUDGET = 64 << 20
"""Bytes up to which `auto` keeps all correlations: about where 12 lookups on a CPU cost the same either way."""


class Correlation:
    """The correlations of all pixels of two feature maps, looked up around given places as in RAFT.

        corr[p, q] = <fmap1[:, p], fmap2[:, q]> / sqrt(C)

    Level i of its pyramid is corr averaged over blocks of 2^i by 2^i pixels q (sides are halved rounding down), which
    is the correlation with the averaged fmap2. What many lookups share is computed here, once:

    * "direct" keeps fmap2's pyramid, C numbers for each of its positions, and computes correlations where they are
      read. Nothing of size H W h w exists.
    * "volume" keeps all correlations.

    Args:
        fmap1: Features (B, C, H, W), float16, bfloat16, float32 or float64, whose pixels ask.
        fmap2: Features (B, C, h, w) of the same dtype, in which they look.
        levels: Levels of the pyramid, 1 to 16. Levels without a pixel give 0.
        method: "direct", "volume", or "auto": the volume where it takes no more bytes than `budget`.
        budget: Bytes.

    Feature maps and coordinates may also be any array with `__dlpack__` (NumPy, CuPy, JAX), which is read where it
    lies.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Teed and Deng, "RAFT", ECCV 2020, section 3.2; computing correlations where they are read is from its
    section 3.2 too ("efficient computation for high resolution images").
    """

    def __init__(
        self, fmap1: Tensor, fmap2: Tensor, *, levels: int = 4, method: str = "auto", budget: int = VOLUME_BUDGET
    ) -> None:
        fmap1, fmap2 = as_tensor(_NAME, "fmap1", fmap1), as_tensor(_NAME, "fmap2", fmap2)
        _check_pair(fmap1, fmap2, levels, method, budget)
        volume = method == "volume" or (method == "auto" and volume_bytes(fmap1, fmap2, levels) <= budget)
        self.method = "volume" if volume else "direct"
        self.levels = levels
        self._maps = (fmap1, fmap2)
        self._reversed: Correlation | None = None
        # Weak: in a circle, volumes would wait for the garbage collector, which does not know how large they are.
        self._origin: weakref.ref[Correlation] | None = None
        if volume:
            self._table = _volume(fmap1, fmap2, levels)
        else:
            self._table = torch.ops.photoflow.correlation_pyramid(fmap2, levels)

    def lookup(self, coords: Tensor, *, radius: int = 4) -> Tensor:
        """Read the correlations around a place of fmap2, for every pixel of fmap1.

        Args:
            coords: Places (B, 2, H, W), float32 (float64 beside float64 features), pixels of fmap2, x, then y.
                Level i is read at coords / 2^i + offsets, bilinearly, with zeros outside. Where they are NaN or
                infinite the result is 0.
            radius: Largest offset along x and along y, 0 to 16.

        Returns:
            (B, levels (2 radius + 1)^2, H, W) of the features' dtype, accumulated in float32 (float64 for float64).
            Level by level; within a level, offset (dx, dy) is number (dx + radius) (2 radius + 1) + dy + radius, as
            in RAFT. Differentiable once with respect to both feature maps and the coordinates. Results and gradients
            do not depend on the number of threads, and repeat to the bit on CUDA.

        Raises:
            ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        """
        fmap1, fmap2 = self._maps
        shape = (fmap1.shape[0], 2, *fmap1.shape[2:])
        coords = as_tensor(_NAME, "coords", coords)
        coords = check_beside(_NAME, "coords", coords, fmap1, shape, "(B, 2, H, W)")
        _check_count("radius", radius, 0, _MOST_RADIUS)
        size = tuple(fmap2.shape[2:])
        if self.method == "direct":
            result: Tensor = torch.ops.photoflow.correlation_lookup(
                fmap1, self._table, coords, *size, self.levels, radius
            )
            return result
        result = torch.ops.photoflow.correlation_volume_lookup(self._table, coords, *size, self.levels, radius)
        return result.to(fmap1.dtype)

    def reversed(self) -> Correlation:
        """Return the correlations the other way: for every pixel of fmap2, read in fmap1.

        No product is computed twice: a volume is transposed and averaged over the other pixels; without a volume,
        products are computed where they are read. While `x` is in use, `x.reversed().reversed()` is `x`.
        """
        origin = None if self._origin is None else self._origin()
        if origin is not None:
            return origin
        if self._reversed is None:
            other = object.__new__(Correlation)
            other.method, other.levels, other._maps = self.method, self.levels, self._maps[::-1]
            other._reversed, other._origin = None, weakref.ref(self)
            if self.method == "volume":
                other._table = _transposed(self._table, *self._maps, self.levels)
            else:
                other._table = torch.ops.photoflow.correlation_pyramid(self._maps[0], self.levels)
            self._reversed = other
        return self._reversed


def correlation_lookup(
    fmap1: Tensor,
    fmap2: Tensor,
    coords: Tensor,
    *,
    radius: int = 4,
    levels: int = 4,
    method: str = "auto",
    budget: int = VOLUME_BUDGET,
) -> Tensor:
    """Look up correlations a single time: `Correlation(fmap1, fmap2, ...).lookup(coords, ...)`; see there."""
    return Correlation(fmap1, fmap2, levels=levels, method=method, budget=budget).lookup(coords, radius=radius)


def volume_bytes(fmap1: Tensor, fmap2: Tensor, levels: int) -> int:
    """Return the bytes that the volume of all correlations takes, with its pyramid."""
    batch, _, height, width = fmap1.shape
    size = 8 if fmap1.dtype == torch.float64 else 4
    return batch * height * width * _positions(fmap2.shape[2], fmap2.shape[3], levels) * size


def _positions(height: int, width: int, levels: int) -> int:
    """Count the pixels of all levels."""
    # Shifts would fix symbolic sizes.
    return sum((height // 2**level) * (width // 2**level) for level in range(levels))


def _check_count(argument: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        fail(_NAME, argument, f"an integer from {least} to {most}", value)


def _check_pair(fmap1: Tensor, fmap2: Tensor, levels: int, method: str, budget: int) -> None:
    check_features(_NAME, "fmap1", fmap1)
    check_features(_NAME, "fmap2", fmap2)
    if fmap2.shape[:2] != fmap1.shape[:2]:
        fail(_NAME, "fmap2", f"shape (B, C, h, w) = {(*fmap1.shape[:2], 'any', 'any')}", tuple(fmap2.shape))
    if fmap2.dtype != fmap1.dtype:
        fail(_NAME, "fmap2", fmap1.dtype.__repr__(), fmap2.dtype, TypeError)
    if fmap2.device != fmap1.device:
        fail(_NAME, "fmap2", f"a tensor on {fmap1.device}", fmap2.device)
    _check_count("levels", levels, 1, _MOST_LEVELS)
    if not isinstance(method, str) or method not in _METHODS:
        fail(_NAME, "method", " or ".join(repr(name) for name in _METHODS), repr(method))
    if not isinstance(budget, int) or budget < 0:
        fail(_NAME, "budget", "a number of bytes, an integer of at least 0", budget)


def _volume(fmap1: Tensor, fmap2: Tensor, levels: int) -> Tensor:
    """Compute all correlations with all levels, (B, H W, positions)."""
    batch, channels, height, width = fmap1.shape
    wide = torch.float64 if fmap1.dtype == torch.float64 else torch.float32
    queries = fmap1.reshape(batch, channels, height * width).transpose(1, 2).to(wide) / math.sqrt(max(channels, 1))
    pyramid = torch.ops.photoflow.correlation_pyramid(fmap2, levels)[..., :channels]
    device = fmap1.device.type
    with contextlib.nullcontext() if device == "meta" else torch.autocast(device, enabled=False):
        return torch.matmul(queries, pyramid.transpose(1, 2))


def _transposed(volume: Tensor, fmap1: Tensor, fmap2: Tensor, levels: int) -> Tensor:
    """Compute the other direction's volume, (B, h w, positions of fmap1's levels), from a volume's first level."""
    batch, _, height, width = fmap1.shape
    others = fmap2.shape[2] * fmap2.shape[3]
    level = volume[..., :others].transpose(1, 2).reshape(batch * others, 1, height, width)
    parts = [level]
    for _ in range(1, levels):
        if level.shape[2] < 2 or level.shape[3] < 2 or level.shape[0] == 0:
            break
        level = functional.avg_pool2d(level, 2)
        parts.append(level)
    table = torch.cat([part.reshape(batch, others, part.shape[2] * part.shape[3]) for part in parts], dim=2)
    return table if batch * others else table.new_zeros(batch, others, _positions(height, width, levels))


@torch.library.register_fake("photoflow::correlation_pyramid")
def _fake_pyramid(fmap: Tensor, levels: int) -> Tensor:
    _check_count("levels", levels, 1, _MOST_LEVELS)
    batch, channels, height, width = fmap.shape
    dtype = torch.float64 if fmap.dtype == torch.float64 else torch.float32
    return fmap.new_empty((batch, _positions(height, width, levels), (channels + 15) // 16 * 16), dtype=dtype)


@torch.library.register_fake("photoflow::correlation_pyramid_backward")
def _fake_pyramid_backward(grad: Tensor, channels: int, height: int, width: int, levels: int) -> Tensor:
    return grad.new_empty((grad.shape[0], channels, height, width))


@torch.library.register_fake("photoflow::correlation_lookup")
def _fake(fmap1: Tensor, pyramid: Tensor, coords: Tensor, height: int, width: int, levels: int, radius: int) -> Tensor:
    return fmap1.new_empty((fmap1.shape[0], levels * (2 * radius + 1) ** 2, *fmap1.shape[2:]))


@torch.library.register_fake("photoflow::correlation_lookup_backward")
def _fake_backward(
    grad: Tensor,
    fmap1: Tensor,
    pyramid: Tensor,
    coords: Tensor,
    height: int,
    width: int,
    levels: int,
    radius: int,
    needs_fmap1: bool,
    needs_pyramid: bool,
    needs_coords: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    batch = fmap1.shape[0]
    return (
        fmap1.new_empty((batch if needs_fmap1 else 0, *fmap1.shape[1:])),
        pyramid.new_empty((batch if needs_pyramid else 0, *pyramid.shape[1:])),
        coords.new_empty((batch if needs_coords else 0, *coords.shape[1:])),
    )


@torch.library.register_fake("photoflow::correlation_volume_lookup")
def _fake_volume(volume: Tensor, coords: Tensor, height: int, width: int, levels: int, radius: int) -> Tensor:
    return coords.new_empty((coords.shape[0], levels * (2 * radius + 1) ** 2, *coords.shape[2:]))


@torch.library.register_fake("photoflow::correlation_volume_lookup_backward")
def _fake_volume_backward(
    grad: Tensor,
    volume: Tensor,
    coords: Tensor,
    height: int,
    width: int,
    levels: int,
    radius: int,
    needs_volume: bool,
    needs_coords: bool,
) -> tuple[Tensor, Tensor]:
    batch = coords.shape[0]
    return (
        volume.new_empty((batch if needs_volume else 0, *volume.shape[1:])),
        coords.new_empty((batch if needs_coords else 0, *coords.shape[1:])),
    )


def _setup_pyramid(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    fmap, ctx.levels = inputs
    ctx.size, ctx.dtype = fmap.shape[1:], fmap.dtype


def _backward_pyramid(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    spread = torch.ops.photoflow.correlation_pyramid_backward(grad, *ctx.size, ctx.levels)
    return spread.to(ctx.dtype), None


def _setup_pyramid_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *_, ctx.levels = inputs


def _backward_pyramid_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # The pyramid is linear: the derivative of its gradient is itself.
    return torch.ops.photoflow.correlation_pyramid(grad, ctx.levels), None, None, None, None


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    # (fmap1, pyramid, coords) or (volume, coords), then four numbers.
    *tensors, height, width, levels, radius = inputs
    ctx.numbers = (height, width, levels, radius)
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad[:3]
    grads = torch.ops.photoflow.correlation_lookup_backward(grad, *ctx.saved_tensors, *ctx.numbers, *needs)
    return *(grad if needed else None for grad, needed in zip(grads, needs)), None, None, None, None


def _backward_volume(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad[:2]
    grads = torch.ops.photoflow.correlation_volume_lookup_backward(grad, *ctx.saved_tensors, *ctx.numbers, *needs)
    return *(grad if needed else None for grad, needed in zip(grads, needs)), None, None, None, None


register_gradient("correlation_pyramid", _backward_pyramid, setup_context=_setup_pyramid)
register_gradient("correlation_pyramid_backward", _backward_pyramid_backward, setup_context=_setup_pyramid_backward)
register_gradient("correlation_lookup", _backward, setup_context=_setup_context)
register_gradient("correlation_volume_lookup", _backward_volume, setup_context=_setup_context)
refuse_double_backward(_NAME)
refuse_double_backward("correlation_volume_lookup")
