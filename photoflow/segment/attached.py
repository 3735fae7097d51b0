"""Parts of a thing that its mask has not got: the flame of a candle, the cord of a lantern."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, shrunk
from photoflow.segment.kinds.flame import find_flames
from photoflow.segment.kinds.look import at_photo_size, grown, look_at
from photoflow.segment.subject import Mask, bounding_box, components

WICK = 1.0  # of a flame's height: so far above the wax it may burn
SIDE = 720  # longest side at which cords are looked for: they are thin
RIDGE = 4.0  # grey levels by which a cord differs from what is on both sides of it
ARMS = (4, 8)  # pixels from its middle to there
LEAN = 0.25  # columns a row, the most that a cord departs from the vertical
BEND = 3.0  # pixels, the most that it departs from a straight line
LOSS = 2.0  # for a row of which nothing is seen, where one that is seen well counts 1
ASIDE = 0.5  # for a step to the side
OFF = 0.2  # of a thing's width, the most that it hangs beside the middle of its mass
SHORTEST = 0.06  # of the picture's height


def flames_on(rgb: npt.NDArray[np.uint8], mask: Mask) -> Mask | None:
    """Find the flames that burn on a thing and are not in its mask.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) in [0, 1].

    Returns:
        float32 (H, W) in [0, 1]; None where there is none.
    """
    look = look_at(rgb)
    bits = shrunk(mask.astype(np.float32), look.shape) > 0.5
    flames = find_flames(look) & ~bits
    if not flames.any() or not bits.any():
        return None
    own = np.zeros_like(bits)
    for flame in components(flames):
        left, top, width, height = bounding_box(flame)
        foot = slice(top + height // 2, top + height + max(2, round(WICK * height)))
        if bits[foot, left : left + width].any():
            own |= grown(flame, 2)
    return at_photo_size(own, look, rgb, None) if own.any() else None


def cord_above(rgb: npt.NDArray[np.uint8], mask: Mask) -> Mask | None:
    """Find the cord from which a thing hangs: a thin, straight, almost upright line above it, dark or light.

    Of all paths that lead up from the thing, one column to the side at most from row to row, it is the one along which
    most stands out from what is on both its sides. It may end at the border or where it is tied.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) in [0, 1].

    Returns:
        float32 (H, W) in [0, 1], the cord down into the thing's top; None where none is seen.
    """
    size = fitting((rgb.shape[0], rgb.shape[1]), SIDE)
    grey = cv2.cvtColor(np.ascontiguousarray(shrunk(rgb, size)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    bits = shrunk(mask.astype(np.float32), size) > 0.5
    if not bits.any():
        return None
    middle, width = float(np.nonzero(bits)[1].mean()), bounding_box(bits)[2]
    under = bits.any(axis=0) & (np.abs(np.arange(size[1]) - middle) < OFF * width)
    tops = np.where(under, bits.argmax(axis=0), 0)
    path = max((_followed(_ridge(sign * grey), tops) for sign in (1, -1)), key=len)
    if len(path) < SHORTEST * size[0]:
        return None
    rows, columns = np.array(path, np.float64).T
    slope, start = np.polyfit(rows, columns, 1)
    if abs(slope) > LEAN or np.abs(columns - slope * rows - start).max() > max(BEND, 0.02 * len(path)):
        return None
    thick = _width(grey, path) * mask.shape[1] / size[1]
    ends = np.array([[slope * row + start, row] for row in (rows.min() - 2, rows.max() + 4)]) + 0.5
    ends = ends * (mask.shape[1] / size[1], mask.shape[0] / size[0]) - 0.5
    canvas = np.zeros(mask.shape, np.uint8)
    upper, lower = np.rint(16 * ends).astype(int).tolist()
    cv2.line(canvas, upper, lower, (255,), max(1, round(thick)), cv2.LINE_AA, 4)
    return np.asarray(canvas / np.float32(255), np.float32)


def _ridge(grey: Mask) -> Mask:
    """Return by how much each pixel is lighter than what is to the left and to the right of it, (h, w), grey levels."""
    best = np.zeros_like(grey)
    for arm in ARMS:
        sides = np.maximum(grey[:, : -2 * arm], grey[:, 2 * arm :])
        np.maximum(best[:, arm:-arm], grey[:, arm:-arm] - sides, out=best[:, arm:-arm])
    return np.asarray(cv2.blur(best, (1, 5)))


def _followed(ridge: Mask, tops: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the best path (row, column) upwards along ridges from the top row of a thing in each of its columns.

    Source: Smith, Waterman, "Identification of common molecular subsequences", 1981, for one sequence: the sum of gains
    and losses along a path begins anew where it would be negative.
    """
    gain = np.where(ridge > RIDGE, np.minimum(ridge / (4 * RIDGE), 1), -LOSS)
    height, width = ridge.shape
    sums, came = np.zeros((height, width), np.float32), np.zeros((height, width), np.int8)
    above = np.zeros(width, np.float32)
    for row in range(height):
        wide = np.pad(above, 1)
        three = np.stack([wide[1:-1], wide[:-2] - ASIDE, wide[2:] - ASIDE])
        came[row] = np.array([0, -1, 1], np.int8)[three.argmax(axis=0)]
        sums[row] = above = np.maximum(three.max(axis=0) + gain[row], 0)
    begin = np.maximum(tops - 2, 0)
    column = int(np.where(tops > 0, sums[begin, np.arange(width)], 0).argmax())
    row, path = int(begin[column]), list[tuple[int, int]]()
    while row >= 0 and sums[row, column] > 0:
        path.append((row, column))
        column = min(max(column + int(came[row, column]), 0), width - 1)
        row -= 1
    return path


def _width(grey: Mask, path: list[tuple[int, int]]) -> float:
    """Return how wide the line along a path is, pixels: to where it differs by half as much as in its middle."""
    rows, columns = np.array(path).T
    reach = max(ARMS)
    beside = np.arange(-reach, reach + 1)
    values = grey[rows[:, None], np.clip(columns[:, None] + beside, 0, grey.shape[1] - 1)]
    apart = np.abs(np.median(values - 0.5 * (values[:, :1] + values[:, -1:]), axis=0))
    seen = apart > 0.5 * apart[reach]
    left, right = np.flatnonzero(~seen[:reach]), np.flatnonzero(~seen[reach:])
    return float((right[0] if right.size else reach) + (reach - 1 - left[-1] if left.size else reach))
