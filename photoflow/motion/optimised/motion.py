"""The motion that an optimisation finds: shapes on a grid over the picture, and how much of each there is when."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.motion.field import ModalField, MotionField
from photoflow.motion.motion import Motion, check_range
from photoflow.motion.parametric import smoothstep
from photoflow.motion.scene import Scene
from photoflow.motion.spectral import LONGEST, SHORTEST, closing_frequencies

MOST_SHAPES = 8
MOST_CELLS = 512  # of a side
MOST_FREQUENCIES = 64


@dataclass(frozen=True)
class Optimised(Motion):
    """Moves as `photoflow optimise` found for a photo: a flow to a second picture, to handles, or like a clip.

    The displacement is a sum of shapes with changing amounts. Made by `Optimised.of`, kept in motion files.

    Args:
        shapes: (K, 2, rows, columns), as text: float16, compressed, base 64. Displacements in shares of the picture's
            longer side, on a grid that covers the whole picture.
        size: (columns, rows) of the grid.
        courses: for each shape the Fourier coefficients of its amounts, real and imaginary part by turns; empty for
            one shape that is reached and left again (in a loop) or reached in the end.
        record: seconds after which the courses repeat; 0 without them.
        whole: whether it was found for the whole picture, and not for a subject.

    Source: D-ID, section 3.2: the flow u that is optimised on the one photo. The courses are ours.
    """

    name: ClassVar[str] = "optimised"
    leaves: ClassVar[bool] = True  # the border was minded when it was found
    spoken: ClassVar[bool] = False
    shapes: str
    size: tuple[int, int]
    courses: tuple[tuple[float, ...], ...] = ()
    record: float = 0.0
    whole: bool = True

    def __post_init__(self) -> None:
        size = self.size if isinstance(self.size, (list, tuple)) else ()
        whole = [side for side in size if isinstance(side, int) and not isinstance(side, bool)]
        if not (len(size) == len(whole) == 2 and min(whole) >= 2 and max(whole) <= MOST_CELLS):
            raise InputError(
                f"optimised: size expects two whole numbers from 2 to {MOST_CELLS}, got {shown(self.size)}"
            )
        object.__setattr__(self, "size", (whole[0], whole[1]))
        object.__setattr__(self, "courses", _checked_courses(self.courses))
        if self.courses:
            check_range(self.name, "record", self.record, SHORTEST, LONGEST)
        elif self.record != 0:
            raise InputError(f"optimised: expected a record of 0 without courses, got {shown(self.record)}")
        if not isinstance(self.whole, bool):
            raise InputError(f"optimised: whole expects true or false, got {shown(self.whole)}")
        if len(self.grids) != max(1, len(self.courses)):
            raise InputError(f"optimised: expected {len(self.grids)} courses, one for each shape")

    @classmethod
    def of(
        cls, grids: Array, courses: Array | None = None, record: float = 0.0, *, whole: bool = True
    ) -> Optimised:  # fmt: skip
        """Return the motion of shapes.

        Args:
            grids: (K, 2, rows, columns), in shares of the picture's longer side; kept as float16.
            courses: (K, F) complex, the first one real; None: one shape, reached and left again.
            record: seconds after which the courses repeat.
            whole: whether they are of the whole picture.
        """
        packed = zlib.compress(np.ascontiguousarray(grids, "<f2").tobytes(), 9)
        both = () if courses is None else tuple(_turns(row) for row in courses)
        text = base64.b64encode(packed).decode("ascii")
        return cls(text, (grids.shape[3], grids.shape[2]), both, record, whole)

    @property
    def everywhere(self) -> bool:
        return self.whole

    @property
    def grids(self) -> Array:
        """Return the shapes, float32 (K, 2, rows, columns), in shares of the picture's longer side."""
        plane = 4 * self.size[0] * self.size[1]  # bytes of a shape: two float16 a cell
        try:
            packed = base64.b64decode(self.shapes, validate=True)
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(packed, MOST_SHAPES * plane + 1)
        except (TypeError, ValueError, binascii.Error, zlib.error):
            data = b""
        if not data or len(data) % plane or len(data) > MOST_SHAPES * plane:
            raise InputError(
                f"optimised: shapes expects up to {MOST_SHAPES} of {self.size[0]}x{self.size[1]} cells as base 64, "
                f"got {shown(self.shapes)}"
            )
        grids = np.frombuffer(data, "<f2").astype(np.float32).reshape(-1, 2, self.size[1], self.size[0])
        if not np.isfinite(grids).all():
            raise InputError("optimised: shapes expects finite numbers, got others")
        return grids

    def field(self, scene: Scene) -> MotionField:
        height, width = scene.mask.shape
        across, down = scene.picture or (float(width), float(height))
        columns, rows = self.size
        # A pixel of the region lies between cells of the grid; both have their centres at whole numbers.
        steps = columns / across, rows / down
        starts = [(start + 0.5) * step - 0.5 for start, step in zip(scene.origin, steps)]
        where = np.array([[steps[0], 0, starts[0]], [0, steps[1], starts[1]]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        planes = [
            cv2.warpAffine(plane, where, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            for plane in self.grids.reshape(-1, rows, columns)
        ]
        shapes = np.stack(planes).reshape(-1, 2, height, width) * np.float32(max(across, down))
        return ModalField(shapes, lambda t: self.amounts(t, scene.seconds, scene.loop), scene.device)

    def amounts(self, t: float, seconds: float, loop: bool) -> list[float]:
        """Return how much of each shape there is at time `t` of a clip; nothing at its beginning."""
        if not self.courses:
            share = t / seconds
            return [smoothstep(1 - abs(2 * (share % 1.0) - 1) if loop else min(max(share, 0.0), 1.0))]
        both = np.asarray(self.courses, np.float64).reshape(len(self.courses), -1, 2)
        frequencies = np.arange(both.shape[1]) / self.record
        if loop:
            frequencies = closing_frequencies(frequencies, seconds)
        weight = np.where(frequencies > 0, 2.0, 1.0)
        angle = 2 * math.pi * frequencies * t
        # The amounts at the beginning are taken off, so that the first frame is the photo.
        course = weight * (both[..., 0] * (np.cos(angle) - 1) - both[..., 1] * np.sin(angle))
        return [float(amount) for amount in course.sum(1)]


def _turns(row: Array) -> tuple[float, ...]:
    return tuple(round(float(part), 6) for value in row for part in (value.real, value.imag))


def _checked_courses(courses: object) -> tuple[tuple[float, ...], ...]:
    expected = (
        f"optimised: courses expects up to {MOST_SHAPES} rows of up to {2 * MOST_FREQUENCIES} numbers, of one length"
    )
    if not isinstance(courses, (list, tuple)) or len(courses) > MOST_SHAPES:
        raise InputError(expected)
    rows = [_checked_row(row, expected) for row in courses]
    if len({len(row) for row in rows}) > 1:
        raise InputError(expected)
    return tuple(rows)


def _checked_row(row: object, expected: str) -> tuple[float, ...]:
    if not isinstance(row, Sequence) or isinstance(row, (str, bytes)) or not 2 <= len(row) <= 2 * MOST_FREQUENCIES:
        raise InputError(expected)
    numbers = [value for value in row if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) != len(row) or len(row) % 2 or not all(abs(value) <= 1e6 for value in numbers):
        raise InputError(expected)
    return tuple(float(value) for value in numbers)
