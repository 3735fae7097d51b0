"""Random holes for clips: shapes that stand still, as a watermark does, or move, as things that are to be removed."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array

_LEAST, _MOST = 0.2, 0.7  # of the frame's sides: how large a shape is
_SPEED = 0.03  # of the frame's sides a frame, at most
_CORNERS = (5, 12)


def random_holes(count: int, moments: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw a hole for each clip, in half of them one that moves.

    Args:
        count: of clips.
        moments: (T,), the time of each frame of a clip, in frames.
        size: (height, width) of the frames, pixels.
        generator: of random numbers, on the CPU.

    Returns:
        (count, T, 1, height, width) float32: 1 in the hole, which has at least one pixel in every frame, 0 elsewhere.
    """
    return torch.stack([_hole(moments.tolist(), size, generator) for _ in range(count)])


def _hole(moments: list[float], size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw the hole of one clip, (T, 1, height, width)."""
    kind, tall, wide, down, right, moves, angle, pace = torch.rand(8, generator=generator).tolist()
    sides = [max(1, round((_LEAST + share * (_MOST - _LEAST)) * side)) for share, side in zip((tall, wide), size)]
    shape = torch.from_numpy(_SHAPES[int(3 * kind)]((sides[0], sides[1]), generator))
    room = [side - own for side, own in zip(size, sides)]
    speed = _SPEED * pace * (moves < 0.5)
    ways = speed * size[0] * math.sin(2 * math.pi * angle), speed * size[1] * math.cos(2 * math.pi * angle)
    holes = torch.zeros(len(moments), 1, *size)
    for hole, moment in zip(holes, moments):
        y, x = (_bounced(share * space + way * moment, space) for share, space, way in zip((down, right), room, ways))
        hole[0, y : y + sides[0], x : x + sides[1]] = shape
    return holes


def _bounced(place: float, room: int) -> int:
    """Return the whole number next to a place on the way to and fro between 0 and `room`."""
    along = place % (2 * room) if room else 0.0
    return round(min(along, 2 * room - along))


def _ellipse(size: tuple[int, int], generator: torch.Generator) -> Array:
    """Draw an ellipse that fills the size."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    inside = ((2 * y + 1) / height - 1) ** 2 + ((2 * x + 1) / width - 1) ** 2 <= 1
    return np.asarray(inside, np.float32)


def _polygon(size: tuple[int, int], generator: torch.Generator) -> Array:
    """Draw a polygon whose corners lie around its middle, some of them far out."""
    count = int(torch.randint(*_CORNERS, (), generator=generator))
    turn, reach = torch.rand(2, count, generator=generator).numpy()
    turns = 2 * np.pi * (np.arange(count) + turn) / count
    out = 0.4 + 0.6 * reach
    corners = 0.5 + 0.5 * np.stack([np.cos(turns), np.sin(turns)], 1) * out[:, None]
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [_pixels(corners, size)], 1)
    return np.asarray(canvas, np.float32)


def _stroke(size: tuple[int, int], generator: torch.Generator) -> Array:
    """Draw a thick line through a few places."""
    count = int(torch.randint(*_CORNERS, (), generator=generator))
    places = torch.rand(count, 2, generator=generator).numpy()
    thickness = max(1, round(0.2 * min(size)))
    canvas = np.zeros(size, np.uint8)
    cv2.polylines(canvas, [_pixels(places, size)], False, 1, thickness)
    return np.asarray(canvas, np.float32)


_SHAPES = (_ellipse, _polygon, _stroke)


def _pixels(places: Array, size: tuple[int, int]) -> Array:
    """Turn places (x, y), in shares of the size, into whole pixels within it."""
    return np.asarray(np.rint(places * [size[1] - 1, size[0] - 1]), np.int32)
