"""Smoke and steam: pale, soft at every edge, rising before something darker."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment.kinds.look import Look, grown, opened
from photoflow.segment.subject import Bits

_LEAST_AREA, _MOST_AREA = 0.01, 0.3


def find_smoke(look: Look, taken: Bits) -> tuple[Bits, float] | None:
    """Find plumes of smoke or steam.

    Args:
        look: the photo.
        taken: (h, w) bool, other regions.

    Returns:
        (h, w) bool, and how sure that is in [0, 1]; None where there are none.
    """
    light = np.ascontiguousarray(look.lightness)
    around = cv2.GaussianBlur(light, (0, 0), 40)
    pale = (look.chroma < 10) & (light > around + 4) & (light > 35) & (look.texture < 3.0) & look.free & ~taken
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened(pale, 2).astype(np.uint8))
    smoke = np.zeros(look.shape, bool)
    for index in range(1, count):
        _, _, width, height, area = stats[index]
        if _LEAST_AREA < area / smoke.size < _MOST_AREA and height > 0.8 * width and _is_plume(look, labels == index):
            smoke |= labels == index
    return (smoke, 0.5) if smoke.any() else None


def _is_plume(look: Look, blob: Bits) -> bool:
    """Judge a pale blob: it billows inside, has soft edges and dark around, and is wider above its foot."""
    inside = look.lightness[blob]
    edge = grown(blob, 2) & ~blob
    far = grown(blob, 8) & ~grown(blob, 6)
    rows = np.flatnonzero(blob.any(axis=1))
    widths = blob.sum(axis=1)[rows]
    third = max(1, len(rows) // 3)
    soft = float(np.percentile(look.texture[edge], 75)) < 2.5
    billows = float(inside.std()) > 2 and float(np.median(look.texture[blob])) > 0.4
    rises = widths[:third].mean() > 1.2 * widths[-third:].mean()
    return bool(soft and billows and rises and float(np.median(look.lightness[far])) < float(np.median(inside)) - 12)
