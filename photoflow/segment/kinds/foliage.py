"""Foliage: leaves and grass, green and rough all over."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment.kinds.look import Look, opened, ramp
from photoflow.segment.subject import Bits, Mask

_LEAST_AREA, _LEAST_PART = 0.07, 0.03
_LEAST_LEAF = 2.9  # in units of L


def leafiness(look: Look) -> Mask:
    """Say how much each pixel's surroundings look like leaves: (h, w) in [0, 1].

    Green of a fair purity for its lightness, with an edge every few pixels.
    """
    pure = look.chroma / (look.lightness + 12)
    green = ramp(look.hue, 103, 110) * ramp(-look.hue, -158, -148) * ramp(pure, 0.3, 0.5) * ramp(look.chroma, 8, 13)
    share = cv2.blur(green, (15, 15))
    rough = ramp(cv2.blur(look.texture, (15, 15)), 0.8, 1.8)
    return np.asarray(share * rough, np.float32)


def find_foliage(look: Look, taken: Bits) -> tuple[Bits, float] | None:
    """Find masses of leaves and grass.

    Args:
        look: the photo.
        taken: (h, w) bool, other regions.

    Returns:
        (h, w) bool, and how sure that is in [0, 1]; None where there are none.
    """
    share = leafiness(look)
    core = opened((share > 0.5) & look.free & ~taken, 5)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8))
    big = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > _LEAST_PART * core.size]
    near = _middling(look)
    kept = [i for i in big if float(near[labels == i].std()) > _LEAST_LEAF]
    core = np.isin(labels, kept)
    if core.mean() < _LEAST_AREA:
        return None
    return _filled(core, look) & look.free & ~taken, float(np.clip(np.mean(share[core]), 0.5, 1.0))


def _middling(look: Look) -> Mask:
    """Return what in L is about as wide as a leaf near by; lawns, noise and green ponds have little of it."""
    light = np.ascontiguousarray(look.lightness)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), 2) - cv2.GaussianBlur(light, (0, 0), 8), np.float32)


def _filled(core: Bits, look: Look) -> Bits:
    """Fill small holes, and larger ones of the same green: the smooth insides of leaves."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~core).astype(np.uint8), connectivity=4)
    green, purity = float(np.median(look.hue[core])), float(np.median(look.chroma[core]))
    alike = (np.abs(look.hue - green) < 8) & (look.chroma > 0.7 * purity)
    filled: Bits = core.copy()
    for index in range(1, count):
        hole = labels == index
        if stats[index, cv2.CC_STAT_AREA] < 0.01 * core.size or alike[hole].mean() > 0.6:
            filled |= hole
    return filled
