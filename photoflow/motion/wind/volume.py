"""Natural motion in the wind as a spectral volume, made from a subject's shape alone."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.spectral import FREQUENCIES, SpectralVolume
from photoflow.motion.wind.oscillators import STEEPEST, Oscillators
from photoflow.motion.wind.presets import PRESETS, Mode, Preset
from photoflow.motion.wind.subject_shape import subject_shape
from photoflow.motion.wind.turbulence import Turbulence

__all__ = ["PRESETS", "STEEPEST", "Mode", "Preset", "wind_volume"]


def wind_volume(
    mask: Array,
    kind: str,
    *,
    seconds: float,
    strength: float = 1.0,
    wind: float = 0.5,
    direction: float = 0.0,
    gustiness: float = 0.5,
    seed: int = 0,
    count: int = FREQUENCIES,
) -> SpectralVolume:
    """Synthesise the motion of a subject in the wind from its shape alone.

    Paths run from the anchors of the subject to its free ends. The wind bends them: every place adds a little
    curvature, curvatures add up to rotations and rotations to displacements. So the subject is not stretched like
    rubber, and twigs follow the branch that they sit on. Curvatures are the responses w0^2 / (w0^2 - w^2 + 2 i zeta
    w0 w) of damped oscillators to a wind that travels over the subject and whose power falls with frequency.

    Args:
        mask: (h, w) float32 in [0, 1], the subject.
        kind: a name in `PRESETS`.
        seconds: 0.01 to 86400, after which the motion repeats. Frequencies go up to (count - 1) / seconds hertz;
            faster motion is left out.
        strength: 0 to 4: factor of the displacements.
        wind: 0 (still air: no motion) to 1 (strong): more wind gives larger and, depending on the preset, faster
            motion.
        direction: degrees, -360 to 360, in which the wind blows: 0 = right, 90 = down.
        gustiness: 0 to 1: how much the motion swells and calms down.
        seed: at least 0; another seed gives another motion of the same kind.
        count: number K of frequencies, 2 to 256.

    Returns:
        Displacements in pixels at the mask's pixels, continued smoothly beyond the subject. A mask of another
        resolution gives the same motion, scaled. Before they are interpolated, displacements differ by at most
        `STEEPEST` cells from one cell of the subject's own grid to the next.

    Raises:
        InputError: the mask has no area, the kind is unknown, or a value is out of its range.

    Source: damped modes in a wind with a falling spectrum: Generative Image Dynamics (Li et al. 2024), sections 2
        and 4.1, and the modal synthesis of trees in wind it builds on (J. Stam, "Stochastic Dynamics", 1997).
    """
    preset = _preset(kind)
    _check("strength", strength, 4)
    _check("wind", wind, 1)
    _check("direction", direction, 360, low=-360)
    _check("gustiness", gustiness, 1)
    _check("seed", seed, 2**63, whole=True)
    _check("count", count, 256, low=2, whole=True)
    _check("seconds", seconds, 86400, low=0.01)
    turn = math.radians(direction)
    along = (round(math.cos(turn), 12), round(math.sin(turn), 12))
    build = subject_shape(mask, preset.hold, (-along[0], -along[1]), preset.least)
    size = (np.shape(mask)[0], np.shape(mask)[1])
    if wind * strength == 0:
        return SpectralVolume(np.zeros((count, 2, *size), np.complex64), seconds)
    air = Turbulence(float(seconds), wind, along, gustiness, int(count), int(seed))
    cells = Oscillators(build, preset, air).coefficients(strength)
    return SpectralVolume(build.onto(cells * np.reshape(build.cell, (2, 1, 1)), size), seconds)


def _preset(kind: str) -> Preset:
    if kind not in PRESETS:
        raise InputError(f"wind: expected a kind of subject of {', '.join(PRESETS)}, got {kind!r}")
    return PRESETS[kind]


def _check(name: str, value: Any, high: int, low: float = 0, whole: bool = False) -> None:
    """Raise an InputError unless a value is a number, or a whole one, in [low, high]."""
    # NaN fails the comparison too.
    if not isinstance(value, Integral if whole else Real) or not low <= float(value) <= high:
        kind = "whole number" if whole else "number"
        raise InputError(f"wind: {name} expects a {kind} from {low} to {high}, got {value!r}")
