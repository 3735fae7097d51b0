"""Mask drawn over its photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

_ROWS = 256  # strips keep the scratch memory small for large photos


def overlay_mask(
    rgb: NDArray[np.uint8], mask: NDArray[np.float32], colour: tuple[int, int, int] = (255, 64, 64)
) -> NDArray[np.uint8]:
    """Tint the subject, dim the rest of the photo, and draw the mask's outline, where the mask is one half.

    Args:
        rgb: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1], or bool.
        colour: RGB of tint and outline, 0..255.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InputError: mask and photo differ in size.
    """
    if mask.shape != rgb.shape[:2]:
        raise InputError(f"expected a mask {rgb.shape[:2]} like the photo, got {mask.shape}")
    tint = np.array(colour, np.float32)
    picture = np.empty_like(rgb)
    for top in range(0, len(rgb), _ROWS):
        rows = slice(top, top + _ROWS)
        alpha = np.clip(mask[rows].astype(np.float32), 0, 1)[..., None]
        picture[rows] = np.rint(rgb[rows] * (0.6 + 0.1 * alpha) + tint * (0.3 * alpha))
    outlines, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(min(mask.shape) / 300))
    cv2.drawContours(picture, outlines, -1, (255, 255, 255), thickness + 2, cv2.LINE_AA)
    cv2.drawContours(picture, outlines, -1, colour, thickness, cv2.LINE_AA)
    return picture
