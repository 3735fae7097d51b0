"""Cut-outs: parts of a picture with opacity, and the boxes around them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from photoflow.arrays import Array

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom exclusive


@dataclass(frozen=True)
class Cutout:
    """A subject as it is drawn over what is behind it.

    Args:
        box: (left, top, right, bottom), the part of the picture that it covers, right and bottom exclusive.
        rgba: (h, w, 4) float32 in [0, 1] over that box: RGB premultiplied by alpha, and alpha.
    """

    box: Box
    rgba: Array

    @classmethod
    def of(cls, rgb: Array, alpha: Array) -> Cutout:
        """Return the subject with these colours, uint8 (H, W, 3), and this opacity, float32 (H, W) in [0, 1]."""
        box = support(alpha)
        return cls(box, premultiplied(crop(rgb, box), crop(alpha, box)))


def support(alpha: Array) -> Box:
    """Return (left, top, right, bottom) of the pixels with any opacity, right and bottom exclusive."""
    columns, rows = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def crop(picture: Array, region: Box, border: int = cv2.BORDER_REFLECT_101) -> Array:
    """Crop a picture to a region; beyond the picture it is made up as `border` says."""
    height, width = picture.shape[:2]
    left, top, right, bottom = region
    beyond = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    inside = picture[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if not any(beyond):
        return inside
    return cv2.copyMakeBorder(inside, *beyond, border)


def premultiplied(rgb: Array, alpha: Array) -> Array:
    """Return (h, w, 4) float32: colours times alpha in [0, 1], and alpha."""
    rgba = np.empty((*alpha.shape, 4), np.float32)
    rgba[..., 3] = alpha
    np.multiply(rgb, alpha[..., None] * np.float32(1 / 255), out=rgba[..., :3])
    return rgba
