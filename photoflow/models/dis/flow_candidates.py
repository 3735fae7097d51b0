"""The candidates for the flow of each pixel, and the evidence for and against each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.arrays import Array
from photoflow.models.dis.affine_motions import AffineMotion, affine_motions, missed_motions
from photoflow.models.dis.dis import DIS, consistent, grey
from photoflow.models.dis.edge_aware import edge_aware_mean
from photoflow.ops import backward_warp

MOTIONS, MISSED = 8, 3  # affine ones, beside the flow itself
CANDIDATES = 1 + MOTIONS + MISSED
_HALF, _LARGEST = 2, 512  # by which pictures are reduced for the choice; more, where the longer side would be larger
_KNOWN = 4  # of the motions; few pixels agree on the others, so that a thing that moves by one may have been missed

_COLOUR, _MUCH, _GRADIENT = 0.08, 0.3, 0.06  # differences of values in [0, 1] that are as bad as any larger one
_BACK, _LOST = 3.0, 16.0  # pixels that the flow back is off by
_SAME = 1.0  # pixels between two motions
_APART = 8.0
_MISFITS = 6
_PIXELS = 1 << 20  # whose misfits are measured at once
_REACH = (0.1, 0.47)  # near and far surroundings, times the longer side
_EDGE = 0.6
_NO_EVIDENCE = 0.8  # the misfit of what is compared nowhere, and
_COUNTS = 0.01  # how much of the surroundings that weighs

EVIDENCE = 5 * _MISFITS + 13
"""Numbers about each candidate at each place."""


def reduction(size: Sequence[int]) -> int:
    """Return the factor by which pictures of a (height, width) are reduced for the choice: 2 up to 1024 pixels."""
    return _HALF * math.ceil(max(size) / (_HALF * _LARGEST))


class Candidates(NamedTuple):
    """The candidates for the flow of each pixel.

    Args:
        flows: (B, K, 2, H, W) float32, pixels: that of DIS; up to 8 affine motions that most of its pixels agree on;
            and up to 3 that it has missed. Where there are fewer, the first motion again, and where there is none,
            DIS again.
        shares: the share of the pixels or features asked that agrees on each, (B, K); 1 for DIS, 0 for those that
            repeat others.
        back: DIS from the second image to the first, (B, 2, H, W).
        sure: 1 where the flow back returns to the pixel that DIS came from, else 0, (B, 1, H, W).
        sure_back: the same of the second image.
    """

    flows: Tensor
    shares: Tensor
    back: Tensor
    sure: Tensor
    sure_back: Tensor

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Candidates:
        """Return the candidates with all planes (B, C, H, W) changed."""
        flows = change(self.flows.flatten(1, 2)).unflatten(1, (-1, 2))
        return Candidates(flows, self.shares, *(change(planes) for planes in self[2:]))


@torch.no_grad()
def measured(image1: Tensor, image2: Tensor) -> Candidates:
    """Measure the candidates for the flow between two images: by DIS at full resolution, on the CPU, and by SIFT.

    Args:
        image1: (B, 3, H, W) RGB in [0, 1].
        image2: another of the same shape.

    Returns:
        The candidates, on the images' device.

    Raises:
        ValueError, TypeError: the images have the wrong or different shapes or dtypes.
    """
    measure = DIS(whole=True)
    forth, back = measure(image1, image2), measure(image2, image1)
    sure, sure_back = consistent(forth, back), consistent(back, forth)
    found = [
        _motions(*one) for one in zip(forth.cpu(), sure[:, 0].cpu(), sure_back[:, 0].cpu(), grey(image1), grey(image2))
    ]
    flows = torch.stack([torch.stack([motion.carried for motion in motions]) for motions in found]).to(forth)
    shares = torch.tensor([[motion.share for motion in motions] for motions in found]).to(forth)
    return Candidates(flows, shares, back, sure.to(forth), sure_back.to(forth))


def _motions(flow: Tensor, sure: Tensor, sure_back: Tensor, one: Array, two: Array) -> list[AffineMotion]:
    """List DIS and the motions in it, as many as `CANDIDATES`."""
    dis = AffineMotion(flow, 1.0)
    motions = affine_motions(flow, sure, MOTIONS)
    again = AffineMotion((motions or [dis])[0].carried, 0.0)
    known = torch.stack([flow, *(motion.carried for motion in motions[:_KNOWN])])
    missed = missed_motions(one, two, ~sure, ~sure_back, known, MISSED)
    motions += [again] * (MOTIONS - len(motions))
    return [dis, *motions, *missed] + [again] * (MISSED - len(missed))


@torch.no_grad()
def evidence(image1: Tensor, image2: Tensor, candidates: Candidates) -> Tensor:
    """Gather the evidence for and against each candidate.

    It compares colours and gradients with those of the second image where the candidate leads, and tells whether the
    flow back from there returns and whether that place surely belongs to another pixel. All this is measured at the
    pixel and on average over near and far surroundings without an edge in between, by itself and beside the best of all
    candidates. The evidence also tells whether the candidate leads out of the picture, whether pixels nearby whose flow
    is certain move so, and what kind of candidate it is.

    Args:
        image1: (B, 3, H, W) RGB in [0, 1], of sides that are multiples of r, their `reduction`.
        image2: another of the same shape.
        candidates: for the flow between them.

    Returns:
        (B, H / r, W / r, K, EVIDENCE) float32, about from -1 to 1.

    Source: surroundings that end at edges: Hosni et al., "Fast Cost-Volume Filtering for Visual Correspondence and
        Beyond", CVPR 2011, there with another filter.
    """
    image1, image2 = image1.float(), image2.float()
    count = candidates.flows.shape[1]
    misfits, inside = _misfits(image1, image2, candidates)  # (B, 6 K, h, w), (B, K, h, w)
    guide, sure, flows = (reduced(planes) for planes in (image1, candidates.sure, candidates.flows.flatten(1, 2)))
    flows = flows.unflatten(1, (count, 2))
    agrees = (length(flows - flows[:, :1], 2) < _SAME).float()
    longer = max(guide.shape[2:])
    seen = inside.repeat(1, _MISFITS, 1, 1)
    near, near_seen = _mean(guide, _REACH[0] * longer, misfits * seen, inside)
    far, far_seen, far_agrees, far_sure = _mean(guide, _REACH[1] * longer, misfits * seen, inside, agrees * sure, sure)
    levels = [misfits]
    for sums, weight in ((near, near_seen), (far, far_seen)):
        weight = weight.repeat(1, _MISFITS, 1, 1) + _COUNTS
        levels.append((sums + _COUNTS * _NO_EVIDENCE) / weight)
    real = candidates.shares[:, :, None, None] > 0
    planes = [level.unflatten(1, (_MISFITS, count)) for level in levels]
    best = [torch.where(real[:, None], level, torch.inf).amin(2, keepdim=True) for level in planes[1:]]
    planes += [level - least for level, least in zip(planes[1:], best)]
    each = [
        inside, far_seen, sure.expand_as(inside), far_sure.expand_as(inside), agrees, far_agrees / (far_sure + 0.02),
        *(length(flows - flows[:, one : one + 1], 2).div(_APART).tanh() for one in (0, 1)),
        candidates.shares[:, :, None, None].expand_as(inside), *_kinds(inside),
    ]  # fmt: skip
    return torch.cat([*planes, torch.stack(each, 1)], 1).permute(0, 3, 4, 2, 1)


def _misfits(image1: Tensor, image2: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Measure all candidates' misfits, kind by kind, (B, 6 K, h, w).

    The second result tells whether the candidates lead into the picture, (B, K, h, w).
    """
    flows = candidates.flows
    # Many candidates of a small picture at once, and few of a large one: memory and the number of steps stay moderate.
    together = max(1, _PIXELS // flows[0, 0, 0].numel())
    parts = [_misfits_of(image1, image2, some, candidates) for some in flows.split(together, 1)]
    *misfits, inside = torch.cat(parts, 2).unbind(1)
    return torch.cat(misfits, 1), inside


def _misfits_of(image1: Tensor, image2: Tensor, flows: Tensor, candidates: Candidates) -> Tensor:
    """Measure the misfits of some flows (B, G, 2, H, W), and whether they lead into the picture: (B, 7, G, h, w)."""
    batch, count = flows.shape[:2]

    def for_each(planes: Tensor) -> Tensor:
        return planes if count == 1 else planes.repeat_interleave(count, 0)

    flow, first = flows.flatten(0, 1), for_each(image1)
    seconds = [for_each(planes) for planes in (image2, candidates.back, candidates.sure_back)]
    there, back, taken = backward_warp(seconds, flow, padding="border")
    inside = (backward_warp(torch.ones_like(taken), flow) > 0.5).float()
    slope = slopes(there).sub_(slopes(first)).abs_().mean(1, keepdim=True)
    colour = there.sub_(first).abs_().mean(1, keepdim=True)
    off = length(back.add_(flow), 1)[:, None]
    kinds = (
        colour / _COLOUR, colour / _MUCH, slope / _GRADIENT, inside * off / _BACK, inside * (off / _LOST).tanh(),
        inside * taken * (off > _BACK), inside,
    )  # fmt: skip
    means: Tensor = reduced(torch.cat(kinds, 1).clamp_(max=1)).unflatten(0, (batch, count))
    return means.transpose(1, 2)


def _kinds(like: Tensor) -> list[Tensor]:
    """Mark candidates that are DIS, the first of the motions, another, or one that was missed: (B, K, h, w) each."""
    number = torch.arange(like.shape[1], device=like.device)[None, :, None, None].expand_as(like)
    return [one.to(like) for one in (number == 0, number == 1, (number > 1) & (number <= MOTIONS), number > MOTIONS)]


def _mean(guide: Tensor, reach: float, *planes: Tensor) -> tuple[Tensor, ...]:
    """Average each of the planes over the surroundings."""
    widths = [one.shape[1] for one in planes]
    means = edge_aware_mean(torch.cat(planes, 1), guide, reach, _EDGE)
    return torch.split(means, widths, 1)


def slopes(image: Tensor) -> Tensor:
    """Compute the differences of the brightness along x and y, (B, 2, H, W)."""
    grey = functional.pad(image.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return torch.cat([grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2], grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]], 1) / 2


def length(vectors: Tensor, axis: int) -> Tensor:
    """Compute the length of vectors along an axis; torch's own norm takes ten times as long over so short an axis."""
    return vectors.square().sum(axis).sqrt()


def reduced(planes: Tensor) -> Tensor:
    """Average planes (B, C, H, W) over each place of the choice: (B, C, H / r, W / r)."""
    return functional.avg_pool2d(planes, reduction(planes.shape[2:]))
