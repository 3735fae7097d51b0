"""Strokes that say what of a layer is free and what is pinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from photoflow.errors import InputError
from photoflow.motion.holds import Stroke, touches
from photoflow.segment.prompts import checked_strokes
from photoflow.stage.layer import Layer


def said_holds(
    layer: Layer,
    free: Sequence[Any] | None,
    pinned: Sequence[Any] | None,
    photo_size: tuple[int, int],
    scale: float,
) -> dict[str, tuple[Stroke, ...]]:
    """Return what is said of a layer by the names of its arguments, `free` and `pinned`, in pixels of the working size.

    Args:
        layer: a thing, and no region.
        free: points (x, y) and strokes (lines of points), pixels of the photo; None: nothing is said of it.
        pinned: the same.
        photo_size: (width, height) of the photo.
        scale: working pixels per pixel of the photo.

    Raises:
        InputError: it is a region, nothing is said, or something lies beside it.
    """
    if layer.region:
        raise InputError(f"layer {layer.name!r}: expected a thing to be held, and it is a region")
    if free is None and pinned is None:
        raise InputError(f"layer {layer.name!r}: expected points or strokes that are free or pinned, got none")
    said = {"free": free, "pinned": pinned}
    return {
        name: _strokes_on(layer, name, strokes, photo_size, scale)
        for name, strokes in said.items()
        if strokes is not None
    }


def _strokes_on(
    layer: Layer, name: str, strokes: Sequence[Any], photo_size: tuple[int, int], scale: float
) -> tuple[Stroke, ...]:
    """Return strokes on a layer in pixels of the working size.

    Args:
        layer: has to be where they are.
        name: of what they are, for messages.
        strokes: points (x, y) and lines of points, pixels of the photo.
        photo_size: its (width, height).
        scale: working pixels per pixel of the photo.

    Raises:
        InputError: they lie beside the layer, or are none.
    """
    if not len(strokes):
        return ()
    height, width = layer.mask.shape
    scaled = []
    for stroke in checked_strokes(name, strokes, photo_size[::-1]):
        points = tuple((min(x * scale, width - 1.0), min(y * scale, height - 1.0)) for x, y in stroke)
        if not touches(layer.mask / np.float32(255), points):
            x, y = stroke[0]
            raise InputError(f"{name}: expected points on {layer.name}, got {x:g},{y:g}")
        scaled.append(points)
    return tuple(scaled)
