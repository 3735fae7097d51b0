"""The affine motions in a pair of pictures: those that many pixels of a flow share, and those that the flow misses."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array

_FITTED = 4  # every fourth pixel along x and y is asked
_INLIER = 1.5  # pixels
_FEWEST = 16  # pixels that a motion is sought for

_CONTRAST, _RATIO = 0.005, 0.9  # of SIFT: faint features count, too; a match is as much nearer than the next
_NEAR, _MATCHED = 3.0, 2.0  # pixels from a known motion, and from one that is sought
_LEAST_MATCHES = 5
_SCALES = (0.6, 1.6)  # of what is found again


class AffineMotion(NamedTuple):
    """A motion that a part of a picture has.

    Args:
        carried: the displacement of each pixel by it, (2, H, W) float32, pixels.
        share: the share that agrees, of the pixels or features that it was sought among.
    """

    carried: Tensor
    share: float


def affine_motions(flow: Tensor, asked: Tensor, count: int) -> list[AffineMotion]:
    """Find the affine motions that most of the pixels agree on, one after the other.

    Each is sought among the pixels that the ones before it leave over.

    Args:
        flow: (2, H, W) float32, pixels, on the CPU.
        asked: the pixels to fit to, (H, W) bool.
        count: how many motions, at most; there are fewer where too few pixels are left.

    Source: the RANSAC of Fischler and Bolles, "Random Sample Consensus", 1981, as OpenCV has it; it repeats.
    """
    places = _places(asked.shape)
    moved = places + flow.permute(1, 2, 0).numpy()
    x, y = places.transpose(2, 0, 1)
    left = asked.numpy() & (x % _FITTED == 0) & (y % _FITTED == 0)
    found: list[AffineMotion] = []
    while len(found) < count and left.sum() >= _FEWEST:
        motion, agreeing = cv2.estimateAffine2D(places[left], moved[left], ransacReprojThreshold=_INLIER)
        if motion is None:
            break
        found.append(AffineMotion(_carried(places, motion), float(agreeing.mean())))
        off = moved - places - found[-1].carried.permute(1, 2, 0).numpy()
        left &= np.linalg.norm(off, axis=2) > _INLIER
    return found


def missed_motions(
    grey1: Array, grey2: Array, lost1: Tensor, lost2: Tensor, known: Tensor, count: int
) -> list[AffineMotion]:
    """Find the motions of things whose flow is wrong, such as small ones that move far.

    They are turned, scaled and shifted as their features are. Features are sought where the flow of either picture is
    contradicted by that of the other: these are the places that a missed thing has left and come to.

    Args:
        grey1: the first picture, bytes (H, W).
        grey2: the second one.
        lost1: where the flow of the first is contradicted, (H, W) bool, on the CPU.
        lost2: the same for the second.
        known: motions that are known, (N, 2, H, W) float32, pixels; features that move by one of them are left out.
        count: how many motions, at most.

    Source: features that find what coarse-to-fine flow does not: Brox and Malik, "Large Displacement Optical Flow",
    PAMI 2011; SIFT (Lowe, IJCV 2004) and RANSAC are OpenCV's.
    """
    start, end = _matches(grey1, grey2, lost1, lost2)
    places = _places(lost1.shape)
    if len(start):
        column, row = start.round().astype(int).T
        explained = known[:, :, row, column].permute(0, 2, 1).numpy()
        left = np.linalg.norm(explained - (end - start), axis=2).min(0) > _NEAR
        start, end = start[left], end[left]
    found: list[AffineMotion] = []
    while len(found) < count and len(start) >= _LEAST_MATCHES:
        motion, agreeing = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_MATCHED)
        if motion is None or agreeing.sum() < _LEAST_MATCHES:
            break
        if _SCALES[0] < np.hypot(*motion[:, 0]) < _SCALES[1]:
            found.append(AffineMotion(_carried(places, motion), float(agreeing.mean())))
        left = agreeing[:, 0] == 0
        start, end = start[left], end[left]
    return found


def _matches(grey1: Array, grey2: Array, lost1: Tensor, lost2: Tensor) -> tuple[Array, Array]:
    """Match features in the lost parts of both pictures; return their places, (N, 2) float32 each, x, then y."""
    search = cv2.SIFT.create(contrastThreshold=_CONTRAST)
    around = np.ones((9, 9), np.uint8)
    masks = [cv2.dilate(lost.numpy().astype(np.uint8), around) for lost in (lost1, lost2)]
    (points1, one), (points2, other) = (
        search.detectAndCompute(grey, mask) for grey, mask in zip((grey1, grey2), masks)
    )
    nothing = np.zeros((0, 2), np.float32)
    if len(points1) < 1 or len(points2) < 2:
        return nothing, nothing
    pairs = cv2.BFMatcher().knnMatch(one, other, k=2)
    sure = [best for best, second in pairs if best.distance < _RATIO * second.distance]
    if not sure:
        return nothing, nothing
    top, side = (lost1.shape[number] - 1 for number in (0, 1))
    start = np.array([points1[match.queryIdx].pt for match in sure], np.float32).clip(0, (side, top))
    end = np.array([points2[match.trainIdx].pt for match in sure], np.float32)
    return start, end


def _places(size: tuple[int, ...]) -> Array:
    """Return the place of each pixel, (H, W, 2) float32, x, then y."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return np.stack([x, y], axis=2)


def _carried(places: Array, motion: Array) -> Tensor:
    """Return the flow (2, H, W) by which an affine motion (2, 3) moves each place."""
    moved = places @ motion[:, :2].T + motion[:, 2] - places
    return torch.from_numpy(moved.transpose(2, 0, 1).astype(np.float32))
