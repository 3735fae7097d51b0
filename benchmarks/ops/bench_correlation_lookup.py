"""Benchmark of correlation_lookup against RAFT's CorrBlock: 12 lookups and all their preparation, as in RAFT."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.ops.measure import OURS, PLAIN, Case
from photoflow.ops import Correlation

CHANNELS, RADIUS, LEVELS, LOOKUPS = 256, 4, 4, 12
SIZES = ((55, 128), (135, 240))
# With larger inputs PyTorch needs half a minute a call on the CPU, and a minute and tens of gigabytes for gradients.
CPU_GRADIENTS = 55 * 128


def cases(device: str, quick: bool) -> Iterator[Case]:
    """Yield cases with 256 channels at 1/8 of 440x1024 and of 1080p."""
    for height, width in SIZES[:1] if quick else SIZES:
        large = height * width > CPU_GRADIENTS and device == "cpu"
        for dtype in (torch.float32,) if quick or large else (torch.float32, torch.float16):
            generator = torch.Generator().manual_seed(0)
            maps = [torch.randn(1, CHANNELS, height, width, generator=generator) for _ in range(2)]
            inputs = [fmap.to(device, dtype) for fmap in maps]
            methods = {OURS: ours, PLAIN: plain}
            features, results = 2 * CHANNELS, LEVELS * (2 * RADIUS + 1) ** 2
            least = inputs[0].element_size() * height * width * (features + LOOKUPS * results)
            yield Case(
                op="correlation_lookup",
                shape=f"1x{CHANNELS}x{height}x{width}",
                inputs=(*inputs, *(p.to(device) for p in places(height, width, generator))),
                methods=methods,
                # RAFT detaches its coordinates. PyTorch's gradients take seconds on the CPU: too long for --quick.
                differentiable=() if large or (quick and device == "cpu") else (0, 1),
                forward_bytes=least,
                both_bytes=2 * least,
                compiled=not large,
                tolerance=1e-3 if dtype == torch.float32 else 2e-2,
                dtype=dtype,
            )


def places(height: int, width: int, generator: torch.Generator) -> list[Tensor]:
    """Draw the coordinates of a smooth flow that changes a little from lookup to lookup."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([x, y]).float()
    coarse = torch.randn(LOOKUPS + 1, 2, max(height // 10, 2), max(width // 10, 2), generator=generator)
    fields = F.interpolate(coarse, size=(height, width), mode="bicubic")
    return [(grid + 5 * fields[0] + 0.5 * field)[None] for field in fields[1:]]


def ours(fmap1: Tensor, fmap2: Tensor, *coords: Tensor) -> list[Tensor]:
    correlation = Correlation(fmap1, fmap2, levels=LEVELS)
    return [used(correlation.lookup(place, radius=RADIUS)) for place in coords]


def plain(fmap1: Tensor, fmap2: Tensor, *coords: Tensor) -> list[Tensor]:
    """Look up as RAFT's CorrBlock does: a matrix product, its averages, and grid_sample, in float32."""
    batch, channels, height, width = fmap1.shape
    dtype, fmap1, fmap2 = fmap1.dtype, fmap1.float(), fmap2.float()
    product = torch.matmul(fmap1.flatten(2).transpose(1, 2), fmap2.flatten(2)) / channels**0.5
    level = product.reshape(batch * height * width, 1, height, width)
    pyramid = [level]
    for _ in range(LEVELS - 1):
        level = F.avg_pool2d(level, 2, stride=2)
        pyramid.append(level)
    steps = torch.linspace(-RADIUS, RADIUS, 2 * RADIUS + 1, device=fmap1.device)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)[None]

    def lookup(place: Tensor) -> Tensor:
        centres = place.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        results = []
        for index, level in enumerate(pyramid):
            rows, columns = level.shape[-2:]
            at = centres / 2**index + offsets
            grid = torch.stack([2 * at[..., 0] / (columns - 1) - 1, 2 * at[..., 1] / (rows - 1) - 1], dim=-1)
            read = F.grid_sample(level, grid, align_corners=True)
            results.append(read.reshape(batch, height, width, -1))
        return torch.cat(results, dim=-1).permute(0, 3, 1, 2).contiguous().to(dtype)

    return [used(lookup(place)) for place in coords]


@torch.compiler.disable
def used(result: Tensor) -> Tensor:
    """Return some numbers of a lookup; like in a network, the whole lookup is computed and then freed."""
    return result[:, :: 2 * RADIUS + 1].clone()
