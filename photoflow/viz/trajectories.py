"""Paths of single points, drawn over the photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

Points = NDArray[np.float32]
_SHIFT = 4  # OpenCV draws at 1/16 pixel


def grid_points(mask: NDArray[np.float32], count: int = 80) -> Points:
    """Choose points spread evenly over a mask: a square grid with about ``count`` nodes inside it.

    Args:
        mask: (H, W), float in [0, 1] or bool; values above one half are inside.
        count: number of points wanted, at least 1.

    Returns:
        float32 (N, 2), x and y in pixels, 1 <= N; N is close to ``count`` unless the mask has fewer pixels.

    Raises:
        InputError: an empty mask, or ``count`` below 1.
    """
    inside = mask > 0.5
    area = int(inside.sum())
    if area == 0:
        raise InputError("cannot choose points: the mask is empty")
    if count < 1:
        raise InputError(f"expected at least 1 point, got {count}")
    spacing = max(1.0, (area / count) ** 0.5)
    candidates = [_grid(inside, spacing * factor) for factor in (1.15, 1.07, 1.0, 0.93, 0.86)]
    best = min(candidates, key=lambda points: abs(len(points) - count))
    if len(best):
        return best
    y, x = np.argwhere(inside)[area // 2]  # the mask is thinner than the grid
    return np.array([[x, y]], np.float32)


def draw_trajectories(rgb: NDArray[np.uint8], paths: Points, dim: float = 0.6) -> NDArray[np.uint8]:
    """Draw the path of each point over the dimmed photo: from a white dot, turning from dark red to yellow with time.

    Args:
        rgb: uint8 (H, W, 3).
        paths: float32 (T, N, 2), positions of N points at T times, x and y in pixels; T >= 1.
        dim: brightness of the photo under the paths, 0..1.

    Returns:
        uint8 (H, W, 3).
    """
    picture = np.asarray(cv2.convertScaleAbs(rgb, alpha=dim), np.uint8)
    thickness = max(1, round(min(rgb.shape[:2]) / 350))
    paths = np.where(np.isfinite(paths), paths, paths[:1])
    fixed = np.rint(np.clip(paths, -1e4, 1e5) * (1 << _SHIFT)).astype(np.int32)
    for shade, width in ((False, thickness + 2), (True, thickness)):  # all outlines first: none covers a path
        for step in range(len(fixed) - 1):
            colour = _heat(step / max(1, len(fixed) - 2)) if shade else (0, 0, 0)
            lines = np.stack([fixed[step], fixed[step + 1]], axis=1)
            cv2.polylines(picture, list(lines), False, colour, width, cv2.LINE_AA, _SHIFT)
    radius = (thickness + 1) << _SHIFT
    for x, y in fixed[0].tolist():
        cv2.circle(picture, (x, y), radius + (1 << _SHIFT), (0, 0, 0), -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(picture, (x, y), radius, (255, 255, 255), -1, cv2.LINE_AA, _SHIFT)
    return picture


def _grid(inside: NDArray[np.bool_], spacing: float) -> Points:
    """Return the nodes inside the mask of a grid that is centred on the mask's bounding box."""
    ys, xs = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    y, x = np.meshgrid(_ticks(ys[0], ys[-1], spacing), _ticks(xs[0], xs[-1], spacing), indexing="ij")
    keep = inside[np.rint(y).astype(int), np.rint(x).astype(int)]
    return np.stack([x[keep], y[keep]], axis=1).astype(np.float32)


def _ticks(first: float, last: float, spacing: float) -> NDArray[np.float64]:
    steps = np.arange(int((last - first) / spacing) + 1) * spacing
    ticks: NDArray[np.float64] = steps + first + (last - first - steps[-1]) / 2
    return ticks


def _heat(fraction: float) -> tuple[int, int, int]:
    """Return the RGB colour of a fraction of time in [0, 1]: dark red, then orange, then yellow."""
    return 200 + round(55 * fraction), 20 + round(220 * fraction), 30
