"""Synthetic pictures whose true mask is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def disc_photo(
    shape: tuple[int, int] = (160, 220), centre: tuple[int, int] = (120, 75), radius: int = 40
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """A textured red disc over a blue-green gradient with a little noise, and its mask."""
    rng = np.random.default_rng(3)
    height, width = shape
    across = np.linspace(0, 1, width)[None, :, None]
    down = np.linspace(0, 1, height)[:, None, None]
    ground = np.array([40, 90, 120]) + across * np.array([10, 60, 30]) + down * np.array([0, 20, 60])
    disc = np.zeros(shape, np.uint8)
    cv2.circle(disc, centre, radius, 1, -1)
    stripes = 30 * np.sin(np.arange(width) / 4)[None, :, None] * np.array([1.0, 0.6, 0.2])
    picture = np.where(disc[..., None] > 0, np.array([200, 60, 40]) + stripes, ground)
    picture = picture + rng.normal(0, 3, (*shape, 3))
    return np.clip(picture, 0, 255).astype(np.uint8), disc > 0


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())
