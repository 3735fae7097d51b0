"""Contact sheet of a clip: frames side by side in one picture."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

_GAP = 6
_STRIP_WIDTH = 1600


def strip(frames: Sequence[NDArray[np.uint8]], columns: int = 6) -> NDArray[np.uint8]:
    """Lay frames side by side, in rows, with thin white gaps; at most 1600 pixels wide, never enlarged.

    Args:
        frames: uint8 (H, W, 3) each, all of one size; at least one.
        columns: frames a row, at least 1.

    Returns:
        uint8 (rows * h + gaps, columns * w + gaps, 3).

    Raises:
        InputError: no frames, frames of different sizes.
    """
    if not frames or columns < 1:
        raise InputError(f"expected at least one frame and one column, got {len(frames)} and {columns}")
    if any(frame.shape != frames[0].shape for frame in frames):
        shapes = sorted({frame.shape for frame in frames})
        raise InputError(f"expected frames of one size, got {shapes}")
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    height, width = frames[0].shape[:2]
    scale = min(1.0, ((_STRIP_WIDTH - (columns - 1) * _GAP) / columns) / width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    sheet = np.full(((height + _GAP) * rows - _GAP, (width + _GAP) * columns - _GAP, 3), 255, np.uint8)
    for index, frame in enumerate(frames):
        small = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        y, x = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = small
    return sheet
