"""Displacements of a face: the shape of each of its movements at its full extent, to be scaled by an amount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.face.landmarks import Features
from photoflow.motion.face.lids import Lids

ANGLE = 0.06  # radians by which the head turns to either side; half of it up and down
ROLL = 0.012  # radians by which it leans
LIFT = 0.03  # of the face's half width, by which the shoulders rise
CORNERS = 0.07  # the same, by which the corners of the mouth go aside and up

Window = tuple[slice, slice]
Reach = tuple[float, float, float, float]
Places = tuple[Window, Array, Array]
Displacement = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Shape:
    """A displacement that is nothing outside a window of a region.

    Args:
        window: rows and columns.
        planes: (2, h, w) float32, pixels, x right, then y down.
    """

    window: Window
    planes: Array


def places(axes: Array, size: tuple[int, int], centre: Array, reach: Reach) -> Places | None:
    """Return the pixels of a region that are near a place, as the face sees them; None where there are none.

    Args:
        axes: (2, 2), the directions to the right of the face and down it.
        size: (height, width) of the region.
        centre: (2,), the place, pixels.
        reach: how far from it they are, to the left and right of the face, above and below, pixels.

    Returns:
        Their rows and columns, and for each of them how far to the right of the place and below it it is, (h, w).
    """
    left, right, above, below = reach
    corners = np.array([(u, v) for u in (-left, right) for v in (-above, below)]) @ axes + centre
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    columns = slice(max(0, int(low[0])), min(size[1], int(high[0])))
    rows = slice(max(0, int(low[1])), min(size[0], int(high[1])))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    x = np.arange(columns.start, columns.stop)[None] - centre[0]
    y = np.arange(rows.start, rows.stop)[:, None] - centre[1]
    return (rows, columns), x * axes[0, 0] + y * axes[0, 1], x * axes[1, 0] + y * axes[1, 1]


def laid(axes: Array, size: tuple[int, int], centre: Array, reach: Reach, of: Displacement) -> Shape | None:
    """Return the shape of a function of places; None where it is outside the region.

    Args:
        axes, size, centre, reach: see `places`.
        of: (u, v) -> displacements to the right of the face and down it, pixels.
    """
    near = places(axes, size, centre, reach)
    if near is None:
        return None
    planes = np.tensordot(axes, np.stack(of(*near[1:])), axes=(0, 0))
    return Shape(near[0], np.ascontiguousarray(planes, np.float32))


def closing(lids: Lids, size: tuple[int, int]) -> Shape | None:
    """Return the shape of an eye that closes."""
    return laid(lids.axes, size, lids.centre, lids.reach, lambda u, v: (np.zeros_like(u), lids.closing(u, v)))


def looking(lids: Lids, size: tuple[int, int]) -> Shape | None:
    """Return the shape of a look to the right of the picture."""
    return laid(lids.axes, size, lids.centre, lids.reach, lambda u, v: (lids.looking(u, v), np.zeros_like(u)))


def turn(face: Features, size: tuple[int, int]) -> tuple[Shape | None, Shape | None]:
    """Return the shapes of a turn of the head to the right of the picture, and of one down.

    What is nearer to the viewer moves farther: the nose the most, the outline not at all, as if the face were the front
    of an ellipsoid with a nose.
    """
    (half_width, half_height), nose = face.half, (face.nose - face.centre) @ face.axes.T

    def relief(u: Array, v: Array) -> Array:
        off = (u / (1.3 * half_width)) ** 2 + (v / (1.3 * half_height)) ** 2
        tip = ((u - nose[0]) ** 2 + (v - nose[1]) ** 2) / (0.35 * half_width) ** 2
        front = np.clip(1 - off, 0, 1)
        return np.asarray(half_width * ANGLE * (0.8 * front**1.5 + 0.3 * np.exp(-tip) * front))

    reach = (1.3 * half_width, 1.3 * half_width, 1.3 * half_height, 1.3 * half_height)
    aside = laid(face.axes, size, face.centre, reach, lambda u, v: (relief(u, v), np.zeros_like(u)))
    down = laid(face.axes, size, face.centre, reach, lambda u, v: (np.zeros_like(u), relief(u, v) / 2))
    return aside, down


def lean(face: Features, size: tuple[int, int]) -> Shape | None:
    """Return the shape of a head that leans to the right of the picture, about the neck; it fades around the head."""
    half_width, half_height = face.half
    neck = 1.4 * half_height

    def displacement(u: Array, v: Array) -> tuple[Array, Array]:
        off = np.sqrt((u / half_width) ** 2 + ((v + 0.15 * half_height) / half_height) ** 2)
        weight = ROLL * eased((2.6 - off) / 1.2)
        return weight * (neck - v), weight * u

    reach = (2.6 * half_width, 2.6 * half_width, 2.8 * half_height, 2.5 * half_height)
    return laid(face.axes, size, face.centre, reach, displacement)


def breath(face: Features, size: tuple[int, int]) -> Shape | None:
    """Return the shape of a breath: shoulders and chest rise below the chin, and the head with them, but less."""
    half_width, half_height = face.half

    def displacement(u: Array, v: Array) -> tuple[Array, Array]:
        body = eased((v - 0.4 * half_height) / (1.6 * half_height)) * eased((6 * half_height - v) / (2 * half_height))
        wide = eased((4.5 * half_width - np.abs(u)) / (2 * half_width))
        up = LIFT * half_width * body * wide
        return 0.25 * up * np.clip(u / (2 * half_width), -1, 1), -up

    reach = (4.5 * half_width, 4.5 * half_width, 0.0, 6 * half_height)
    return laid(face.axes, size, face.centre, reach, displacement)


def smile(face: Features, size: tuple[int, int]) -> Shape | None:
    """Return the shape of a hint of a smile: the corners of the mouth go aside and up, and the cheeks with them."""
    half_width = face.half[0]
    middle = face.mouth.mean(axis=0)
    corners = [(corner - middle) @ face.axes.T for corner in face.mouth]

    def displacement(u: Array, v: Array) -> tuple[Array, Array]:
        aside, up = np.zeros_like(u), np.zeros_like(u)
        for corner in corners:
            side = np.sign(corner[0])
            pulled = np.exp(-((u - corner[0]) ** 2 + (v - corner[1]) ** 2) / (2 * (0.26 * half_width) ** 2))
            cheek = np.exp(
                -((u - corner[0] - 0.15 * side * half_width) ** 2 + (v - corner[1] + 0.5 * half_width) ** 2)
                / (2 * (0.25 * half_width) ** 2)
            )
            aside += CORNERS * half_width * 0.6 * side * pulled
            up += CORNERS * half_width * (0.8 * pulled + 0.35 * cheek)
        fade = eased(2 - np.hypot(u, v + 0.2 * half_width) / (0.9 * half_width))
        return aside * fade, -up * fade

    reach = 1.9 * half_width
    return laid(face.axes, size, middle, (reach, reach, reach, reach), displacement)


def eased(u: Array) -> Array:
    """Return 0 below 0, 1 above 1, and between them a rise without slope at either end."""
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))
