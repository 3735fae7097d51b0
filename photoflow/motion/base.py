"""What a motion is: a description free of any photo, and the displacement field it becomes on one."""

from __future__ import annotations

import copy
import dataclasses
import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from photoflow.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray[Any, Any]

_GOLDEN = (5**0.5 - 1) / 2
FARTHEST = 1e5  # pixels: no photo is so large, and float32 still tells its pixels' sixty-fourths


@dataclass(frozen=True)
class Scene:
    """What a motion has to know about the picture it acts on.

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
    """

    mask: Array
    origin: tuple[float, float] = (0, 0)
    scale: float = 1.0
    seconds: float = 4.0
    loop: bool = True
    device: str = "cpu"
    picture: tuple[float, float] | None = None

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the subject, in pixels of the region, ends included."""
        if not self.mask.any():
            raise InputError("motion: the subject's mask is empty")
        solid = self.mask >= 0.5 * self.mask.max()
        columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
        return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])

    @property
    def extent(self) -> float:
        """The subject's size in rendered pixels: the geometric mean of its width and height."""
        left, top, right, bottom = self.box
        return math.sqrt((right - left + 1) * (bottom - top + 1))

    @cached_property
    def grid(self) -> tuple[Array, Array]:
        """x (1, w) and y (h, 1) of every pixel of the region, float32; they broadcast."""
        height, width = self.mask.shape
        return np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]

    def locate(self, x: float, y: float) -> tuple[float, float]:
        """A point of the photo, in pixels of the region."""
        return x * self.scale - self.origin[0], y * self.scale - self.origin[1]

    def cycles(self, period: float) -> float:
        """How often a motion of `period` seconds repeats in the clip; whole when the clip loops."""
        count = self.seconds / period
        return float(max(1, round(count))) if self.loop else count

    def phase(self, period: float) -> Callable[[float], float]:
        """The function t -> angle of an oscillation of about `period` seconds that closes the loop."""
        rate = 2 * math.pi * self.cycles(period) / self.seconds
        return lambda t: rate * t


def moments(seconds: float, rate: float, least: int) -> Array:
    """Times at which to look at a motion that is unknown, in order, (N,) float64.

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


class MotionField(ABC):
    """The displacement of every pixel of a region at any time, relative to the photo."""

    @abstractmethod
    def flow(self, t: float) -> Tensor:
        """Displacement from the photo to time `t`.

        Args:
            t: seconds, any real number.

        Returns:
            (2, h, w) float32, pixels, channel 0 = x right, 1 = y down.
        """

    @abstractmethod
    def scaled(self, factor: float) -> MotionField:
        """The same motion with displacements `factor` times as large."""


class AffineField(MotionField):
    """A field that is an affine map of the region at every moment: shifts, rotations, scalings.

    F_t(x, y) = M(t) (x, y, 1)^T

    Args:
        scene: gives the region's size and the device.
        matrix: t -> (2, 3) displacement matrix M in pixels of the region; see `affine`.
    """

    def __init__(self, scene: Scene, matrix: Callable[[float], Array]) -> None:
        self.scene, self.matrix = scene, matrix

    def flow(self, t: float) -> Tensor:
        import torch

        x, y = (torch.from_numpy(axis).to(self.scene.device) for axis in self.scene.grid)
        rows = self.matrix(t)
        # The outer sum of a row and a column: two small vectors and one pass over the region.
        return torch.stack([float(a) * x + (float(b) * y + float(c)) for a, b, c in rows])

    def scaled(self, factor: float) -> MotionField:
        return AffineField(self.scene, lambda t: factor * self.matrix(t))


def affine(
    centre: tuple[float, float],
    *,
    angle: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Displacement matrix of: scale about `centre`, turn about it, then shift.

    Args:
        centre: (x, y) pixels.
        angle: radians, clockwise as seen (y points down).
        scale: factors in x and y.
        shift: (x, y) pixels.

    Returns:
        (2, 3) float64 M with displacement = M (x, y, 1)^T.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos * scale[0], -sin * scale[1]], [sin * scale[0], cos * scale[1]]])
    centre_, shift_ = np.asarray(centre, dtype=np.float64), np.asarray(shift, dtype=np.float64)
    return np.column_stack([linear - np.eye(2), centre_ - linear @ centre_ + shift_])


class ModalField(MotionField):
    """A field that is a sum of fixed shapes with changing amounts.

    F_t(p) = sum_k S_k(p) q_k(t)

    Args:
        shapes: (K, 2, h, w) float32, pixels: the mode shapes S.
        amounts: t -> the K numbers q(t).
        device: where `flow` is wanted.

    Source: Generative Image Dynamics (Li et al. 2024), sec. 6, where the spectral volume is read
        as a modal basis.
    """

    def __init__(self, shapes: Array, amounts: Callable[[float], Sequence[float]], device: str = "cpu") -> None:
        import torch

        self.shapes = torch.as_tensor(np.ascontiguousarray(shapes, dtype=np.float32), device=device)
        self.amounts = amounts

    def flow(self, t: float) -> Tensor:
        import torch

        amounts = torch.tensor(self.amounts(t), dtype=torch.float32, device=self.shapes.device)
        flow: Tensor = torch.tensordot(amounts, self.shapes, dims=1)
        return flow

    def scaled(self, factor: float) -> MotionField:
        field = copy.copy(self)
        field.shapes = factor * self.shapes
        return field


@dataclass(frozen=True)
class Motion(ABC):
    """A description of how a subject moves, free of any photo; immutable.

    Motions add (`a + b`), scale (`0.5 * a`), act on one of several subjects (`a.on(2)`), and are
    saved and loaded as small JSON files (`save`, `load`).
    """

    name: ClassVar[str]
    # True for a motion whose material flows inside a region that stays where it is (water, clouds).
    in_place: ClassVar[bool] = False

    @abstractmethod
    def field(self, scene: Scene) -> MotionField:
        """The displacements that this description means in `scene`."""

    @property
    def file(self) -> Path | None:
        """What the motion is read from, where that is a file."""
        return None

    def __add__(self, other: Motion) -> Motion:
        return Sum((self, other)) if isinstance(other, Motion) else NotImplemented

    def __mul__(self, factor: float) -> Motion:
        return Scaled(float(factor), self) if isinstance(factor, (int, float)) else NotImplemented

    __rmul__ = __mul__

    def on(self, subject: int) -> Motion:
        """The same motion for subject number `subject` alone (1 = the first)."""
        return On(subject, self)

    def terms(self) -> Iterator[tuple[int | None, Motion]]:
        """The motion's parts as (subject, motion): what is added up, None where no subject is named."""
        yield None, self

    def to_dict(self) -> dict[str, Any]:
        """The description as plain values, as it stands in a motion file."""
        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"type": self.name, **values}

    def save(self, path: Any) -> None:
        """Write the motion to a JSON file that `photoflow.motion.load` reads."""
        from photoflow.motion.file import save

        save(self, path)


@dataclass(frozen=True)
class Sum(Motion):
    """Several motions at once: their displacements add up."""

    name: ClassVar[str] = "sum"
    motions: tuple[Motion, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "motions", tuple(self.motions))
        if not self.motions:
            raise InputError("sum: expected at least one motion, got none")

    def terms(self) -> Iterator[tuple[int | None, Motion]]:
        for motion in self.motions:
            yield from motion.terms()

    def field(self, scene: Scene) -> MotionField:
        return SumField([motion.field(scene) for motion in self.motions])


class SumField(MotionField):
    """The sum of several fields over the same region."""

    def __init__(self, fields: Sequence[MotionField]) -> None:
        self.fields = fields

    def flow(self, t: float) -> Tensor:
        total = self.fields[0].flow(t)
        for field in self.fields[1:]:
            total = total + field.flow(t)
        return total

    def scaled(self, factor: float) -> MotionField:
        return SumField([field.scaled(factor) for field in self.fields])


@dataclass(frozen=True)
class Scaled(Motion):
    """A motion whose displacements are multiplied by a factor: damped below 1, magnified above."""

    name: ClassVar[str] = "scaled"
    factor: float
    motion: Motion

    def __post_init__(self) -> None:
        check_range("scaled", "factor", self.factor, -100, 100)

    def terms(self) -> Iterator[tuple[int | None, Motion]]:
        for subject, motion in self.motion.terms():
            yield subject, self if motion is self.motion else Scaled(self.factor, motion)

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return self.motion.in_place

    @property
    def file(self) -> Path | None:
        return self.motion.file

    def field(self, scene: Scene) -> MotionField:
        return self.motion.field(scene).scaled(self.factor)


@dataclass(frozen=True)
class On(Motion):
    """A motion for one of several subjects."""

    name: ClassVar[str] = "on"
    subject: int
    motion: Motion

    def __post_init__(self) -> None:
        if isinstance(self.subject, bool) or not isinstance(self.subject, int) or self.subject < 1:
            raise InputError(f"on: expected a subject number from 1 on, got {self.subject!r}")

    def terms(self) -> Iterator[tuple[int | None, Motion]]:
        for _, motion in self.motion.terms():
            yield self.subject, motion

    def field(self, scene: Scene) -> MotionField:
        return self.motion.field(scene)


def check_range(motion: str, name: str, value: float, low: float, high: float) -> None:
    """Raise an InputError unless `value` is a number in [low, high]."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # NaN fails the comparison too
        raise InputError(f"{motion}: {name} expects a number from {low:g} to {high:g}, got {value!r}")


def check_points(motion: str, name: str, points: Any, columns: int, least: int) -> tuple[tuple[float, ...], ...]:
    """`points` as a tuple of tuples of `columns` floats in reach of a photo, at least `least` of them.

    Raises:
        InputError: they are not.
    """
    message = (
        f"{motion}: {name} expects at least {least} group(s) of {columns} numbers from {-FARTHEST:g} to {FARTHEST:g}, "
        f"got {reprlib.repr(points)}"
    )
    try:
        rows = tuple(tuple(float(v) for v in row) for row in points)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(message) from error
    # NaN fails the comparison too.
    if len(rows) < least or any(len(r) != columns or not all(abs(v) <= FARTHEST for v in r) for r in rows):
        raise InputError(message)
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, Motion):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
