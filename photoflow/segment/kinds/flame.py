"""Flames: upright tongues of light, almost white inside, yellow or orange around, in a dark scene."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment.kinds.look import Look, grown
from photoflow.segment.subject import Bits

_LEAST_PIXELS, _MOST_AREA = 25, 0.08
_MOST_LIT = 0.15  # share of the picture that is not dark: a flame by daylight is not looked for
_DARK = 40.0  # L beside a flame


def find_flames(look: Look) -> Bits:
    """Find the flames of candles, torches and fires seen whole.

    Returns:
        (h, w) bool, of found things too: a candle with its flame is one thing.
    """
    flames = np.zeros(look.shape, bool)
    lit = look.lightness > 55
    if lit.mean() > _MOST_LIT:
        return flames
    count, labels, stats, _ = cv2.connectedComponentsWithStats(lit.astype(np.uint8))
    for index in range(1, count):
        _, _, width, height, area = stats[index]
        upright = height > 1.5 * width and area > 0.5 * width * height
        if upright and _LEAST_PIXELS < area < _MOST_AREA * flames.size and _is_flame(look, labels == index):
            flames |= labels == index
    return flames


def _is_flame(look: Look, blob: Bits) -> bool:
    """Judge a tall bright blob: it tapers, is very light inside, warm at its rim, and dark lies beside it."""
    rows = np.flatnonzero(blob.any(axis=1))
    widths = blob.sum(axis=1)[rows]
    third = len(rows) // 3
    tip, foot = widths[:third].mean(), widths[-third:].mean()
    if widths.max() < 4 or tip > min(0.7 * widths.max(), foot):
        return False
    beside = grown(blob, 6) & ~grown(blob, 4)
    beside[rows[-third] :] = False  # the wax is lit
    rim = grown(blob, 2) & ~blob
    if not beside.any() or np.percentile(look.lightness[blob], 90) < 75:
        return False
    warm = 25 < np.median(look.hue[rim]) < 95 and np.median(look.chroma[rim]) > 25
    return bool(warm and np.median(look.lightness[beside]) < _DARK)
