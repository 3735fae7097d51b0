"""Benchmark of occlusion, in both directions, against two warps by grid_sample.

Meister, Hur and Roth, "UnFlow", AAAI 2018, equation (2).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ops.bench_forward_splat import SHAPES, smooth_flow
from benchmarks.ops.measure import OURS, PLAIN, Case
from photoflow.ops import occlusion

ALPHA, BETA = 0.01, 0.5


def cases(device: str, quick: bool) -> Iterator[Case]:
    """Yield flows at the sizes used for all operators, in float32 as flows always are."""
    sizes = dict.fromkeys((batch, height, width) for batch, _, height, width in SHAPES)
    for batch, height, width in list(sizes)[:1] if quick else sizes:
        generator = torch.Generator().manual_seed(0)
        there = smooth_flow(batch, height, width, generator)
        # The way back misses by up to 1.3 pixels: about half of all pixels are seen.
        back = -there + smooth_flow(batch, height, width, generator) / 8
        inputs = (there.to(device), back.to(device))
        require_agreement(inputs)
        size = batch * height * width * 4 * (2 + 2 + 1 + 1)  # two flows read, two maps written
        yield Case(
            op="occlusion",
            shape=f"{batch}x2x{height}x{width}",
            inputs=inputs,
            methods={OURS: occlusion, PLAIN: grid_sample_check},
            forward_bytes=size,
            tolerance=1.0,  # a step function: see require_agreement
        )


def require_agreement(inputs: tuple[Tensor, Tensor]) -> None:
    """Check that both methods agree on almost all pixels; rounding may decide a few at the very threshold."""
    for ours, theirs in zip(occlusion(*inputs), grid_sample_check(*inputs)):
        assert float((ours != theirs).float().mean()) < 1e-3


def grid_sample_check(flow_ab: Tensor, flow_ba: Tensor) -> tuple[Tensor, Tensor]:
    """Check forward against backward flow as is common in PyTorch."""
    return seen(flow_ab, flow_ba), seen(flow_ba, flow_ab)


def seen(there: Tensor, back: Tensor) -> Tensor:
    _, _, height, width = there.shape
    gy, gx = torch.meshgrid(
        torch.arange(height, device=there.device), torch.arange(width, device=there.device), indexing="ij"
    )
    x, y = gx + there[:, 0], gy + there[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    returned = functional.grid_sample(back, grid, mode="bilinear", padding_mode="border", align_corners=True)
    miss = (there + returned).square().sum(1)
    length = there.square().sum(1) + returned.square().sum(1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (inside & (miss < ALPHA * length + BETA))[:, None].to(there.dtype)
