"""What a subject looks like beyond the picture's border, which cuts it off."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.render.background import fill_background

Margins = tuple[int, int, int, int]  # pixels beyond the picture: left, top, right, bottom


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
    colours = np.asarray(cv2.copyMakeBorder(rgb, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)
    height, width = alpha.shape
    outside = np.ones(opacity.shape, bool)
    outside[top : top + height, left : left + width] = False
    # Nothing but the subject is copied: what stands around it is not what it is made of.
    filled = fill_background(colours, outside & (opacity > 0), opacity <= 0.5)
    return filled, opacity, (-left, -top)
