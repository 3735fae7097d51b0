"""Motions of the whole subject, described by a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.motion.contact import grounded
from photoflow.motion.field import AffineField, MotionField, affine
from photoflow.motion.motion import Motion, check_points, check_range
from photoflow.motion.scene import Scene

PLACES = ("top", "bottom", "left", "right", "centre")


def smoothstep(u: float) -> float:
    """Return a value that rises from 0 to 1 for u from 0 to 1, with zero slope at both ends; constant outside."""
    u = min(max(u, 0.0), 1.0)
    return u * u * (3 - 2 * u)


def there_and_back(u: float) -> float:
    """Return 0 at whole numbers and 1 halfway between, with zero slope at both."""
    return 0.5 - 0.5 * math.cos(2 * math.pi * u)


def check_place(motion: str, name: str, place: object) -> str | tuple[float, float]:
    """Check that a place is the name of a side of the subject or a point (x, y) of the photo, in pixels.

    Returns:
        The name, or the point as two floats.

    Raises:
        InputError: it is neither.
    """
    if isinstance(place, str) and place in PLACES:
        return place
    if isinstance(place, Sequence) and not isinstance(place, str):
        x, y = check_points(motion, name, [place], 2, 1)[0]
        return x, y
    raise InputError(f"{motion}: {name} expects one of {', '.join(PLACES)} or a point x,y; got {shown(place)}")


def locate_place(scene: Scene, place: str | tuple[float, float]) -> tuple[float, float]:
    """Return the position (x, y) of a place accepted by `check_place`, in pixels of the region."""
    if not isinstance(place, str):
        return scene.locate(*place)
    left, top, right, bottom = scene.box
    x = {"left": left, "right": right}.get(place, (left + right) / 2)
    y = {"top": top, "bottom": bottom}.get(place, (top + bottom) / 2)
    return x, y


@dataclass(frozen=True)
class Translate(Motion):
    """Moves the subject by (dx, dy) and, in a loop, back again, easing in and out.

    Args:
        dx: pixels of the photo to the right.
        dy: pixels of the photo downwards.
    """

    name: ClassVar[str] = "translate"
    leaves: ClassVar[bool] = True
    dx: float = 40.0
    dy: float = 0.0

    def __post_init__(self) -> None:
        check_range(self.name, "dx", self.dx, -1e5, 1e5)
        check_range(self.name, "dy", self.dy, -1e5, 1e5)

    def field(self, scene: Scene) -> MotionField:
        dx, dy, ease = self.dx * scene.scale, self.dy * scene.scale, there_and_back if scene.loop else smoothstep

        def matrix(t: float) -> Array:
            part = ease(t / scene.seconds)
            return affine((0, 0), shift=(part * dx, part * dy))

        return AffineField(scene, matrix)


@dataclass(frozen=True)
class Bounce(Motion):
    """Hops: a squash on the ground, then a flight on a parabola, slightly stretched.

    Args:
        height: height of a hop, in heights of the subject, 0 to 2.
        period: seconds from one landing to the next; in a loop, the nearest that divides it.
        squash: share of its height that the subject loses on the ground, 0 to 0.5.
    """

    name: ClassVar[str] = "bounce"
    height: float = 0.15
    period: float = 1.0
    squash: float = 0.06

    GROUND: ClassVar[float] = 0.3  # share of a period spent on the ground

    def __post_init__(self) -> None:
        check_range(self.name, "height", self.height, 0, 2)
        check_range(self.name, "period", self.period, 0.05, 600)
        check_range(self.name, "squash", self.squash, 0, 0.5)

    def field(self, scene: Scene) -> MotionField:
        _, top, _, bottom = scene.box
        foot, hop = locate_place(scene, "bottom"), self.height * (bottom - top + 1)
        cycles = scene.cycles(self.period)

        def matrix(t: float) -> Array:
            u = (t / scene.seconds * cycles) % 1.0
            if u < self.GROUND:
                stretch, up = -self.squash * there_and_back(u / self.GROUND), 0.0
            else:
                v = (u - self.GROUND) / (1 - self.GROUND)
                # The subject is stretched while it is fast, that is after the start and before the landing.
                stretch, up = 0.5 * self.squash * there_and_back(2 * v), 4 * v * (1 - v) * hop
            return affine(foot, scale=(1 - 0.5 * stretch, 1 + stretch), shift=(0, -up))

        return AffineField(scene, matrix)


@dataclass(frozen=True)
class Float(Motion):
    """Hovers: up and down, a little sideways, with a slight roll.

    Args:
        strength: 0 to 2; at 1 it rises by 8 % of the subject's size.
        period: seconds; in a loop, the nearest that divides it.
    """

    name: ClassVar[str] = "float"
    strength: float = 0.5
    period: float = 4.0

    def __post_init__(self) -> None:
        check_range(self.name, "strength", self.strength, 0, 2)
        check_range(self.name, "period", self.period, 0.05, 600)

    def field(self, scene: Scene) -> MotionField:
        rise, centre = 0.08 * self.strength * scene.extent, locate_place(scene, "centre")
        phase = scene.phase(self.period)

        def matrix(t: float) -> Array:
            a = phase(t)
            roll = math.radians(2.0) * self.strength * math.sin(a)
            return affine(centre, angle=roll, shift=(0.35 * rise * math.sin(2 * a), -rise * math.sin(a)))

        return AffineField(scene, matrix)


@dataclass(frozen=True)
class Swing(Motion):
    """Swings about a pivot, as a pendulum does.

    Args:
        angle: largest deflection to either side, degrees, -90 to 90; positive starts clockwise.
        pivot: "top", "bottom", "left", "right", "centre" of the subject, or (x, y) in pixels of the photo.
        period: seconds; in a loop, the nearest that divides it.
    """

    name: ClassVar[str] = "swing"
    angle: float = 6.0
    pivot: str | tuple[float, float] = "top"
    period: float = 2.0

    def __post_init__(self) -> None:
        check_range(self.name, "angle", self.angle, -90, 90)
        check_range(self.name, "period", self.period, 0.05, 600)
        object.__setattr__(self, "pivot", check_place(self.name, "pivot", self.pivot))

    def field(self, scene: Scene) -> MotionField:
        pivot, phase, largest = locate_place(scene, self.pivot), scene.phase(self.period), math.radians(self.angle)
        return AffineField(scene, lambda t: affine(pivot, angle=largest * math.sin(phase(t))))


@dataclass(frozen=True)
class Breathe(Motion):
    """Swells and shrinks a little about its foot, as a chest does.

    What stands on the ground keeps its contacts with it (`photoflow.motion.contact`).

    Args:
        strength: 0 to 2; at 1 the subject grows by 4 % in height and 3 % in width.
        period: seconds from breath to breath; in a loop, the nearest that divides it.
    """

    name: ClassVar[str] = "breathe"
    strength: float = 0.4
    period: float = 4.0

    def __post_init__(self) -> None:
        check_range(self.name, "strength", self.strength, 0, 2)
        check_range(self.name, "period", self.period, 0.05, 600)

    def field(self, scene: Scene) -> MotionField:
        foot, phase = locate_place(scene, "bottom"), scene.phase(self.period)

        def matrix(t: float) -> Array:
            full = self.strength * (0.5 - 0.5 * math.cos(phase(t)))
            return affine(foot, scale=(1 + 0.03 * full, 1 + 0.04 * full))

        return grounded(AffineField(scene, matrix), scene)
