"""Smoothing that stops at the edges of a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PASSES = 3  # along x and along y each


@torch.no_grad()
def edge_aware_mean(planes: Tensor, guide: Tensor, reach: float, edge: float) -> Tensor:
    """Average planes over the surroundings of each pixel, as far as no edge lies in between.

    Args:
        planes: (B, C, H, W) floating point.
        guide: the picture, (B, G, H, W), in [0, 1].
        reach: how far the surroundings go where there is no edge: the standard deviation of the weights, pixels.
        edge: the step in the guide, summed over its channels, that is as far as `reach`.

    Returns:
        (B, C, H, W), of the planes' dtype, without gradient.

    Source: Gastal and Oliveira, "Domain Transform for Edge-Aware Image and Video Processing", SIGGRAPH 2011, section
        5.3, the recursive filter.
    """
    apart = [1 + reach / edge * guide.diff(dim=axis).abs().sum(1) for axis in (3, 2)]
    # The axis that the recursion goes along is the first one: (W - 1, B, H, 1), then (H - 1, B, W, 1).
    steps = [apart[0].permute(2, 0, 1)[..., None], apart[1].permute(1, 0, 2)[..., None]]
    rows = planes.permute(3, 0, 2, 1).clone(memory_format=torch.contiguous_format)  # (W, B, H, C); it is written over
    turned = torch.empty_like(rows.transpose(0, 2), memory_format=torch.contiguous_format)  # so is it, by turns
    for number in range(_PASSES):
        deviation = reach * math.sqrt(3) * 2 ** (_PASSES - number - 1) / math.sqrt(4**_PASSES - 1)
        for step in steps:
            weights = torch.exp(-math.sqrt(2) / deviation * step).to(planes.dtype)
            last = len(rows) - 1
            for place in range(1, last + 1):
                torch.lerp(rows[place], rows[place - 1], weights[place - 1], out=rows[place])
            for place in range(last - 1, -1, -1):
                torch.lerp(rows[place], rows[place + 1], weights[place], out=rows[place])
            turned.copy_(rows.transpose(0, 2))
            rows, turned = turned, rows
    return rows.permute(1, 3, 2, 0)
