"""Continuation of a subject beyond the picture's border, which cuts it off."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.render.background import fill_background, membrane

Margins = tuple[int, int, int, int]  # pixels beyond the picture: left, top, right, bottom

DEPTH = 3  # times as far as it reaches beyond the border, that is how deep inside texture is looked for
LEAST_DEPTH = 128  # pixels
SIDE = 256  # longest side on which smooth colours are spread


def continued(rgb: Array, alpha: Array, beyond: Margins) -> tuple[Array, Array, tuple[int, int]]:
    """Continue a subject beyond the picture: its outline straight on, filled with its own texture.

    Args:
        rgb: uint8 (H, W, 3), the subject's own colours.
        alpha: float32 (H, W) in [0, 1], its opacity.
        beyond: how far it is continued on each side.

    Returns:
        Its colours and its opacity in the larger picture, and (x, y) of that picture's first pixel in the smaller one.
    """
    left, top, right, bottom = beyond
    opacity = cv2.copyMakeBorder(alpha, top, bottom, left, right, cv2.BORDER_REPLICATE)
    colours = np.asarray(cv2.copyMakeBorder(rgb, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8)
    height, width = alpha.shape
    hole = opacity > 0
    hole[top : top + height, left : left + width] = False
    if hole.any():
        near = _near(beyond, alpha.shape)
        subject = opacity[near] > 0.5
        # What stands around the subject neither is copied nor lends its colours to the fill.
        alone = np.where((subject | hole[near])[..., None], colours[near], _spread(colours[near], subject))
        filled = fill_background(np.ascontiguousarray(alone), hole[near], ~subject)
        np.copyto(colours[near], filled, where=hole[near][..., None])
    return colours, opacity, (-left, -top)


def _near(beyond: Margins, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of the larger picture that matter for what is beyond the border."""
    spans = []
    for before, after, length in ((beyond[1], beyond[3], size[0]), (beyond[0], beyond[2], size[1])):
        depth = max(LEAST_DEPTH, DEPTH * max(beyond))
        one_sided = (before > 0) != (after > 0) and sum(side > 0 for side in beyond) == 1
        first = max(0, length - depth) if one_sided and after else 0
        last = min(length, depth) if one_sided and before else length
        spans.append(slice(first + (before if first else 0), last + before + (after if last == length else 0)))
    return spans[0], spans[1]


def _spread(colours: Array, known: Array) -> Array:
    """Return colours, uint8 (h, w, 3), in which those that are known are spread smoothly over all others."""
    height, width = known.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(colours * known[..., None].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    smooth = membrane(
        np.asarray(sums / np.maximum(weight, 1e-6)[..., None], np.float32), np.asarray(weight, np.float32)
    )
    return np.asarray(np.rint(cv2.resize(smooth, (width, height))).clip(0, 255), np.uint8)
