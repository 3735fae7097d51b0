"""The part of a thing that a motion's name speaks of: the hair of a person, the flame of a candle."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.grabcut import cut
from photoflow.segment.guided import shrunk
from photoflow.segment.kinds.cues import find_head
from photoflow.segment.kinds.flame import find_flames
from photoflow.segment.kinds.look import Look, at_photo_size, grown, look_at, opened
from photoflow.segment.subject import Bits, Box, Mask, components

MOST = 0.85  # of a thing: a part that is more of it is all of it
HAIR_EDGE = 0.25  # of the face's width: over which hair gives way from where it meets the face or the clothes
FLAME_EDGE = 0.5  # of the flame's width: the same above the wick
UPPER = 1 / 3  # of the height of a thing without a face: what is taken for hair
SLIVER = 2.5  # pixels of the small copy: half the width of what is nothing but a part's rim
_LEAST_PIXELS = 12  # of the small copy


def part_of(rgb: npt.NDArray[np.uint8], mask: Mask, preset: str) -> Mask | None:
    """Return how freely each pixel of a thing moves in a motion that is named after a part of it.

    "candle" moves the flames, found by their light. "hair" moves the hair: what is above and beside the face and is
    not skin, told by colour; where no face is found, the upper third. What is beside it stays, with a smooth
    transition inside the part.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) in [0, 1], the thing.
        preset: of `photoflow.motion.wind.PRESETS`.

    Returns:
        float32 (H, W) in [0, 1]; None where the motion is of the whole thing.
    """
    if preset not in ("candle", "hair"):
        return None
    look = look_at(rgb)
    bits = shrunk(mask.astype(np.float32), look.shape) > 0.5
    if preset == "candle":
        part = grown(find_flames(look), 2) & grown(bits, 2)
        width = float(np.median(part.sum(axis=1)[part.any(axis=1)])) if part.any() else 0.0
        edge = FLAME_EDGE * width
    else:
        head = find_head(look, bits)
        part = _upper(bits) if head is None else _hair(look, bits, _face(bits, head))
        edge = HAIR_EDGE * (0.5 * float(np.sqrt(bits.sum())) if head is None else head[2])
    if not _LEAST_PIXELS < (part & bits).sum() < MOST * bits.sum():
        return None
    soft = at_photo_size(part, look, rgb, None)
    scale = rgb.shape[0] / look.shape[0]
    rest = opened((mask > 0.5) & (soft <= 0.5), max(1, round(SLIVER * scale)))
    return _freed(rest, max(1.0, edge * scale))


def _freed(rest: Bits, width: float) -> Mask:
    """Return weights that rise from 0 at what stays to 1 at a distance from it, pixels."""
    distance = cv2.distanceTransform((~rest).astype(np.uint8), cv2.DIST_L2, 5)
    u = np.clip(distance / np.float32(width), 0, 1)
    return np.asarray(u * u * (3 - 2 * u), np.float32)


def _upper(bits: Bits) -> Bits:
    """Return the upper part of a thing."""
    rows = np.flatnonzero(bits.any(axis=1))
    part = bits.copy()
    part[rows[0] + round(UPPER * len(rows)) :] = False
    return np.asarray(part)


def _face(bits: Bits, head: Box) -> Box:
    """Return the face within what has the colour of skin: light hair is in there, dark hair is above it."""
    left, top, width, height = head
    above = np.flatnonzero(bits[:top, left : left + width].any(axis=1))
    missing = top - int(above[0]) if above.size else 0
    crown = max(0, round(0.35 * height) - missing)
    side = round(0.12 * width) if crown else 0
    return left + side, top + crown, width - 2 * side, height - crown


def _hair(look: Look, bits: Bits, face: Box) -> Bits:
    """Cut the hair out of a head by its colours, (h, w) bool: surely it is at the crown, surely not in the face."""
    left, top, width, height = face
    height_, width_ = look.shape
    x0, x1 = max(0, left - round(0.7 * width)), min(width_, left + round(1.7 * width))
    first = int(np.flatnonzero(bits[:, left : left + width].any(axis=1))[0])
    y0, y1 = max(0, first - 4), min(height_, top + round(1.6 * height))
    labels = np.full(look.shape, cv2.GC_PR_BGD, np.uint8)
    labels[: top + round(0.7 * height)] = cv2.GC_PR_FGD
    labels[~bits] = cv2.GC_BGD
    middle = left + width // 2, top + height // 2
    inner = cv2.ellipse(
        np.zeros(look.shape, np.uint8), middle, (round(0.36 * width), round(0.42 * height)), 0, 0, 360, 1, -1
    )
    labels[inner > 0] = cv2.GC_BGD
    crown = np.zeros(look.shape, bool)
    crown[first : first + max(2, round(0.6 * (top - first))), left : left + width] = True
    crown &= bits
    labels[crown] = cv2.GC_FGD
    window = np.s_[y0:y1, x0:x1]
    found = np.zeros(look.shape, bool)
    found[window] = cut(np.ascontiguousarray(look.rgb[window]), labels[window], iterations=5)
    found &= bits & (inner == 0)
    parts = [one for one in components(found) if (one & crown).any()] if found.any() else []
    return np.asarray(np.logical_or.reduce(parts)) if parts else found
