"""Smoothing that stops at the edges of a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PASSES = 3  # along x and along y each
_BLOCK = 8  # rows that a GPU takes in turn, in all blocks at once


@torch.no_grad()
def edge_aware_mean(planes: Tensor, guide: Tensor, reach: float | Tensor, edge: float) -> Tensor:
    """Average planes over the surroundings of each pixel, as far as no edge lies in between.

    Args:
        planes: (B, C, H, W) floating point.
        guide: the picture, (B, G, H, W), in [0, 1].
        reach: how far the surroundings go where there is no edge: the standard deviation of the weights, pixels; one
            for all pictures, or one for each, (B, 1, 1).
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
    filtered = _in_blocks if planes.is_cuda else _in_turn
    for number in range(_PASSES):
        deviation = reach * math.sqrt(3) * 2 ** (_PASSES - number - 1) / math.sqrt(4**_PASSES - 1)
        for step in steps:
            weights = torch.exp(-math.sqrt(2) / deviation * step).to(planes.dtype)
            filtered(rows, weights)
            turned.copy_(rows.transpose(0, 2))
            rows, turned = turned, rows
    return rows.permute(1, 3, 2, 0)


def _in_turn(rows: Tensor, weights: Tensor) -> None:
    """Let each row have its weight of the one before it, and then of the one after it: a CPU's caches hold both.

    Args:
        rows: (N, ...), written over.
        weights: (N - 1, ...) in [0, 1], between neighbours.
    """
    last = len(rows) - 1
    for place in range(1, last + 1):
        torch.lerp(rows[place], rows[place - 1], weights[place - 1], out=rows[place])
    for place in range(last - 1, -1, -1):
        torch.lerp(rows[place], rows[place + 1], weights[place], out=rows[place])


def _in_blocks(rows: Tensor, weights: Tensor) -> None:
    """Do the same in so few steps that a GPU has much to do in each."""
    first = weights.new_zeros(1, *rows.shape[1:3], 1)  # nothing is before it
    for along in (weights, weights.flip(0)):
        shares = torch.cat([first, along])
        _accumulate(rows.mul_(1 - shares), shares)
        rows.copy_(rows.flip(0))


def _accumulate(rows: Tensor, shares: Tensor) -> None:
    """Add to each row its share of the one before it, which has had its own: y[n] = x[n] + share[n] y[n - 1].

    Source: Blelloch, "Prefix sums and their applications", 1990, for recurrences in blocks.
    """
    begun = 1
    if len(rows) > _BLOCK:
        begun = len(rows) // _BLOCK * _BLOCK
        blocks, ratios = (one[:begun].unflatten(0, (-1, _BLOCK)) for one in (rows, shares))
        for place in range(1, _BLOCK):
            blocks[:, place].addcmul_(ratios[:, place], blocks[:, place - 1])
        reached = ratios.cumprod(1)  # shares of what came before the block
        ends = blocks[:, -1]
        _accumulate(ends, reached[:, -1])
        blocks[1:, :-1].addcmul_(reached[1:, :-1], ends[:-1, None])
    for place in range(begun, len(rows)):
        rows[place].addcmul_(shares[place], rows[place - 1])
