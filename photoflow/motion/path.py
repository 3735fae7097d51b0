"""Motion along a drawn path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.motion.field import AffineField, MotionField, affine
from photoflow.motion.motion import Motion, check_points, check_range
from photoflow.motion.parametric import smoothstep
from photoflow.motion.scene import Scene


@dataclass(frozen=True)
class Path(Motion):
    """Moves the subject along a smooth curve through key points.

    The subject starts where it is and moves by `points[i] - points[0]`, so the points may be drawn
    on the photo (the first one anywhere on the subject) or be offsets from (0, 0).

    Args:
        points: (x, y) in pixels of the photo, at least two.
        closed: the curve returns from the last point to the first at a steady pace. An open curve
            is left and reached with eased speed and, in a loop, run back again.
        half: share of the way that is passed after half of the time that one way takes, 0.05 to 0.95: below 0.5 the
            subject starts slowly and hurries in the end.
    """

    name: ClassVar[str] = "path"
    leaves: ClassVar[bool] = True
    points: tuple[tuple[float, ...], ...]
    closed: bool = False
    half: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", check_points(self.name, "points", self.points, 2, 2))
        if not isinstance(self.closed, bool):
            raise InputError(f"path: closed expects true or false, got {shown(self.closed)}")
        check_range(self.name, "half", self.half, 0.05, 0.95)

    def field(self, scene: Scene) -> MotionField:
        offsets = (np.asarray(self.points) - self.points[0]) * scene.scale
        curve = even_pace(catmull_rom(offsets, self.closed))

        def matrix(t: float) -> Array:
            x, y = curve_at(curve, self._along(t / scene.seconds, scene.loop))
            return affine((0, 0), shift=(x, y))

        return AffineField(scene, matrix)

    def _along(self, u: float, loop: bool) -> float:
        """Return the share of the curve that is passed after the share `u` of the clip."""
        if self.closed:
            return self._paced(u % 1.0 if loop else min(max(u, 0.0), 1.0))
        if loop:
            u = 1 - abs(2 * (u % 1.0) - 1)  # there and back
        return self._paced(smoothstep(u))

    def _paced(self, u: float) -> float:
        """Return the share of the way after the share `u` of the time: `half` after half of it.

        Source: the rational bias of C. Schlick, "Fast alternatives to Perlin's bias and gain functions", 1994.
        """
        return u / ((1 / self.half - 2) * (1 - u) + 1)


def catmull_rom(points: Array, closed: bool, samples: int = 64) -> Array:
    """Sample the uniform Catmull-Rom curve through `points`.

    Args:
        points: (N, 2).
        closed: join the last point to the first.
        samples: curve points per segment.

    Returns:
        (segments * samples + 1, 2); the first and the last row are the ends of the curve.

    Source: Catmull & Rom 1974; open ends are continued by reflecting the second point.
    """
    if closed:
        control = np.concatenate([points[-1:], points, points[:2]])
    else:
        control = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    u = (np.arange(samples) / samples)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)
        for a, b, c, d in zip(control, control[1:], control[2:], control[3:], strict=False)
    ]
    return np.concatenate([*pieces, control[-2:-1]])


def even_pace(curve: Array, samples: int = 1024) -> Array:
    """Resample a curve to (samples + 1, 2) points at equal distances along it."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, length[-1], samples + 1)
    return np.stack([np.interp(at, length, curve[:, i]) for i in range(2)], axis=1)


def curve_at(curve: Array, share: float) -> tuple[float, float]:
    """Return the point (x, y) of an evenly sampled curve at `share` in [0, 1] of its length."""
    at, index = share * (len(curve) - 1), np.arange(len(curve))
    return float(np.interp(at, index, curve[:, 0])), float(np.interp(at, index, curve[:, 1]))
