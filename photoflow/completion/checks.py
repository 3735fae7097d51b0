"""Checks of the frames of a clip and of their masks."""

from __future__ import annotations

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError


def check_frame(
    number: int, picture: Array | None, mask: Array | None, size: tuple[int, int] | None
) -> tuple[int, int]:
    """Check a frame and its mask; None: there is none left.

    Args:
        number: of the frame.
        picture: uint8 (H, W, 3).
        mask: bool (H, W), not all true.
        size: (height, width) of the clip's frames; None: this is the first.

    Returns:
        The size.

    Raises:
        InputError: it is something else.
    """
    if picture is None or mask is None:
        more, fewer = ("masks", "frames") if picture is None else ("frames", "masks")
        raise InputError(f"masks: expected one for each frame, got more {more} than {fewer} ({number})")
    size = size or (picture.shape[0], picture.shape[1])
    if picture.dtype != np.uint8 or picture.shape != (*size, 3):
        raise InputError(f"frame {number}: expected uint8 {(*size, 3)}, got {picture.dtype} {picture.shape}")
    if mask.dtype != np.bool_ or mask.shape != size:
        raise InputError(f"mask of frame {number}: expected bool {size}, got {mask.dtype} {mask.shape}")
    if mask.all():
        raise InputError(f"mask of frame {number}: expected something around what is filled, got all of the frame")
    return size
