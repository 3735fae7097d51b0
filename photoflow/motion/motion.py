"""Motions: descriptions of how a subject moves, free of any photo."""

from __future__ import annotations

import dataclasses
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any, ClassVar

from photoflow.errors import InputError, shown
from photoflow.io.atomic import write_bytes
from photoflow.motion.field import DrawnField, DrawnSum, MotionField, SumField
from photoflow.motion.scene import Scene

VERSION = 1  # of motion files
NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)  # what layers may be called
FARTHEST = 1e5  # pixels: no photo is so large, and float32 still tells its pixels' sixty-fourths
MOST_PARTS = 1000  # motions in one, those that combine others included
DEEPEST = 32  # motions in each other
MOST_POINTS = 10_000  # more than a hand draws in minutes
LAST_SUBJECT = 10**9  # number of a layer

KINDS: dict[str, type[Motion]] = {}  # every kind of motion by its name, as classes are defined


@dataclass(frozen=True)
class Motion(ABC):
    """A description of how a subject moves, free of any photo; immutable.

    Motions add (`a + b`), scale (`0.5 * a`), act on one of several subjects (`a.on(2)`), and are
    saved and loaded as small JSON files (`save`, `load`).
    """

    name: ClassVar[str]
    combines: ClassVar[bool] = False  # made of other motions, and so none that a person asks for by its name
    spoken: ClassVar[bool] = True  # False for one that only a motion file can hold: nobody types its numbers
    # True for a motion whose material flows inside a region that stays where it is (water, clouds).
    in_place: ClassVar[bool] = False
    # True where the picture's border does not hold the subject: it goes away as a whole, or a hand pulls it.
    leaves: ClassVar[bool] = False
    # True for a motion of what is inside a thing (a face), which the thing carries along when it moves; a `DrawnField`.
    inside: ClassVar[bool] = False
    # True for a motion of the camera, which acts on the whole picture and on no layer.
    views: ClassVar[bool] = False

    @property
    def everywhere(self) -> bool:
        """Return whether it is of the whole picture where nobody says a layer."""
        return self.in_place

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
        return Sum((*summands(self), *summands(other))) if isinstance(other, Motion) else NotImplemented

    def __mul__(self, factor: float) -> Motion:
        return Scaled(factor, self) if isinstance(factor, (int, float)) else NotImplemented

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
        object.__setattr__(self, "motions", tuple(islice(self.motions, MOST_PARTS + 1)))
        if not self.motions:
            raise InputError("sum: expected at least one motion, got none")
        _check_inner(self)

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
        for motion in self.motions:
            yield from motion.terms()

    @property
    def leaves(self) -> bool:  # type: ignore[override]
        return any(motion.leaves for motion in self.motions)

    @property
    def inside(self) -> bool:  # type: ignore[override]
        return all(motion.inside for motion in self.motions)

    def field(self, scene: Scene) -> MotionField:
        fields = [motion.field(scene) for motion in self.motions]
        drawn = [field for field in fields if isinstance(field, DrawnField)]
        return SumField(fields) if len(drawn) < len(fields) else DrawnSum(drawn)


class Changed(Motion):
    """A motion made of one other, which it changes in some way."""

    motion: Motion

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return self.motion.in_place

    @property
    def everywhere(self) -> bool:
        return self.motion.everywhere

    @property
    def inside(self) -> bool:  # type: ignore[override]
        return self.motion.inside

    @property
    def leaves(self) -> bool:  # type: ignore[override]
        return self.motion.leaves

    @property
    def views(self) -> bool:  # type: ignore[override]
        return self.motion.views

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
        object.__setattr__(self, "factor", float(self.factor))
        _check_inner(self)

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
        number = isinstance(self.subject, int) and not isinstance(self.subject, bool)
        if not (named or (number and 1 <= int(self.subject) <= LAST_SUBJECT)):
            raise InputError(f"on: expected a subject's number from 1 on, or its name, got {shown(self.subject)}")
        _check_inner(self)

    def terms(self) -> Iterator[tuple[int | str | None, Motion]]:
        for _, motion in self.motion.terms():
            yield self.subject, motion

    def field(self, scene: Scene) -> MotionField:
        return self.motion.field(scene)


def divided(motion: Motion) -> tuple[Motion, list[Motion]]:
    """Return how a thing moves as a whole, nothing where it does not, and what moves inside it."""
    parts = summands(motion)
    others = tuple(part for part in parts if not part.inside)
    if len(others) == len(parts):
        return motion, []
    return Scaled(0.0, parts[0]) if not others else total(others), [part for part in parts if part.inside]


def total(motions: Sequence[Motion]) -> Motion:
    """Return the sum of at least one motion; a single one as it is."""
    return reduce(add, motions)


def check_range(motion: str, name: str, value: float, low: float, high: float) -> None:
    """Raise an InputError unless `value` is a number in [low, high]."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # NaN fails the comparison too
        raise InputError(f"{motion}: {name} expects a number from {low:g} to {high:g}, got {shown(value)}")


def check_points(motion: str, name: str, points: Any, columns: int, least: int) -> tuple[tuple[float, ...], ...]:
    """Return `points` as a tuple of tuples of `columns` floats in reach of a photo, `least` to `MOST_POINTS` of them.

    Raises:
        InputError: they are not.
    """
    try:
        # One more than there may be of each, so that no endless list is gone through.
        rows = tuple(numbers(row, columns) for row in islice(points, MOST_POINTS + 1))
    except TypeError:
        rows = (None,)
    if len(rows) > MOST_POINTS:
        raise InputError(f"{motion}: {name} expects at most {MOST_POINTS} groups of {columns} numbers, got more")
    good = tuple(row for row in rows if row is not None)
    if len(good) < len(rows) or len(rows) < least:
        raise InputError(
            f"{motion}: {name} expects at least {least} group(s) of {columns} numbers from {-FARTHEST:g} to "
            f"{FARTHEST:g}, got {shown(points)}"
        )
    return good


def numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """Return exactly `count` numbers in reach of a photo as floats; None if `values` are anything else."""
    if isinstance(values, (str, bytes)):  # their characters may be digits
        return None
    try:
        given = tuple(islice(values, count + 1))
        found = tuple(float(v) for v in given if not isinstance(v, (str, bytes, bool)))
    except (TypeError, ValueError, OverflowError):
        return None
    right = len(given) == len(found) == count and all(abs(v) <= FARTHEST for v in found)  # NaN fails it too
    return found if right else None


def check_nesting(whole: Any, inner: Callable[[Any], Sequence[Any]]) -> None:
    """Check that a motion has at most `MOST_PARTS` parts, at most `DEEPEST` deep, before anything goes through it.

    Args:
        whole: the motion, or its description.
        inner: returns the parts directly in one.

    Raises:
        InputError: it has more of them, or is deeper.
    """
    level, count = [whole], 0
    for _ in range(DEEPEST):
        count += len(level)
        if count > MOST_PARTS:
            raise InputError(f"motion: expected at most {MOST_PARTS} parts, got more")
        level = [part for one in level for part in islice(inner(one), MOST_PARTS + 1)]
        if not level:
            return
    raise InputError(f"motion: expected motions at most {DEEPEST} deep in each other, got more")


def _check_inner(motion: Motion) -> None:
    for part in _inner(motion):
        if not isinstance(part, Motion):
            raise InputError(f"{motion.name}: expected a motion, got {shown(part)}")
    check_nesting(motion, _inner)


def _inner(motion: Any) -> tuple[Motion, ...]:
    """Return the motions that a motion directly combines."""
    if isinstance(motion, Sum):
        return motion.motions
    return (motion.motion,) if isinstance(motion, Changed) else ()


def summands(motion: Motion) -> tuple[Motion, ...]:
    """Return the motions that `+` adds: those of a sum are not put into a sum once more, or long ones would be deep."""
    return motion.motions if isinstance(motion, Sum) else (motion,)


def _plain(value: Any) -> Any:
    if isinstance(value, Motion):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
