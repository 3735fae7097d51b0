"""The size at which a photo is worked on, and what has to be brought to it."""

from __future__ import annotations

from numbers import Real
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import Photo

LONGEST_SIDE = 1920  # of a clip whose size nobody named: every player shows that
LOOK_SIDE = 960  # the subject is looked for on at least so many pixels, where the photo has them

Size = int | tuple[int, int] | str | None


def over_white(photo: Photo) -> Array:
    """Return the photo's colours, uint8 (H, W, 3); white shows where it is transparent."""
    if photo.alpha is None:
        return photo.rgb
    opacity = photo.alpha[..., None].astype(np.float32) / 255
    return np.asarray(photo.rgb * opacity + 255 * (1 - opacity) + 0.5, dtype=np.uint8)


def resize_photo(rgb: Array, size: Size) -> tuple[Array, float]:
    """Bring a photo to its working size.

    Args:
        rgb: uint8 (H, W, 3).
        size: the longest side in pixels, (width, height) to fit into, "original", or None: its own size with the
            longest side at most `LONGEST_SIDE`.

    Returns:
        The photo, and its working pixels per pixel.

    Raises:
        InputError: the size is not one.
    """
    height, width = rgb.shape[:2]
    if size is None:
        scale = min(1.0, LONGEST_SIDE / max(height, width))
    elif size == "original":
        scale = 1.0
    else:
        limits: Any = (size, size) if _is_number(size) else size
        if len(limits) != 2 or not all(_is_number(v) and 16 <= v <= 16384 for v in limits):
            raise InputError(f"size: expected a side of 16 to 16384 pixels, WIDTHxHEIGHT or original, got {size!r}")
        scale = min(float(limits[0]) / width, float(limits[1]) / height)
    if scale == 1:
        return rgb, 1.0
    target = max(2, round(width * scale)), max(2, round(height * scale))
    return cv2.resize(rgb, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), scale


def resize_mask(mask: Array, size: tuple[int, ...]) -> Array:
    """Return a mask, float32 (H, W), at another size (height, width)."""
    return mask if mask.shape == size else cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)  # numpy's numbers too
