"""Pins: a subject that the picture's border cuts off is held there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.field import MotionField

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 3  # pixels: a mask that ends so close to the border is meant to reach it
WIDTH = 0.12  # of the subject's size: the least distance over which the hold gives way
SLOPE = 3.0  # times the largest displacement: the same, so that what gives way is bent and never folded


class PinnedField(MotionField):
    """A motion that fades to nothing towards a pin.

        G(t) = w F(t)

    Args:
        field: F.
        weights: w, (h, w) float32 in [0, 1], over the same region.
    """

    def __init__(self, field: MotionField, weights: Tensor) -> None:
        self._field, self._weights = field, weights

    def flow(self, t: float) -> Tensor:
        return self._field.flow(t) * self._weights

    def scaled(self, factor: float) -> MotionField:
        return PinnedField(self._field.scaled(factor), self._weights)


def pin_weights(alpha: Array, reach: float) -> Array | None:
    """Return how freely each pixel moves where the picture's border cuts the subject off.

    Args:
        alpha: float32 (H, W) in [0, 1], the subject's opacity over the whole picture.
        reach: its largest displacement, pixels.

    Returns:
        float32 (H, W), 0 at the border's part that cuts the subject off, rising to 1 away from it; None where the
        border does not touch the subject.
    """
    cut = np.zeros(alpha.shape, bool)
    for edge, inner in zip(_sides(cut, 1), _sides(alpha, NEAR)):
        edge |= (inner > 0.5).any(axis=0)
    if not cut.any():
        return None
    distance = cv2.distanceTransform((~cut).astype(np.uint8), cv2.DIST_L2, 5)
    width = max(SLOPE * reach, WIDTH * float(np.sqrt((alpha > 0.5).sum())), 2.0)
    u = np.clip(distance / np.float32(width), 0, 1)
    return np.asarray(u * u * (3 - 2 * u), np.float32)


def _sides(picture: Array, depth: int) -> tuple[Array, Array, Array, Array]:
    """Return views of the rows or columns nearest to each border, (depth, length) each."""
    return picture[:depth], picture[-depth:], picture[:, :depth].T, picture[:, -depth:].T
