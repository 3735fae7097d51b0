"""Repair of motion that would tear a picture apart: it is smoothed there, and unchanged everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.spectral import SpectralVolume

WIDEST = 0.9  # pixels by which neighbours may move apart in the clip's own picture: at 1 a gap opens between them
STEEPEST = 0.7  # largest gradient of the displacement allowed in another picture
RADII = (0.005, 0.01, 0.02, 0.04)  # of the longer side: standard deviations of the blurs, tried one after the other
_TIMES = 24  # times of a record at which its motion is checked


def repair_tears(volume: SpectralVolume, own: bool) -> SpectralVolume:
    """Smooth a volume around the places where it would tear the picture that it moves.

    The motion of a clip jumps at the edge of an object that passes in front of another.

    Args:
        volume: over the pixels of the clip, with displacements of their final size.
        own: whether the volume moves the clip's own first frame, or a picture that looks like it. Objects may then
            slide along each other, and only gaps are closed. Any other picture has no edge where the motion jumps, so
            that every jump would be visible.

    Returns:
        The smoothed volume; the same one if nothing tears.
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
    """Compute the maximum over time of a measure of the displacements, (H, W)."""
    largest = np.zeros(volume.size, np.float32)
    for number in range(_TIMES):
        np.maximum(largest, measure(volume.displacement(number / _TIMES * volume.seconds)), out=largest)
    return largest


def _gap(flow: Array) -> Array:
    """Measure how far each pixel's neighbour to the right or below moves away from it, pixels, (H, W)."""
    right, below = np.diff(flow[0], axis=1, append=flow[0, :, -1:]), np.diff(flow[1], axis=0, append=flow[1, -1:])
    return np.asarray(np.maximum(right, below))


def _gradient(flow: Array) -> Array:
    """Compute the norm of the displacement's gradient: the root of the sum of all squared components, (H, W)."""
    right, below = np.diff(flow, axis=2, append=flow[..., -1:]), np.diff(flow, axis=1, append=flow[:, -1:])
    return np.asarray(np.sqrt((right**2 + below**2).sum(axis=0)))


def _smoothed(volume: SpectralVolume, share: Array, width: float) -> SpectralVolume:
    """Mix a volume with its blurred copy.

    Args:
        volume: the volume.
        share: (H, W) in [0, 1], share of the blurred copy.
        width: standard deviation of the blur, pixels.
    """
    smooth = volume.coefficients.copy()
    for plane in smooth.reshape(-1, *volume.size):
        for part in (plane.real, plane.imag):
            part += share * (cv2.GaussianBlur(np.ascontiguousarray(part), (0, 0), width) - part)
    return replace(volume, coefficients=smooth)
