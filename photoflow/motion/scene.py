"""Scenes: the facts that a motion needs about the picture it acts on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Scene:
    """The facts that a motion needs about the picture it acts on.

    Args:
        mask: (h, w) float32 in [0, 1], the subject inside the rendered region.
        origin: (x, y) of the region's first pixel in the rendered picture; negative where
            the region reaches beyond the picture.
        scale: rendered pixels per pixel of the photo, so that descriptions speak of the photo.
            A renderer may ask for a coarser grid than it renders: these are that grid's pixels then.
        seconds: length of the clip.
        loop: whether the clip's end must lead into its beginning.
        device: where the displacements are wanted, as torch names it.
        picture: (width, height) of the whole rendered picture, in pixels of the region, where it is known.
        part: preset -> (h, w) float32 in [0, 1], how freely each pixel moves in a motion that is named after a part of
            the subject (its hair, its flame); None: it is of all of it.
    """

    mask: Array
    origin: tuple[float, float] = (0, 0)
    scale: float = 1.0
    seconds: float = 4.0
    loop: bool = True
    device: str = "cpu"
    picture: tuple[float, float] | None = None
    part: Callable[[str], Array | None] | None = None

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom) of the subject, in pixels of the region, ends included."""
        if not self.mask.any():
            raise InputError("motion: the subject's mask is empty")
        solid = self.mask >= 0.5 * self.mask.max()
        columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
        return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])

    @property
    def extent(self) -> float:
        """Return the subject's size in rendered pixels: the geometric mean of its width and height."""
        left, top, right, bottom = self.box
        return math.sqrt((right - left + 1) * (bottom - top + 1))

    @cached_property
    def grid(self) -> tuple[Array, Array]:
        """Return x (1, w) and y (h, 1) of every pixel of the region, float32; they broadcast."""
        height, width = self.mask.shape
        return np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]

    def locate(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point of the photo to pixels of the region."""
        return x * self.scale - self.origin[0], y * self.scale - self.origin[1]

    def cycles(self, period: float) -> float:
        """Count the repeats of a motion of `period` seconds in the clip; whole when the clip loops."""
        count = self.seconds / period
        return float(max(1, round(count))) if self.loop else count

    def phase(self, period: float) -> Callable[[float], float]:
        """Return the function t -> angle of a loop-closing oscillation of about `period` seconds."""
        rate = 2 * math.pi * self.cycles(period) / self.seconds
        return lambda t: rate * t


def moments(seconds: float, rate: float, least: int) -> Array:
    """Return times at which to look at an unknown motion, in order, (N,) float64.

    They are spread evenly, but no period is a multiple of the steps between them: what comes to rest again and again
    is not met at rest each time.

    Args:
        seconds: of the clip; both ends are among them.
        rate: how many a second.
        least: how many at least in all.

    Source: the fractional parts of the multiples of the golden ratio: Knuth, "The Art of Computer Programming", volume
    3, section 6.4, theorem S.
    """
    between = np.arange(1, max(least, math.ceil(rate * seconds)) - 1) * _GOLDEN % 1
    return np.concatenate([[0.0], np.sort(between), [1.0]]) * seconds
