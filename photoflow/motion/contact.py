"""Contacts: what stands on the ground keeps its feet where they are."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.field import MotionField
from photoflow.motion.pinned import PinnedField
from photoflow.motion.scene import Scene

LOWER = 0.3  # of the subject's height: contacts are in this lowest part
PROMINENCE = 0.04  # of its height, by which a foot reaches below what is beside it
SOLE = 0.025  # of its height: what is so near the ground around a foot's lowest point stands on it too
HELD = 0.01  # of its height: so far around a contact nothing moves
WIDTH = 0.25  # of its height: the distance over which the hold gives way
BORDER = 2  # pixels of the region: so near the picture's border the subject is cut off, and border pins hold it


def grounded(field: MotionField, scene: Scene) -> MotionField:
    """Return the field held at the subject's contacts with the ground; as it is where there are none."""
    weights = contact_weights(scene)
    if weights is None:
        return field
    import torch

    return PinnedField(field, torch.from_numpy(weights).to(scene.device))


def contact_weights(scene: Scene) -> Array | None:
    """Return how freely each pixel moves above what stands on the ground.

    Returns:
        (h, w) float32: 0 at the contacts, rising to 1 at `WIDTH` of the subject's height from them; None without any.
    """
    found = contacts(scene)
    if not found.any():
        return None
    height = _height(scene)
    distance = cv2.distanceTransform((~found).astype(np.uint8), cv2.DIST_L2, 5)
    u = np.clip((distance / np.float32(height) - HELD) / (WIDTH - HELD), 0, 1)
    return np.asarray(u * u * (3 - 2 * u), np.float32)


def contacts(scene: Scene) -> Array:
    """Find where the subject stands: its outline's lowest points, each lower than what is beside it.

    A foot of a four-legged animal is one each, though those farther away are higher in the picture; the lower edge of a
    thing that stands on all of it is one as a whole. Where the picture's border cuts the subject off it stands on
    nothing that is seen.

    Returns:
        (h, w) bool.
    """
    solid = scene.mask >= 0.5 * scene.mask.max()
    bottom, height = scene.box[3], _height(scene)
    rows = solid.shape[0]
    lowest = np.where(solid.any(axis=0), rows - 1 - solid[::-1].argmax(axis=0), -rows)
    border = np.inf if scene.picture is None else scene.picture[1] - scene.origin[1] - 1 - BORDER
    found = np.zeros(solid.shape, bool)
    for columns in _feet(lowest, PROMINENCE * height, SOLE * height):
        deepest = lowest[columns].max()
        if bottom - LOWER * height <= deepest < border:
            found[lowest[columns], columns] = True
    return found


def _feet(lowest: Array, prominence: float, sole: float) -> list[Array]:
    """Find the columns of each local maximum of a profile that is `prominence` higher than the valleys beside it.

    Args:
        lowest: (w,) int, row of the lowest pixel in each column; far above all others where there is none.
        prominence: rows.
        sole: rows by which the columns of one maximum may be above it.
    """
    feet, left = [], 0
    while left < len(lowest):
        peak, valley_after = _next_peak(lowest, left, prominence)
        if peak is None:
            break
        level = lowest[peak] - sole
        first, last = peak, peak
        while first > 0 and lowest[first - 1] >= level:
            first -= 1
        while last < len(lowest) - 1 and lowest[last + 1] >= level:
            last += 1
        feet.append(np.arange(first, last + 1))
        left = max(valley_after, last + 1)
    return feet


def _next_peak(lowest: Array, start: int, prominence: float) -> tuple[int | None, int]:
    """Follow a profile from `start` to its next peak and on to where it has fallen by `prominence`.

    Returns:
        Column of the peak, None where the profile rises no more, and the column where it has fallen.
    """
    valley, peak = int(lowest[start]) if start else -(10**9), None
    for column in range(start, len(lowest)):
        value = int(lowest[column])
        if peak is None:
            valley = min(valley, value)
            if value - valley >= prominence and value >= 0:
                peak = column
        elif value > lowest[peak]:
            peak = column
        elif lowest[peak] - value >= prominence:
            return peak, column
    return peak, len(lowest)


def _height(scene: Scene) -> float:
    return scene.box[3] - scene.box[1] + 1
