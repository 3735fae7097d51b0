"""A clip on one picture: frames side by side, and one row of the picture over time."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

_GAP = 6
_STRIP_WIDTH = 1600


def strip(
    frames: Sequence[NDArray[np.uint8]], columns: int = 6, labels: Sequence[str] | None = None
) -> NDArray[np.uint8]:
    """Lay frames side by side, in rows, with thin white gaps; at most 1600 pixels wide, never enlarged.

    Args:
        frames: uint8 (H, W, 3) each, all of one size; at least one.
        columns: frames a row, at least 1.
        labels: a short text for the upper left corner of each frame.

    Returns:
        uint8 (rows * h + gaps, columns * w + gaps, 3).

    Raises:
        InputError: no frames, frames of different sizes, another number of labels than of frames.
    """
    if not frames or columns < 1:
        raise InputError(f"expected at least one frame and one column, got {len(frames)} and {columns}")
    if any(frame.shape != frames[0].shape for frame in frames):
        shapes = sorted({frame.shape for frame in frames})
        raise InputError(f"expected frames of one size, got {shapes}")
    if labels is not None and len(labels) != len(frames):
        raise InputError(f"expected {len(frames)} labels, one a frame, got {len(labels)}")
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    height, width = frames[0].shape[:2]
    scale = min(1.0, ((_STRIP_WIDTH - (columns - 1) * _GAP) / columns) / width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    sheet = np.full(((height + _GAP) * rows - _GAP, (width + _GAP) * columns - _GAP, 3), 255, np.uint8)
    for index, frame in enumerate(frames):
        small = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        if labels is not None:
            _write_label(small, labels[index])
        y, x = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = small
    return sheet


def xt_slice(frames: Iterable[NDArray[np.uint8]], row: int) -> NDArray[np.uint8]:
    """Stack one row of every frame: time runs down, and what stands still is a vertical line.

    Args:
        frames: uint8 (H, W, 3) each; an iterator is fine, only the rows are kept.
        row: index of the row, 0 <= row < H.

    Returns:
        uint8 (T, W, 3).

    Raises:
        InputError: no frames, or the row is outside the picture.
    """
    rows = []
    for frame in frames:
        if not 0 <= row < frame.shape[0]:
            raise InputError(f"expected a row from 0 to {frame.shape[0] - 1}, got {row}")
        rows.append(frame[row].copy())
    if not rows:
        raise InputError("expected at least one frame, got none")
    return np.stack(rows)


def _write_label(frame: NDArray[np.uint8], text: str) -> None:
    """White letters with a dark edge, in place."""
    size = max(0.35, min(0.7, frame.shape[1] / 400))
    origin = (5, round(8 + 20 * size))
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(frame, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
