"""The networks' operators in plain PyTorch, as they are commonly written, and a way to run the networks with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ops.bench_flow_attention import plain as attention
from photoflow.models import generator, ifnet
from photoflow.models.amt import amt
from photoflow.models.amt import parts as amt_parts

_NETWORKS: tuple[ModuleType, ...] = (amt, amt_parts, generator, ifnet)


@contextmanager
def plain_operators() -> Iterator[None]:
    """Replace the operators of all networks by plain PyTorch inside the `with` block."""
    plain = {"backward_warp": warp, "Correlation": AllPairs, "flow_attention": attention}
    with ExitStack() as stack:
        for module in _NETWORKS:
            for name, operator in plain.items():
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, operator))
        yield


def warp(
    image: Tensor | Sequence[Tensor], flow: Tensor, *, mode: str = "bilinear", padding: str = "zeros"
) -> Tensor | list[Tensor]:
    """Warp images backward with a base grid plus the flow, normalised to [-1, 1], and grid_sample, in float32."""
    alone = isinstance(image, Tensor)
    images = [image] if isinstance(image, Tensor) else list(image)
    height, width = images[0].shape[2:]
    rows, columns = (torch.arange(side, dtype=flow.dtype, device=flow.device) for side in flow.shape[2:])
    across = 2 * (columns + flow[:, 0]) / max(width - 1, 1) - 1
    down = 2 * (rows[:, None] + flow[:, 1]) / max(height - 1, 1) - 1
    grid = torch.stack((across, down), dim=-1)
    moved = [
        functional.grid_sample(one.float(), grid, mode, padding, align_corners=True).to(one.dtype) for one in images
    ]
    return moved[0] if alone else moved


class AllPairs:
    """All-pairs correlation volume with its averages, read by grid_sample; the reverse direction is its transpose."""

    def __init__(self, fmap1: Tensor, fmap2: Tensor, *, levels: int = 4) -> None:
        queries, keys = fmap1.float().flatten(2).transpose(1, 2), fmap2.float().flatten(2)
        product = torch.matmul(queries, keys) / fmap1.shape[1] ** 0.5
        self._set(product, (fmap1.shape[2], fmap1.shape[3]), (fmap2.shape[2], fmap2.shape[3]), levels, fmap1.dtype)

    def _set(
        self, product: Tensor, here: tuple[int, int], there: tuple[int, int], levels: int, dtype: torch.dtype
    ) -> None:
        self._product, self._here, self._there, self._dtype = product, here, there, dtype
        self._pyramid = [product.reshape(-1, 1, *there)]
        for _ in range(levels - 1):
            self._pyramid.append(functional.avg_pool2d(self._pyramid[-1], 2))

    def reversed(self) -> AllPairs:
        other = object.__new__(AllPairs)
        other._set(self._product.transpose(1, 2), self._there, self._here, len(self._pyramid), self._dtype)
        return other

    def lookup(self, coords: Tensor, *, radius: int = 4) -> Tensor:
        batch, _, height, width = coords.shape
        steps = torch.arange(-radius, radius + 1, dtype=coords.dtype, device=coords.device)
        offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)[None]
        centres = coords.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        results = []
        for index, level in enumerate(self._pyramid):
            rows, columns = level.shape[2:]
            at = centres / 2**index + offsets
            grid = torch.stack([2 * at[..., 0] / (columns - 1) - 1, 2 * at[..., 1] / (rows - 1) - 1], dim=-1)
            read = functional.grid_sample(level, grid, align_corners=True)
            results.append(read.reshape(batch, height, width, -1))
        return torch.cat(results, dim=-1).permute(0, 3, 1, 2).contiguous().to(self._dtype)
