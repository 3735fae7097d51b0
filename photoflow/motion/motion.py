"""Motions: descriptions of how a subject moves, free of any photo."""

from __future__ import annotations

import dataclasses
import json
import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from photoflow.errors import InputError
from photoflow.io.atomic import write_bytes
from photoflow.motion.field import MotionField, SumField
from photoflow.motion.scene import Scene

VERSION = 1  # of motion files
NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)  # what layers may be called
FARTHEST = 1e5  # pixels: no photo is so large, and float32 still tells its pixels' sixty-fourths

KINDS: dict[str, type[Motion]] = {}  # every kind of motion by its name, as classes are defined


@dataclass(frozen=True)
class Motion(ABC):
    """A description of how a subject moves, free of any photo; immutable.

    Motions add (`a + b`), scale (`0.5 * a`), act on one of several subjects (`a.on(2)`), and are
    saved and loaded as small JSON files (`save`, `load`).
    """

    name: ClassVar[str]
    combines: ClassVar[bool] = False  # made of other motions, and so none that a person asks for by its name
    # True for a motion whose material flows inside a region that stays where it is (water, clouds).
    in_place: ClassVar[bool] = False
    # True where the picture's border does not hold the subject: it goes away as a whole, or a hand pulls it.
    leaves: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            KINDS[cls.name] = cls

    @abstractmethod
    def field(self, scene: Scene) -> MotionField:
        """Return the displacements described by this motion in `scene`."""

    @property
    def file(self) -> Path | None:
        """Return the motion's source file, or None if it has none."""
        return None

    def __add__(self, other: Motion) -> Motion:
        return Sum((self, other)) if isinstance(other, Motion) else NotImplemented

    def __mul__(self, factor: float) -> Motion:
        return Scaled(float(factor), self) if isinstance(factor, (int, float)) else NotImplemented

    __rmul__ = __mul__

    def on(self, subject: int | str) -> Motion:
        """Return the same motion for one layer alone.

        Args:
            subject: its number, 1 = the first, or its name.
        """
        return On(subject, self)

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
        """Yield the motion's summands as (subject, motion), with None where no subject is named."""
        yield None, self

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain values, as it stands in a motion file."""
        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"type": self.name, **values}

    def save(self, path: Any) -> None:
        """Write the motion to a JSON file that `photoflow.motion.load` reads, beside it first and then renamed over it.

        Raises:
            InputError: the suffix is not .json, or the folder does not exist or cannot be written to.
        """
        if Path(path).suffix.lower() != ".json":
            raise InputError(f"cannot write {path}: a motion file is expected to end in .json")
        text = json.dumps({"photoflow": "motion", "version": VERSION, "motion": self.to_dict()}, indent=2) + "\n"
        write_bytes(path, text.encode())


@dataclass(frozen=True)
class Sum(Motion):
    """Several motions at once: their displacements add up."""

    name: ClassVar[str] = "sum"
    combines: ClassVar[bool] = True
    motions: tuple[Motion, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "motions", tuple(self.motions))
        if not self.motions:
            raise InputError("sum: expected at least one motion, got none")

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
        for motion in self.motions:
            yield from motion.terms()

    @property
    def leaves(self) -> bool:  # type: ignore[override]
        return any(motion.leaves for motion in self.motions)

    def field(self, scene: Scene) -> MotionField:
        return SumField([motion.field(scene) for motion in self.motions])


class Changed(Motion):
    """A motion made of one other, which it changes in some way."""

    motion: Motion

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return self.motion.in_place

    @property
    def leaves(self) -> bool:  # type: ignore[override]
        return self.motion.leaves

    @property
    def file(self) -> Path | None:
        return self.motion.file


@dataclass(frozen=True)
class Scaled(Changed):
    """A motion whose displacements are multiplied by a factor: damped below 1, magnified above."""

    name: ClassVar[str] = "scaled"
    combines: ClassVar[bool] = True
    factor: float
    motion: Motion

    def __post_init__(self) -> None:
        check_range("scaled", "factor", self.factor, -100, 100)

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
        for subject, motion in self.motion.terms():
            yield subject, self if motion is self.motion else Scaled(self.factor, motion)

    def field(self, scene: Scene) -> MotionField:
        return self.motion.field(scene).scaled(self.factor)


@dataclass(frozen=True)
class On(Changed):
    """A motion for one of several layers.

    Args:
        subject: its number, 1 = the first, or its name.
        motion: how it moves.
    """

    name: ClassVar[str] = "on"
    combines: ClassVar[bool] = True
    subject: int | str
    motion: Motion

    def __post_init__(self) -> None:
        named = isinstance(self.subject, str) and NAME.fullmatch(self.subject)
        numbered = isinstance(self.subject, int) and not isinstance(self.subject, bool) and self.subject >= 1
        if not (named or numbered):
            raise InputError(f"on: expected a subject's number from 1 on, or its name, got {self.subject!r}")

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
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
    """Return `points` as a tuple of tuples of `columns` floats in reach of a photo, at least `least` of them.

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
