"""Calls drawn at random: the emulated CUDA kernels and the CPU's operators give the same.

python fuzz.py LIBRARY SECONDS SEED [DRAWS]
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

EMULATED = "photoflow_emulated"
os.environ["EMULATED_LIBRARY"] = EMULATED

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

import photoflow.ops  # noqa: E402, F401  registers the CPU's operators

# How far results may be apart, as a share of the largest of them, or of 1.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-5, torch.float16: 1e-2, torch.bfloat16: 3e-2}
NOT_FINITE = (math.nan, math.inf, -math.inf)
FAR = (1e9, -3e9, 2**30, -(2**30), 1e30)
MOST_CORRELATIONS = 20_000  # of a call: a few that were larger would take most of the time
Shape = tuple[int, int, int]


class Difference(Exception):
    """The two differ; the message tells where."""


def accumulating(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def compare(got: Any, want: Any, dtype: torch.dtype, where: str) -> None:
    """Raise where results of an operator differ by more than `dtype`, the least precise of its arguments, allows."""
    if not isinstance(got, Tensor):
        for i, pair in enumerate(zip(got, want, strict=True)):
            compare(*pair, dtype, f"{where}[{i}]")
        return
    facts = [(t.shape, t.dtype, t.stride() if t.numel() else ()) for t in (got, want)]
    if facts[0] != facts[1]:
        raise Difference(f"{where}: {facts[0]} instead of {facts[1]}")
    if not got.numel():
        return
    mine, other = got.double(), want.double()
    same = (mine == other) | (mine.isnan() & other.isnan())
    apart = torch.where(same, 0, (mine - other).abs()).max().item()
    scale = max(1.0, torch.where(other.isfinite(), other.abs(), 0).max().item())
    if not apart <= max(TOLERANCE[dtype], TOLERANCE[got.dtype]) * scale:
        raise Difference(f"{where}: apart by {apart:.3g} of {scale:.3g}")


def both(name: str, arguments: Sequence[Any], dtype: torch.dtype) -> Any:
    """Call an operator both ways and compare; return what the CPU gave."""
    want = getattr(torch.ops.photoflow, name)(*arguments)
    compare(getattr(getattr(torch.ops, EMULATED), name)(*arguments), want, dtype, name)
    return want


def repeats(name: str, arguments: Sequence[Any]) -> None:
    """Check that the emulated operator gives the same bits twice, whatever order its threads take."""
    first, second = (
        torch.utils._pytree.tree_leaves(getattr(getattr(torch.ops, EMULATED), name)(*arguments)) for _ in range(2)
    )
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(first, second, strict=True)):
        raise Difference(f"{name}: other bits the second time")


class Draw:
    """What a call is made of, drawn at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        torch.manual_seed(seed)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def side(self) -> int:
        return self.random.choice([1, 2, 3, 5, 7, 8, 13, 17, 31, 32, 33, self.random.randint(1, 24)])

    def size(self) -> Shape:
        if self.chance(0.04):
            return self.random.choice([(0, 4, 5), (2, 0, 5), (2, 4, 0)])
        return self.random.randint(1, 3), self.side(), self.side()

    def channels(self) -> int:
        return self.random.choice([0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 20, 31, 32, 33, 40, 64, 65])

    def dtype(self) -> torch.dtype:
        return self.random.choice([torch.float32] * 3 + [torch.float64, torch.float16, torch.bfloat16])

    def features(self, dtype: torch.dtype, *shape: int) -> Tensor:
        return self.laid_out(torch.randn(*shape).to(dtype))

    def laid_out(self, tensor: Tensor) -> Tensor:
        """Give four dimensions another memory format, or strides that are none."""
        kind = self.random.randrange(5)
        if tensor.dim() != 4 or kind < 2:
            return tensor
        if kind < 4:
            return tensor.to(memory_format=torch.channels_last)
        wide = torch.empty(*tensor.shape[:-2], tensor.shape[-1], 2 * tensor.shape[-2], dtype=tensor.dtype)
        view = wide[..., ::2].transpose(-1, -2)
        view.copy_(tensor)
        return view

    def spoil(self, tensor: Tensor, values: Sequence[float]) -> Tensor:
        for value in values if tensor.numel() else ():
            tensor.view(-1)[self.random.randrange(tensor.numel())] = value
        return tensor

    def flow(self, batch: int, height: int, width: int, dtype: torch.dtype) -> Tensor:
        flow = torch.randn(batch, 2, height, width, dtype=torch.float64) * self.random.choice([0.3, 3, 30])
        if self.chance(0.3):
            flow = flow.round()
        if self.chance(0.2):  # all move alike
            flow = torch.ones_like(flow) * torch.randn(1)
        if self.chance(0.1):  # all onto one pixel
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            flow = torch.stack([0.3 - x, 0.4 - y]).double().expand(batch, 2, height, width).clone()
        if self.chance(0.4):
            self.spoil(flow, NOT_FINITE + FAR)
        return self.laid_out(flow.to(dtype))

    def flags(self, count: int) -> list[bool]:
        return [self.chance(0.8) for _ in range(count)]


def occlusion(draw: Draw) -> None:
    dtype, (batch, height, width) = draw.random.choice([torch.float32, torch.float64]), draw.size()
    forth = draw.flow(batch, height, width, dtype)
    back = draw.flow(batch, height, width, dtype) if draw.chance(0.5) else draw.laid_out(-forth)
    both("occlusion", (forth, back, 0.01, 0.5), dtype)


def backward_warp(draw: Draw) -> None:
    batch, height, width = draw.size()
    out = (height, width) if draw.chance(0.6) or height * width == 0 else (draw.side(), draw.side())
    halves = [torch.float32, torch.float16, torch.bfloat16]
    wide, count = draw.chance(0.2), draw.random.choice([1, 1, 2, 3, 9, 18])
    dtypes = [torch.float64 if wide else draw.random.choice(halves) for _ in range(count)]
    images = [draw.features(dtype, batch, draw.channels(), height, width) for dtype in dtypes]
    flow = draw.flow(batch, *out, accumulating(dtypes[0]))
    how = (draw.random.choice([1, 2, 4]), draw.random.randrange(3))
    least = max(dtypes, key=TOLERANCE.__getitem__)
    both("backward_warp_many", (images, flow, *how), least)
    if count == 1:
        both("backward_warp", (images[0], flow, *how), least)
    grads = [draw.features(image.dtype, batch, image.shape[1], *out) for image in images]
    deterministic = draw.chance(0.4)
    arguments = (grads, images, flow, *how, draw.flags(count), draw.chance(0.8), deterministic)
    both("backward_warp_many_backward", arguments, least)
    if deterministic:
        repeats("backward_warp_many_backward", arguments)


def metric(draw: Draw, mode: int, dtype: torch.dtype, *shape: int) -> Tensor | None:
    if mode < 2:
        return None
    made = torch.rand(shape) + 0.1 if mode == 2 else torch.randn(shape) * draw.random.choice([1, 30, 500])
    if mode == 3 and draw.chance(0.3):
        made = made + draw.random.choice([-1e4, 1e4])
    if draw.chance(0.3):
        draw.spoil(made, [draw.random.choice(NOT_FINITE)])
    return made.to(dtype)


def forward_splat(draw: Draw) -> None:
    (batch, height, width), dtype, channels = draw.size(), draw.dtype(), draw.channels()
    mode, wide, deterministic = draw.random.randrange(4), accumulating(dtype), draw.chance(0.4)
    image, flow = draw.features(dtype, batch, channels, height, width), draw.flow(batch, height, width, wide)
    weights = metric(draw, mode, wide, batch, 1, height, width)
    if deterministic and mode < 2 and draw.chance(0.2):
        image = draw.spoil(image.contiguous(), [draw.random.choice(NOT_FINITE)])
        flow = flow.floor() + 0.3  # where a target has no weight, 0 times infinity is NaN on the CPU and 0 on CUDA
    arguments = (image, flow, weights, mode, 1e-7, deterministic)
    out, _, normaliser = both("forward_splat", arguments, dtype)
    if deterministic:
        repeats("forward_splat", arguments)
    if not out.isfinite().all():
        return
    incoming = draw.features(dtype, batch, channels, height, width)
    covered = torch.randn(batch, 1, height, width).to(wide) if draw.chance(0.5) else None
    needs = draw.flags(3)
    needs[2] = needs[2] and mode >= 2
    both("forward_splat_backward", (incoming, covered, image, flow, weights, out, normaliser, mode, *needs), dtype)


def correlation_lookup(draw: Draw) -> None:
    batch = draw.random.randint(0 if draw.chance(0.05) else 1, 2)
    height, width, height2, width2 = min(draw.side(), 17), min(draw.side(), 17), draw.side(), draw.side()
    dtype, channels = draw.dtype(), max(1, draw.channels())
    levels, radius = draw.random.randint(1, 5), draw.random.choice([0, 1, 2, 3, 4, 4, draw.random.randint(0, 7)])
    while batch * height * width * levels * (2 * radius + 2) ** 2 > MOST_CORRELATIONS:
        # One at a time: so there are many pixels with small windows, and large windows of few pixels.
        sizes = [height, width, levels, radius]
        chosen = draw.random.randrange(4)
        sizes[chosen] = (sizes[chosen] + 1) // 2
        height, width, levels, radius = sizes
    fmap1 = draw.features(dtype, batch, channels, height, width)
    fmap2 = draw.features(dtype, batch, channels, height2, width2)
    coords = torch.rand(batch, 2, height, width, dtype=torch.float64)
    coords = coords * torch.tensor([width2, height2]).reshape(1, 2, 1, 1)
    coords = coords + torch.randn(batch, 2, height, width) * draw.random.choice([0, 1, 10])
    coords = coords.round() if draw.chance(0.3) else coords
    if draw.chance(0.4):
        draw.spoil(coords, (math.nan, math.inf, *FAR))
    wide = accumulating(dtype)
    coords = draw.laid_out(coords.to(wide))
    numbers = (height2, width2, levels, radius)
    pyramid = both("correlation_pyramid", (fmap2, levels), dtype)
    both("correlation_pyramid_backward", (torch.randn_like(pyramid), channels, height2, width2, levels), dtype)
    out = both("correlation_lookup", (fmap1, pyramid, coords, *numbers), dtype)
    incoming, needs = draw.features(dtype, *out.shape), draw.flags(3)
    both("correlation_lookup_backward", (incoming, fmap1, pyramid, coords, *numbers, *needs), dtype)
    positions = sum((height2 >> level) * (width2 >> level) for level in range(levels))
    volume = torch.randn(batch, height * width, positions, dtype=wide)
    both("correlation_volume_lookup", (volume, coords, *numbers), wide)
    both("correlation_volume_lookup_backward", (incoming.to(wide), volume, coords, *numbers, *needs[:2]), wide)


def flow_attention(draw: Draw) -> None:
    (batch, height, width), dtype = draw.size(), draw.dtype()
    channels = max(1, draw.channels()) if draw.chance(0.95) else 0
    hidden = draw.random.choice([1, 3, 31, 32, 33, 64, 65, 70])
    feature = draw.features(dtype, batch, channels, height, width)
    whole = draw.chance(0.4) or height * width == 0
    flow = draw.flow(batch, *((height, width) if whole else (draw.side(), draw.side())), accumulating(dtype))
    flow = torch.where(flow.abs() < 1e4, flow, math.nan)  # sums of far ones have no digit in common
    wide = dtype == torch.float64
    first, second = (
        dtype if wide else draw.random.choice([torch.float32, half]) for half in (torch.float16, torch.bfloat16)
    )
    w1, b1 = (torch.randn(hidden, 2, 3, 3) * 0.2).to(first), torch.randn(hidden).to(first)
    w2, b2 = (torch.randn(channels, hidden, 3, 3) * 0.1).to(second), torch.randn(channels).to(first)
    least = max([dtype, first, second], key=TOLERANCE.__getitem__)
    _, raw = both("flow_attention", (feature, flow, w1, b1, w2, b2, True), least)
    incoming = draw.features(dtype, batch, channels, height, width)
    both("flow_attention_backward", (incoming, feature, flow, w1, b1, w2, b2, raw, *draw.flags(6)), least)


OPERATORS: tuple[Callable[[Draw], None], ...] = (
    occlusion, backward_warp, forward_splat, correlation_lookup, flow_attention,
)  # fmt: skip


def main(library: str, seconds: float, seed: int, draws: float = math.inf) -> int:
    """Draw calls of each operator in turn, so many or until the time is over; return how many differ."""
    torch.ops.load_library(library)
    torch.set_num_threads(1)
    end, bad, calls = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end and calls < draws:
        operator = OPERATORS[calls % len(OPERATORS)]
        try:
            operator(Draw(seed + calls))
        except (Difference, RuntimeError) as error:
            bad += 1
            print(f"{operator.__name__}, seed {seed + calls}: {str(error)[:400]}", flush=True)
        calls += 1
    print(f"{calls} draws, {bad} bad")
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:])) > 0)
