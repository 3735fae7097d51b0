"""Holes for clips whose truth is known: random shapes that stand still, and things of other clips that move."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from photoflow.arrays import Array

STROKES, SPOTS, OBJECTS = KINDS = ("strokes", "spots", "objects")
_LINES, _WIDTH = 4, 0.05  # of strokes; their mean width, of the frame's height
_SPOTS, _RADIUS, _CORNERS = 5, 0.06, 12  # the mean radius is a share of the root of the frame's area
_ROUNDNESS = 1 / 60  # of the frame's height: the blur that rounds corners


def strokes(size: tuple[int, int], name: str) -> Array:
    """Draw thick bent lines, as of a pen.

    Args:
        size: (height, width), pixels.
        name: of the clip; the same name gives the same lines, whatever the size.

    Returns:
        bool (H, W), about a twelfth of the frame.
    """
    (height, width), random = size, _random(name, STROKES)
    canvas = np.zeros(size, np.uint8)
    for _ in range(_LINES):
        place, angle = random.uniform(0.1, 0.9, 2) * (width, height), random.uniform(0, 2 * np.pi)
        thick = max(2, round(_WIDTH * height * random.uniform(0.7, 1.3)))
        for _ in range(int(random.integers(3, 7))):
            angle += random.normal(0, 0.9)
            end = place + random.uniform(0.06, 0.16) * width * np.array([np.cos(angle), np.sin(angle)])
            cv2.line(canvas, _pixel(place), _pixel(end), 1, thick)
            place = end
    return canvas > 0


def spots(size: tuple[int, int], name: str) -> Array:
    """Draw a few small blobs, as of a logo or of things in the distance.

    Args:
        size: (height, width), pixels.
        name: see `strokes`.

    Returns:
        bool (H, W), about a thirtieth of the frame.
    """
    (height, width), random = size, _random(name, SPOTS)
    canvas = np.zeros(size, np.uint8)
    for _ in range(_SPOTS):
        turns = np.sort(random.uniform(0, 2 * np.pi, _CORNERS))
        reach = _RADIUS * np.sqrt(height * width) * random.uniform(0.8, 1.2) * random.uniform(0.5, 1, _CORNERS)
        middle = random.uniform(0.15, 0.85, 2) * (width, height)
        corners = middle + np.stack([1.3 * reach * np.cos(turns), reach * np.sin(turns)], 1)
        cv2.fillPoly(canvas, [corners.round().astype(np.int32)], 1)
    return np.asarray(cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), height * _ROUNDNESS) > 0.5)


def lasting(masks: Sequence[Array], count: int) -> list[Array]:
    """Return `count` masks of a clip: its first ones; where it has fewer, they are shown to and fro."""
    most = len(masks) - 1
    return [masks[most - abs(most - at % (2 * most)) if most else 0] for at in range(count)]


def _random(name: str, kind: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), KINDS.index(kind)])


def _pixel(place: Array) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))
