"""Motion that does not tear a picture apart: smooth where neighbours would part, as it was everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.spectral import SpectralVolume

WIDEST = 0.9  # pixels by which neighbours may part in an own picture: at 1 there is a gap between them
STEEPEST = 0.7  # of the displacement's gradient in another picture
RADII = (0.005, 0.01, 0.02, 0.04)  # of the longer side: standard deviations of what smooths, one after the other
_TIMES = 24  # of a record, at which its motion is looked at


def repair_tears(volume: SpectralVolume, own: bool) -> SpectralVolume:
    """The volume, smoothed around the places where it would tear the picture that it moves.

    Where one thing passes before another the motion of a clip jumps.

    Args:
        volume: over the pixels of the clip, in which displacements are as large as they are going to be.
        own: whether the clip's own first frame is moved, or what looks like it. Things may then slide along each
            other, and gaps alone are closed. In any other picture there is no edge where the motion jumps, and any
            jump would be seen.
    """
    for radius in RADII:
        torn = _largest(volume, _gap) > WIDEST if own else _largest(volume, _gradient) > STEEPEST
        if not torn.any():
            break
        width = max(1.0, radius * max(volume.size))
        side = 2 * round(2 * width) + 1
        around = cv2.dilate(torn.astype(np.float32), np.ones((side, side), np.uint8))
        volume = _smoothed(volume, cv2.GaussianBlur(around, (0, 0), width), width)
    return volume


def _largest(volume: SpectralVolume, measure: Callable[[Array], Array]) -> Array:
    """The largest of a measure of the displacements over time, (H, W)."""
    largest = np.zeros(volume.size, np.float32)
    for number in range(_TIMES):
        np.maximum(largest, measure(volume.displacement(number / _TIMES * volume.seconds)), out=largest)
    return largest


def _gap(flow: Array) -> Array:
    """How far a pixel's neighbour to the right or below moves away from it."""
    right, below = np.diff(flow[0], axis=1, append=flow[0, :, -1:]), np.diff(flow[1], axis=0, append=flow[1, -1:])
    return np.asarray(np.maximum(right, below))


def _gradient(flow: Array) -> Array:
    """The root of the sum of all squared components of the gradient."""
    right, below = np.diff(flow, axis=2, append=flow[..., -1:]), np.diff(flow, axis=1, append=flow[:, -1:])
    return np.asarray(np.sqrt((right**2 + below**2).sum(axis=0)))


def _smoothed(volume: SpectralVolume, share: Array, width: float) -> SpectralVolume:
    """The volume with a share (H, W) of it replaced by what is blurred with a standard deviation, pixels."""
    smooth = volume.coefficients.copy()
    for plane in smooth.reshape(-1, *volume.size):
        for part in (plane.real, plane.imag):
            part += share * (cv2.GaussianBlur(np.ascontiguousarray(part), (0, 0), width) - part)
    return replace(volume, coefficients=smooth)
