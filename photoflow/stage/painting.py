"""Painting of a mask by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.segment.prompts import checked_strokes
from photoflow.segment.subject import NoSubjectError

WIDEST = 4096  # diameter of a brush, pixels of the photo
_FINE = 4  # binary digits of a pixel to which OpenCV draws


def brushed(
    mask: Array, strokes: Sequence[Any], size: float, erase: bool, photo_size: tuple[int, int], scale: float
) -> Array:
    """Return a mask over which a round brush went.

    Args:
        mask: uint8 (H, W), at the working size.
        strokes: points (x, y) and lines of points, pixels of the photo.
        size: the brush's diameter, pixels of the photo.
        erase: whether it takes away.
        photo_size: (width, height) of the photo.
        scale: working pixels per pixel of the photo.

    Raises:
        InputError: no strokes, one beside the photo, or a brush that is none.
        NoSubjectError: nothing is left.
    """
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 1 <= size <= WIDEST:
        raise InputError(f"size: expected the diameter of a brush from 1 to {WIDEST} pixels, got {shown(size)}")
    paint = np.zeros_like(mask)
    width, unit = max(1, round(size * scale)), 1 << _FINE
    for stroke in checked_strokes("stroke", strokes, photo_size[::-1]):
        line = np.rint(np.array(stroke) * scale * unit).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(paint, [line], False, 255, width, cv2.LINE_AA, _FINE)
        for x, y in line[[0, -1], 0].tolist():
            cv2.circle(paint, (x, y), round(width * unit / 2), 255, -1, cv2.LINE_AA, _FINE)
    painted: Array = np.minimum(mask, 255 - paint) if erase else np.maximum(mask, paint)
    if not (painted > 127).any():
        raise NoSubjectError("nothing is left of it")
    return painted
