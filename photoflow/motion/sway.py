"""Natural swaying of a subject that is held at one end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.motion.contact import grounded
from photoflow.motion.field import ModalField, MotionField
from photoflow.motion.motion import Motion, check_range
from photoflow.motion.scene import Scene

SIDES = ("bottom", "top", "left", "right")


@dataclass(frozen=True)
class Sway(Motion):
    """Sways as a plant in the wind: still at its base, more and more towards the tip.

    A bending mode that lags behind towards the tip, a second one at three times its frequency and
    a soft flutter at twice the frequency make up the motion; a gust that swells and fades once in
    the clip modulates it, weakest where the loop closes. It swings about the subject as it is in the photo, as
    far to the one side as to the other. What is held at its bottom keeps its contacts with the ground
    (`photoflow.motion.contact`).

    Args:
        strength: 0 to 2; at 1 the tip moves by 10 to 12 % of the subject's length to either side.
        period: seconds of the slowest mode; in a loop, the nearest that divides it.
        base: the side of the subject that holds still: "bottom", "top", "left" or "right".

    Source: the modes are those of a cantilever beam (Euler-Bernoulli); their falling amplitude
        follows Generative Image Dynamics (Li et al. 2024), sec. 4.1, where power falls with frequency.
    """

    name: ClassVar[str] = "sway"
    strength: float = 0.3
    period: float = 2.0
    base: str = "bottom"

    def __post_init__(self) -> None:
        check_range(self.name, "strength", self.strength, 0, 2)
        check_range(self.name, "period", self.period, 0.05, 600)
        if not isinstance(self.base, str) or self.base not in SIDES:
            raise InputError(f"sway: base expects one of {', '.join(SIDES)}, got {shown(self.base)}")

    def field(self, scene: Scene) -> MotionField:
        height, length = height_above_base(scene, self.base)
        amounts = mode_amounts(scene, self.period)
        reach = REACH * self.strength * length / tip_peak(amounts, scene, self.period)
        shapes = mode_shapes(height, reach, length)
        if self.base in ("left", "right"):  # bending happens across the stem
            shapes = shapes[:, ::-1]
        if self.base in ("top", "left"):  # foreshortening pulls towards the base
            shapes[1:2] = -shapes[1:2]
        field = ModalField(shapes, amounts, scene.device)
        return grounded(field, scene) if self.base == "bottom" else field


REACH = 0.11  # of the length, by which the tip bends at strength 1: flutter adds up to a hundredth
LAG = 0.3  # radians by which the tip lags behind the base


def height_above_base(scene: Scene, base: str) -> tuple[Array, float]:
    """Measure the distance from the held side in lengths of the subject, and this length.

    Returns:
        (h, w) float32 in [0, 1.2], and the length in pixels.
    """
    left, top, right, bottom = scene.box
    x, y = scene.grid
    along = {"bottom": bottom - y, "top": y - top, "left": x - left, "right": right - x}[base]
    length = (bottom - top if base in ("bottom", "top") else right - left) + 1
    height = np.clip(along / np.float32(length), 0, 1.2)
    return np.broadcast_to(height, scene.mask.shape).astype(np.float32), length


def mode_shapes(height: Array, reach: float, length: float) -> Array:
    """Return the mode shapes of a subject held at the bottom, (6, 2, h, w) float32, pixels.

    0: bending; 1: the foreshortening that it causes; 2: bending a quarter of a period later, which
    together with 0 makes the lag; 3: second bending mode; 4, 5: flutter.
    """
    zero = np.zeros_like(height)
    bend = reach * first_mode(height)
    # A bent beam keeps its length: its tip comes down by the integral of half its squared slope,
    # 2/3 of the squared deflection over the length for a parabola.
    shorten = np.float32(2 / 3) * bend**2 / np.float32(length) * np.minimum(height, 1)
    flutter = 0.04 * reach * height * smooth_noise(height.shape, cell=max(8.0, 0.22 * length))
    return np.stack(
        [
            np.stack([bend * np.cos(LAG * height), zero]),
            np.stack([zero, shorten]),
            np.stack([-bend * np.sin(LAG * height), zero]),
            np.stack([0.10 * reach * second_mode(height), zero]),
            flutter[0:2],
            flutter[2:4],
        ]
    ).astype(np.float32)


def first_mode(u: Array) -> Array:
    """Return the first bending mode of a cantilever, about u^2 (3 - u) / 2: 1 at the tip, flat at the base."""
    return np.asarray(u * u * (3 - u) / 2)


def second_mode(u: Array) -> Array:
    """Return the second bending mode of a cantilever: 1 at the tip, with a node at 0.78 of the length."""
    k = 4.694
    ratio = (math.sinh(k) - math.sin(k)) / (math.cosh(k) + math.cos(k))
    v = k * np.minimum(u, 1)
    mode = np.cosh(v) - np.cos(v) - ratio * (np.sinh(v) - np.sin(v))
    return np.asarray(mode / -2.0, dtype=np.float32)


def mode_amounts(scene: Scene, period: float) -> Callable[[float], tuple[float, ...]]:
    """Return a function t -> amounts of the six shapes.

    All are 0 at t = 0, so the clip begins with the photo; over a loop those that bend have a mean of 0. What lags
    fades in and out with the gust; in a loop of a single swing it would lean to one side, and nothing lags.
    """
    phase, cycles = scene.phase(period), scene.cycles(period)
    lags = cycles > 1
    shift = LAG / cycles if lags else 0.0  # the gust lags as the tip does, or the tip would go farther to one side

    def amounts(t: float) -> tuple[float, ...]:
        a, turn = phase(t), 2 * math.pi * t / scene.seconds
        gust, late = 1 - 0.3 * math.cos(turn - shift), (0.5 - 0.5 * math.cos(turn)) * lags
        swing = gust * math.sin(a)
        return (swing, swing * swing, late * math.cos(a), gust * math.sin(3 * a), gust * math.sin(2 * a),
                late * math.cos(2 * a))  # fmt: skip

    return amounts


def tip_peak(amounts: Callable[[float], tuple[float, ...]], scene: Scene, period: float) -> float:
    """Return how far the tip bends at most in the clip, for a reach of 1."""
    times = np.linspace(0, scene.seconds, max(2, math.ceil(32 * scene.cycles(period))))
    swing, _, late, second, *_ = np.array([amounts(float(t)) for t in times]).T
    return float(np.abs(swing * math.cos(LAG) - late * math.sin(LAG) + 0.10 * second).max())


def smooth_noise(shape: tuple[int, ...], cell: float) -> Array:
    """Draw four smooth random maps, (4, h, w) float32 with values about -1 to 1, features `cell` pixels apart."""
    height, width = shape
    coarse = (max(2, round(height / cell) + 2), max(2, round(width / cell) + 2))
    draw = np.random.Generator(np.random.PCG64(7))
    maps = draw.uniform(-1, 1, (4, *coarse)).astype(np.float32)
    return np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_CUBIC) for m in maps])
