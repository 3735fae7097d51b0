"""Silhouettes of what the wind moves: masks to learn natural motion from where no clip is at hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from photoflow.arrays import Array

Draw = np.random.Generator

_FINER = 4  # the silhouettes are drawn as many times larger, for smooth edges
_ROOT = 0.97  # where what grows from below begins, in heights


def silhouette(kind: str, size: tuple[int, int], seed: int) -> Array:
    """Draw a random silhouette.

    Args:
        kind: "plant", "tree", "flag", "cloth", "hair", "candle" or "lantern".
        size: (height, width), pixels.
        seed: another one draws another.

    Returns:
        (height, width) float32 in [0, 1], somewhere 1.
    """
    height, width = size
    canvas = np.zeros((_FINER * height, _FINER * width), np.uint8)
    SILHOUETTES[kind](canvas, np.random.default_rng(seed))
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.float32) / 255


def _plant(canvas: Array, draw: Draw) -> None:
    """Draw bent stems from one root, with leaves on both sides and a flower on some."""
    height, width = canvas.shape
    root = np.array([draw.uniform(0.3, 0.7) * width, _ROOT * height])
    for _ in range(draw.integers(1, 6)):
        tip = root + np.array([draw.normal(0, 0.16) * width, -draw.uniform(0.5, 0.85) * height])
        stem = _bow(root, tip, draw.normal(0, 0.08))
        _stroke(canvas, stem, draw.uniform(0.012, 0.03) * height)
        for place in draw.uniform(0.2, 0.95, draw.integers(2, 7)):
            length = draw.uniform(0.08, 0.2) * height
            angle = draw.choice([-1, 1]) * draw.uniform(0.4, 1.2) - math.pi / 2
            _ellipse(canvas, stem[int(place * len(stem))], length, 0.3 * length, angle, from_end=True)
        if draw.random() < 0.5:
            _ellipse(canvas, tip, draw.uniform(0.05, 0.11) * height, draw.uniform(0.05, 0.11) * height, 0.0)


def _tree(canvas: Array, draw: Draw) -> None:
    """Draw a trunk under a crown of round clumps."""
    height, width = canvas.shape
    root = np.array([draw.uniform(0.35, 0.65) * width, _ROOT * height])
    top = root + np.array([draw.normal(0, 0.04) * width, -draw.uniform(0.4, 0.55) * height])
    _stroke(canvas, _bow(root, top, draw.normal(0, 0.04)), draw.uniform(0.03, 0.07) * height)
    for _ in range(draw.integers(6, 14)):
        place = top + draw.normal(0, 1, 2) * [0.12 * width, 0.1 * height]
        _ellipse(canvas, place, draw.uniform(0.08, 0.18) * height, draw.uniform(0.07, 0.14) * height, 0.0)


def _flag(canvas: Array, draw: Draw) -> None:
    """Draw a sheet that is held at its left side."""
    left, top, right, bottom = draw.uniform([0.05, 0.08, 0.55, 0.5], [0.3, 0.3, 0.95, 0.9])
    _sheet(canvas, draw, left, top, right, bottom)


def _cloth(canvas: Array, draw: Draw) -> None:
    """Draw a sheet that hangs from its upper side."""
    left, right, bottom = draw.uniform([0.05, 0.55, 0.55], [0.4, 0.95, 0.95])
    _sheet(canvas, draw, left, draw.uniform(0.03, 0.15), right, bottom)


def _hair(canvas: Array, draw: Draw) -> None:
    """Draw strands that hang from a line above."""
    height, width = canvas.shape
    left, right = draw.uniform([0.2, 0.55], [0.45, 0.85]) * width
    length = draw.uniform(0.5, 0.8) * height
    for start in np.linspace(left, right, draw.integers(10, 24)):
        root = np.array([start, 0.06 * height])
        tip = root + np.array([draw.normal(0, 0.06) * width, length * draw.uniform(0.85, 1.1)])
        _stroke(canvas, _bow(root, tip, draw.normal(0, 0.06)), draw.uniform(0.02, 0.05) * height)


def _candle(canvas: Array, draw: Draw) -> None:
    """Draw a flame: round below, pointed above."""
    height, width = canvas.shape
    half, length = draw.uniform([0.06, 0.35], [0.16, 0.8]) * height
    foot = np.array([draw.uniform(0.3, 0.7) * width, draw.uniform(0.85, _ROOT) * height])
    turns = np.linspace(0, 2 * math.pi, 64)
    rise = (1 - np.cos(turns)) / 2
    across = half * np.sin(turns) * (1 - 0.75 * rise) * 1.3
    cv2.fillPoly(canvas, [_whole(np.stack([foot[0] + across, foot[1] - length * rise], 1))], 255)


def _lantern(canvas: Array, draw: Draw) -> None:
    """Draw a body that hangs on a string."""
    height, width = canvas.shape
    middle = np.array([draw.uniform(0.3, 0.7) * width, draw.uniform(0.5, 0.65) * height])
    across, along = draw.uniform([0.1, 0.14], [0.24, 0.28]) * height
    _stroke(canvas, np.stack([[middle[0], 0.03 * height], middle]), 0.015 * height)
    _ellipse(canvas, middle, across, along, 0.0)


SILHOUETTES: dict[str, Callable[[Array, Draw], None]] = {
    "plant": _plant, "tree": _tree, "flag": _flag, "cloth": _cloth, "hair": _hair, "candle": _candle,
    "lantern": _lantern,
}  # fmt: skip
"""The functions that draw each kind, by the names of the wind's presets."""


def _sheet(canvas: Array, draw: Draw, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a quadrilateral, its corners a little off those of a box, in shares of the canvas."""
    height, width = canvas.shape
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) + draw.normal(0, 0.03, (4, 2))
    cv2.fillPoly(canvas, [_whole(corners * [width, height])], 255)


def _bow(start: Array, end: Array, bend: float) -> Array:
    """Return a parabola from one point to another, (32, 2), `bend` lengths aside in its middle."""
    along = np.linspace(0, 1, 32)[:, None]
    aside = np.array([start[1] - end[1], end[0] - start[0]])
    return np.asarray(start + along * (end - start) + 4 * bend * along * (1 - along) * aside)


def _stroke(canvas: Array, points: Array, thickness: float) -> None:
    cv2.polylines(canvas, [_whole(points)], False, 255, max(1, round(thickness)), cv2.LINE_AA)


def _ellipse(canvas: Array, place: Array, first: float, second: float, angle: float, from_end: bool = False) -> None:
    """Draw an ellipse around a place or, as a leaf, from it; half axes in pixels, the angle of the first in radians."""
    centre = place + first * np.array([math.cos(angle), math.sin(angle)]) if from_end else place
    x, y = _whole(centre)
    axes = max(1, round(first)), max(1, round(second))
    cv2.ellipse(canvas, (int(x), int(y)), axes, math.degrees(angle), 0, 360, 255, -1, cv2.LINE_AA)


def _whole(points: Array) -> Array:
    return np.rint(points).astype(np.int32)
