"""Two things that touch: where a mask has a neck, and what lies on either side."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment.saliency import look
from photoflow.segment.subject import Bits, Mask, bounding_box, padded, prominence

_SIDE = 192  # of the mask in which a neck is looked for
_LEAST = 0.25  # of the mask: each half has so much of it at least
_NARROW = 0.5  # a neck's width beside that of the narrower half
_COMPACT = 0.25  # of a half that the largest disc inside it covers
_STATURE = 0.55  # of the broader half's breadth that the narrower one has
_LOOK, _SURE = 256, 0.85  # a close look at a half: its side, and the mean inside the half


def halves(bits: Bits) -> tuple[Bits, Bits] | None:
    """Return the two parts that a narrow neck joins, the larger first, or None where there is no such neck.

    The mask is worn away from its edge until it breaks in two; the depth at which it breaks is half the neck's width.

    Args:
        bits: (H, W) bool.
    """
    scale = min(1.0, _SIDE / max(bits.shape))
    small = cv2.resize(bits.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) > 0.5
    inside = np.pad(small, 1).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)
    pieces = _cores(depth, 0.0)
    if len(pieces) > 1:  # something in front parts them: that says nothing
        return None
    for level in np.arange(1.0, float(depth.max()), 0.5):
        cores = _cores(depth, level)
        if len(cores) < 2:
            continue
        first, second = (float(depth[core].max()) for core in cores[:2])
        if level > _NARROW * min(first, second):
            return None
        nearest = np.stack([_away(core) for core in cores[:2]])
        sides = np.stack([small & (nearest[i] <= nearest[1 - i]) for i in (0, 1)])
        areas = sides.sum(axis=(1, 2))
        if areas.min() >= _LEAST * areas.sum():
            order = np.argsort(-areas)
            whole = [cv2.resize(sides[i].astype(np.float32), bits.shape[::-1]) for i in order]
            return bits & (whole[0] >= whole[1]), bits & (whole[0] < whole[1])
    return None


def _cores(depth: Mask, level: float) -> list[Bits]:
    """Return the parts deeper than `level` that are worth a half, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((depth > level).astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    order = sorted(range(1, count), key=lambda index: -int(areas[index]))
    return [labels == index for index in order if areas[index] >= 0.1 * areas[order[0]]]


def _away(bits: Bits) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform((~bits).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def parted(network: U2NetP, rgb: npt.NDArray[np.uint8], bits: Bits) -> list[Bits]:
    """Part two things that touch, or leave one thing whole where that is in doubt.

    They are two where a neck joins two compact halves and the network, looking at either half from close by, finds that
    half to be a thing.

    Args:
        network: U²-Net-p.
        rgb: (H, W, 3) uint8.
        bits: (H, W) bool.

    Returns:
        The two, the more prominent first, or `bits` alone.
    """
    found = halves(bits)
    if found is None:
        return [bits]
    radii = [_radius(half) for half in found]
    compact = all(np.pi * radius**2 >= _COMPACT * half.sum() for radius, half in zip(radii, found))
    alike = min(radii) >= _STATURE * max(radii)  # a wing is not another bird
    if not (compact and alike and all(_is_thing(network, rgb, half) for half in found)):
        return [bits]
    return sorted(found, key=prominence, reverse=True)


def _radius(half: Bits) -> float:
    """Return the radius of the largest disc inside a half, in pixels."""
    left, top, width, height = bounding_box(half)
    crop = np.pad(half[top : top + height, left : left + width], 1).astype(np.uint8)
    return float(cv2.distanceTransform(crop, cv2.DIST_L2, 5).max())


def _is_thing(network: U2NetP, rgb: npt.NDArray[np.uint8], half: Bits) -> bool:
    view = padded(bounding_box(half), 0.15, (half.shape[0], half.shape[1]))
    return bool(look(network, rgb, view, _LOOK)[half].mean() >= _SURE)
