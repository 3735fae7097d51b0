"""The ways that each pixel of a frame between two images may move, and the evidence for and against each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from photoflow.models.dis.edge_aware import edge_aware_mean
from photoflow.models.dis.flow_candidates import MISSED, MOTIONS, Candidates, length, reduced, slopes
from photoflow.ops import backward_warp, forward_splat

_AFFINE = 4  # of those in the first image's flow, beside those that it has missed
_FLOWS = 4
WAYS = _FLOWS + _AFFINE + MISSED

_COLOUR, _GRADIENT = (0.02, 0.08, 0.3), 0.06  # differences of values in [0, 1] that are as bad as any larger one
_OFF = 3.0  # pixels between two motions, beyond which they are as bad as any others
_APART = 4.0
_LANDED = 0.3  # of a pixel: where less lands, a flow that is carried to the frame says nothing
_SHARP = 20.0  # of what lands on one place, what is alike in both images counts more, by so much for a difference of 1
_MISFITS = 8
_REACH = (0.03, 0.1, 0.4)  # surroundings, times the longer side
_EDGE = 0.6

_COMPARED = (1 + len(_REACH)) * 2 * _MISFITS
EVIDENCE = _COMPARED + 15
"""Numbers about each way at each place."""


class Ways(NamedTuple):
    """The ways that each pixel of the frame may move.

    Args:
        motions: from the pixel's place in the first image to its place in the second, (B, K, 2, H, W) float32, pixels.
            It moves as the pixel of the first image at the same place does, or as that of the second; as the pixels
            that either flow brings there; by one of up to 4 affine motions that most of the pixels agree on; or by one
            of up to 3 that DIS has missed.
        shares: the share of the pixels or features asked that agrees, (B, K); 0 for a way that is not to be chosen.
    """

    motions: Tensor
    shares: Tensor


@torch.no_grad()
def ways_at(img0: Tensor, img1: Tensor, time: Tensor, candidates: Candidates) -> Ways:
    """Collect the ways that the pixels of the frame at a time may move.

    Args:
        img0: (B, 3, H, W), RGB in [0, 1], the frame at time 0.
        img1: at time 1.
        time: (B, 1, 1, 1), from 0 to 1.
        candidates: `flow_candidates.measured` between the images.
    """
    forth, back = candidates.flows[:, 0], candidates.back
    shares = _affine(candidates.shares)
    real = shares[:, :, None, None, None] > 0
    affine = torch.where(real, _as_seen_at(time, _affine(candidates.flows)), forth[:, None])
    flows = [forth, -back, _brought(time, forth, img0, img1), -_brought(1 - time, back, img1, img0)]
    every = torch.cat([torch.stack(flows, 1), affine], 1)
    return Ways(every, torch.cat([torch.ones_like(shares[:, :1]).expand(-1, _FLOWS), shares], 1))


def _affine(of_candidates: Tensor) -> Tensor:
    """Take what belongs to the affine motions that count here, from (B, CANDIDATES, ...)."""
    first, missed = (of_candidates[:, start : start + count] for start, count in ((1, _AFFINE), (1 + MOTIONS, MISSED)))
    return torch.cat([first, missed], 1)


def _brought(time: Tensor, flow: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Carry a flow (B, 2, H, W) along itself until the time; it stays as it is at places where too little lands."""
    unlike = (backward_warp(other, flow, padding="border") - one).abs().mean(1, keepdim=True)
    landed, coverage = forward_splat(flow, time * flow, -_SHARP * unlike, mode="softmax")
    return torch.where(coverage > _LANDED, landed, flow)


def _as_seen_at(time: Tensor, flows: Tensor) -> Tensor:
    """Convert affine flows (B, K, 2, H, W) of the pixels at time 0 to those of the pixels at another time."""
    height, width = flows.shape[3:]
    exact = flows.double()
    start = exact[..., 0, 0]
    turn = torch.stack(
        [(exact[..., 0, -1] - start) / max(width - 1, 1), (exact[..., -1, 0] - start) / max(height - 1, 1)], 3
    )  # (B, K, 2, 2)
    time = time.double().view(-1, 1, 1, 1)
    back = _inverse(torch.eye(2, dtype=turn.dtype, device=turn.device) + time * turn)
    y, x = torch.meshgrid(
        *(torch.arange(n, dtype=turn.dtype, device=turn.device) for n in (height, width)), indexing="ij"
    )
    moved = turn @ back  # the motion of the place p at that time is start + turn back (p - time start)
    fixed = start - (moved @ (time[..., 0] * start)[..., None])[..., 0]
    planes = moved @ torch.stack([x, y]).flatten(1) + fixed[..., None]
    seen: Tensor = planes.unflatten(3, (height, width)).float()
    return seen


def _inverse(matrices: Tensor) -> Tensor:
    """Return the pseudo-inverse of matrices (..., 2, 2), float64; torch's own has a GPU wait for the CPU."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrices.unbind(-2))
    adjugate = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    determinant = (a * d - b * c)[..., None, None]
    squares = matrices.square().sum((-2, -1), keepdim=True)
    flat = determinant.abs() <= 1e-15 * squares  # of rank 1, or 0
    return torch.where(flat, matrices.mT / squares.clamp_min(1e-300), adjugate / determinant)


def halves(motion: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Split a motion (B, 2, H, W) at `time`, (B, 1, 1, 1), into those from there to the first and second image."""
    return -time * motion, (1 - time) * motion


class WayPlanes(NamedTuple):
    """The measurements of each way, from which `way_evidence` is put together: for all places, or for some.

    Args:
        levels: the misfits of each kind, then whether the way leads into either picture, (B, 10 K, h, w) each: at the
            places, and on average over three sizes of surroundings.
        motions: (B, 2 K, h, w), pixels.
    """

    levels: tuple[Tensor, ...]
    motions: Tensor

    def mapped(self, change: Callable[[Tensor], Tensor]) -> WayPlanes:
        """Return the measurements with all planes (B, C, h, w) changed."""
        return WayPlanes(tuple(change(level) for level in self.levels), change(self.motions))


@torch.no_grad()
def way_planes(img0: Tensor, img1: Tensor, time: Tensor, ways: Ways, candidates: Candidates) -> WayPlanes:
    """Measure each way's evidence, before it is put together.

    Args:
        img0: (B, 3, H, W), RGB in [0, 1], of sides that are multiples of r, their `flow_candidates.reduction`.
        img1: another of the same shape.
        time: (B, 1, 1, 1), from 0 to 1.
        ways: of the frame at that time.
        candidates: for the flow between the images.

    Returns:
        Planes of (h, w) = (H / r, W / r), float32.
    """
    misfits, guide = _misfits(img0.float(), img1.float(), time, ways.motions, candidates)
    longer = max(guide.shape[2:])
    around: Iterable[Tensor] = (edge_aware_mean(misfits, guide, reach * longer, _EDGE) for reach in _REACH)
    if misfits.is_cuda:  # which does all three in the steps of one
        reaches = (longer * torch.tensor(_REACH)).repeat_interleave(len(guide))[:, None, None]
        every, guides = (planes.repeat(len(_REACH), 1, 1, 1) for planes in (misfits, guide))
        around = edge_aware_mean(every, guides, reaches.to(guide.device, non_blocking=True), _EDGE).chunk(len(_REACH))
    return WayPlanes((misfits, *around), reduced(ways.motions.flatten(1, 2)))


@torch.no_grad()
def way_evidence(planes: WayPlanes, shares: Tensor) -> Tensor:
    """Put together the evidence for and against each way.

    It compares colours and gradients at the two places that the way leads to in the images, and tells whether either
    image's flow from there goes the same way and whether it surely goes another. All this is measured at the pixel and
    on average over three sizes of surroundings without an edge in between, by itself and beside the best of all ways.
    The evidence also tells whether the way leads out of either picture, how far it is from the first ones, and what
    kind of way it is.

    Args:
        planes: the measurements at the places that are wanted, (h, w).
        shares: of the ways, (B, K).

    Returns:
        (B, h, w, K, EVIDENCE) float32, from -1 to 1.
    """
    levels, motions = planes
    count = shares.shape[1]
    places = motions.shape[2:]
    # The largest part of the evidence is written only once.
    found = motions.new_empty(len(motions), EVIDENCE, count, *places)
    own, beside = (part.unflatten(1, (-1, _MISFITS)) for part in found[:, :_COMPARED].chunk(2, 1))
    for number, level in enumerate(levels):
        own[:, number] = level[:, : _MISFITS * count].unflatten(1, (_MISFITS, count))
    real = shares[:, None, None, :, None, None] > 0
    torch.sub(own, torch.where(real, own, torch.inf).amin(3, keepdim=True), out=beside)
    inside, around = (
        level[:, _MISFITS * count :].unflatten(1, (2, count)).unbind(1) for level in (levels[0], levels[-1])
    )
    each_motion = motions.unflatten(1, (count, 2))
    apart = [length(each_motion - each_motion[:, one : one + 1], 2).div(_APART).tanh() for one in range(_FLOWS + 1)]
    which = torch.arange(count, device=motions.device)[:, None, None]
    each = [
        *inside, *around, *apart, shares[:, :, None, None], *(which == one for one in range(_FLOWS)), which >= _FLOWS,
    ]  # fmt: skip
    for number, one in enumerate(each, _COMPARED):
        found[:, number] = one
    return found.permute(0, 3, 4, 2, 1)


def _misfits(
    img0: Tensor, img1: Tensor, time: Tensor, motions: Tensor, candidates: Candidates
) -> tuple[Tensor, Tensor]:
    """Measure all ways' misfits, kind by kind, and whether they lead into either picture, (B, 10 K, h, w).

    The second result is the frame as the better one of the first two ways shows it, (B, 3, h, w).
    """
    at_once = 4 if img0.is_cuda else 1  # more would fill a GPU's memory
    kinds: list[list[Tensor]] = [[] for _ in range(_MISFITS + 2)]
    looks: list[tuple[Tensor, Tensor]] = []
    ones = torch.ones_like(candidates.sure)
    given = (img0, candidates.flows[:, 0], candidates.sure), (img1, candidates.back, candidates.sure_back)
    for ways in motions.split(at_once, 1):
        count = ways.shape[1]
        motion, when = ways.flatten(0, 1), _for_each(time, count)
        way0, way1 = halves(motion, when)
        read0, read1 = ([_for_each(planes, count) for planes in side] for side in given)
        there0, forth0, sure0 = backward_warp(read0, way0, padding="border")
        there1, back1, sure1 = backward_warp(read1, way1, padding="border")
        inside0, inside1 = ((backward_warp(_for_each(ones, count), way) > 0.5).float() for way in (way0, way1))
        both = inside0 * inside1
        colour = (there0 - there1).abs().mean(1, keepdim=True)
        slope = (slopes(there0) - slopes(there1)).abs().mean(1, keepdim=True)
        every = [both * colour / most for most in _COLOUR] + [both * slope / _GRADIENT]
        for inside, sure, off in (
            (inside0, sure0, length(forth0 - motion, 1)[:, None]),
            (inside1, sure1, length(back1 + motion, 1)[:, None]),
        ):
            every += [inside * off / _OFF, inside * sure * (off > _OFF)]
        for kind, planes in zip(kinds, [*every, inside0, inside1]):
            kind.append(reduced(planes.clamp(max=1)).unflatten(0, (-1, count)).squeeze(2))
        if len(looks) < 2:
            seen = reduced((there0 + there1) / 2).unflatten(0, (-1, count))
            looks += zip(seen.unbind(1), kinds[2][-1].split(1, 1))
    (one, unlike), (other, unlike_other) = looks[:2]
    # Smoothing goes along the rows and the columns: with the numbers of a place side by side it copies faster.
    misfits = torch.cat([planes for kind in kinds for planes in kind], 1).contiguous(memory_format=torch.channels_last)
    return misfits, torch.where(unlike <= unlike_other, one, other)


def _for_each(planes: Tensor, count: int) -> Tensor:
    """Repeat the planes (B, C, H, W) of each picture for so many ways: (B count, C, H, W)."""
    return planes[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)
