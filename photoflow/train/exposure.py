"""Changes of light between two images of one scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.ops import backward_warp

if TYPE_CHECKING:
    from photoflow.data import Batch

_CELL = 8  # pixels: means over as many do not depend on how an image was resampled
_LEAST = 0.01  # a change of brightness that cannot be told from an error of the flow, or of the mask
_CLIPPED = 0.01  # this near to black or white, a brighter image may have been cut off
_ROUNDS = 8
_EXACT = 0.002  # a cell whose residual is smaller counts no more than one with this
_FLAT = 1e-5  # a variance at which the slope of a line through the colours means little


def evenly_lit(batch: Batch) -> Batch:
    """Return the batch with image2 made as bright as image1.

    A change of light is no motion, and nothing tells a generator of it.

    Gain and lift come from least absolute residuals between the means over 8 by 8 pixels of the places that both
    images show: cells in which the flow, or what is seen, is a little wrong do not turn the line, as they would with
    least squares. A sample stays as it is, to the bit, where both changes are below 1 %, where nothing is seen in both
    images, or where the batch does not say what is.

    Args:
        batch: with image1, image2 and flow; `visible` says what of image1 is seen in image2.
    """
    if "visible" not in batch:
        return batch
    first, second = batch["image1"], backward_warp(batch["image2"], batch["flow"])
    gain, (before, after) = _line(first, second, batch["visible"])
    changed = ((gain - 1).abs() >= _LEAST) | ((before - after).abs() >= _LEAST)
    lit = (gain * (batch["image2"] - after) + before).clamp(0, 1)
    return {**batch, "image2": torch.where(changed, lit, batch["image2"])}


def _line(first: Tensor, second: Tensor, seen: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Fit a line to the colours of two images (B, 3, H, W): its gain, and the means of both; (B, 1, 1, 1) each.

    Iteratively reweighted least squares: Holland and Welsch, "Robust regression using iteratively reweighted
    least-squares", 1977.
    """
    low, high = (ends(first, second) for ends in (torch.minimum, torch.maximum))
    inside = (low.amin(1, keepdim=True) > _CLIPPED) & (high.amax(1, keepdim=True) < 1 - _CLIPPED)
    share = _per_cell(seen * inside)
    first, second = (_per_cell(seen * inside * image) / share.clamp_min(1e-6) for image in (first, second))
    weight = share.expand_as(first)
    for _ in range(_ROUNDS):
        total = _summed(weight).clamp_min(1e-6)
        before, after = _summed(weight * first) / total, _summed(weight * second) / total
        shared = _summed(weight * (first - before) * (second - after)) / total
        # Where there is little to tell a slope from, or nothing, it is 1.
        gain = (shared + _FLAT) / (_summed(weight * (second - after).square()) / total + _FLAT)
        gain = gain.clamp(0.8, 1.25)
        weight = share / (first - before - gain * (second - after)).abs().clamp_min(_EXACT)
    return gain, (before, after)


def _per_cell(planes: Tensor) -> Tensor:
    """Return sums over cells of 8 by 8 pixels; smaller ones at the right and at the bottom."""
    return functional.avg_pool2d(planes, _CELL, ceil_mode=True, divisor_override=1)


def _summed(planes: Tensor) -> Tensor:
    return planes.sum((1, 2, 3), keepdim=True)
