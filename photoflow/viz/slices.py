"""Motion shown in one picture: a line of pixels over time, or the spectrum of the motion."""

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

_COLOURS = ((31, 90, 160), (205, 92, 20), (40, 130, 60), (130, 60, 150), (90, 90, 90))
_MARGIN = (14, 14, 34, 58)  # top, right, bottom, left: pixels of the plot around its field
_FONT, _INK, _FAINT = cv2.FONT_HERSHEY_SIMPLEX, (60, 60, 60), (225, 225, 225)


def xt_slice(frames: Iterable[NDArray[np.uint8]], *, row: int | None = None, column: int | None = None) -> NDArray[
    np.uint8
]:  # fmt: skip
    """Draw one line of pixels over time: still pixels draw straight stripes, moving ones draw waves.

    Args:
        frames: uint8 (H, W, 3) each, at least one; only the line of each is kept.
        row: number of the row, counted from the top; time then runs downwards.
        column: number of the column, counted from the left; time then runs to the right. Give either row or column.

    Returns:
        uint8 (T, W, 3) for a row, (H, T, 3) for a column.

    Raises:
        InputError: no frames, neither or both of row and column, or a line outside the frames.

    Source: Generative Image Dynamics, section 7.2, figure 5.
    """
    if (row is None) == (column is None):
        raise InputError(f"slice: expected a row or a column, got {row} and {column}")
    axis, line = (0, row) if row is not None else (1, column)
    lines = []
    for frame in frames:
        if not 0 <= line < frame.shape[axis]:  # type: ignore[operator]
            raise InputError(f"slice: expected a line from 0 to {frame.shape[axis] - 1}, got {line}")
        lines.append(np.take(frame, line, axis))  # type: ignore[arg-type]
    if not lines:
        raise InputError("slice: expected at least one frame, got none")
    return np.stack(lines, axis)


def spectrum_plot(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], width: int = 640, height: int = 320
) -> NDArray[np.uint8]:
    """Plot power over frequency, with the power on a logarithmic scale.

    Args:
        curves: name -> (frequencies in hertz, power in square pixels); points whose power is 0 are left out.
        width, height: size of the picture, pixels, at least 160 and 120.

    Returns:
        uint8 (height, width, 3), black on white.

    Raises:
        InputError: no curve has a power above 0, or the picture is too small.
    """
    points = {name: [(f, np.log10(p)) for f, p in zip(*both) if p > 0] for name, both in curves.items()}
    everything = [point for own in points.values() for point in own]
    if not everything or width < 160 or height < 120:
        raise InputError(f"spectrum: expected powers above 0 and at least 160x120 pixels, got {width}x{height}")
    picture = np.full((height, width, 3), 255, np.uint8)
    top, right, bottom, left = _MARGIN
    farthest = max(f for f, _ in everything) or 1.0
    low, high = (int(round_(limit(p for _, p in everything))) for round_, limit in ((np.floor, min), (np.ceil, max)))
    high = max(high, low + 1)

    def place(frequency: float, power: float) -> tuple[int, int]:
        x = left + frequency / farthest * (width - left - right)
        y = top + (high - power) / (high - low) * (height - top - bottom)
        return round(x), round(y)

    step = max(1, -(-(high - low) // 6))
    for power in range(low, high + 1, step):
        _mark(picture, f"1e{power}", (4, place(0, power)[1] + 4))
        cv2.line(picture, place(0, power), place(farthest, power), _FAINT, 1)
    for frequency in np.linspace(0, farthest, 6):
        x, y = place(float(frequency), low)
        cv2.line(picture, (x, y), (x, y + 4), _INK, 1)
        _mark(picture, f"{frequency:.3g}", (x - 8, y + 16))
    _mark(picture, "Hz", (width - 24, height - 4))
    _mark(picture, "px^2", (left + 4, top + 10))
    for number, (name, own) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = np.array([place(*point) for point in own], np.int32).reshape(-1, 1, 2)
        cv2.polylines(picture, [line], False, colour, 2, cv2.LINE_AA)
        for x, y in line[:, 0].tolist():
            cv2.circle(picture, (x, y), 3, colour, -1, cv2.LINE_AA)
        (wide, _), _ = cv2.getTextSize(name, _FONT, 0.4, 1)
        _mark(picture, name, (width - right - wide - 4, top + 14 + 16 * number), colour)
    return picture


def _mark(picture: NDArray[np.uint8], text: str, place: tuple[int, int], colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(picture, text, place, _FONT, 0.4, colour, 1, cv2.LINE_AA)
