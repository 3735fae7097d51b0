"""Loops from motion that does not close: the end of the motion, not of the pixels, is faded into its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.field import MotionField
from photoflow.motion.parametric import smoothstep

if TYPE_CHECKING:
    from torch import Tensor

FADE = 0.25  # share of the clip over which its end is faded
SEAM = 2.5  # times the largest other step: published loops have up to 2.1, and sixteen frequencies smooth that out
EXACT = 0.01  # pixels: invisible, and more than the rounding errors of float32


class LoopedField(MotionField):
    """A motion whose end leads into its beginning, without a jump in position or velocity.

        G(t) = (1 - w(t)) F(t) + w(t) F(t - T)

    with w rising from 0 to 1, with zero slope at both ends, over the last part of the loop. At the end of the loop the
    motion is the one that leads to the beginning. Only motions are blended, never pictures.

    Args:
        field: the motion F, defined at any time, also before 0.
        seconds: T, the length of the loop.
        fade: share of the loop over which the motion is faded.
    """

    def __init__(self, field: MotionField, seconds: float, fade: float = FADE) -> None:
        self._field, self._seconds, self._fade = field, seconds, fade

    def flow(self, t: float) -> Tensor:
        t %= self._seconds
        weight = _weight(t / self._seconds, self._fade)
        flow = self._field.flow(t)
        return flow if weight == 0 else flow.lerp(self._field.flow(t - self._seconds), weight)

    def scaled(self, factor: float) -> MotionField:
        return LoopedField(self._field.scaled(factor), self._seconds, self._fade)


def looped(field: MotionField, seconds: float) -> MotionField:
    """Return the field itself if it repeats after `seconds`, else a `LoopedField` of it.

    The field is compared with itself `seconds` later at time 0, a moment before and a moment after: if only the
    positions at time 0 were equal, the velocity could still jump.
    """
    moment = seconds / 256
    for t in (-moment, 0.0, moment):
        if float((field.flow(seconds + t) - field.flow(t)).abs().max()) > EXACT:
            return LoopedField(field, seconds)
    return field


def closes(trajectories: Array) -> bool:
    """Return whether the end of measured trajectories (T, 2, H, W) leads into their beginning.

    The last step, back to the first frame, may be up to `SEAM` times the largest other step: measurements have errors,
    and published loops do not close exactly.
    """
    from photoflow.metrics import motion_steps, seam

    return len(trajectories) > 2 and seam(motion_steps(trajectories)) <= SEAM


def with_closed_end(trajectories: Array, fade: float = FADE) -> Array:
    """Fade the end of measured trajectories into their beginning.

    The motion before the first frame is unknown. It is continued by point reflection, F(-t) = -F(t), which keeps
    position and velocity continuous, and the last part is faded into it as in `LoopedField`. (Mirroring, F(-t) = F(t),
    or subtracting the gap between both ends leaves a visible kink in real motion.)

    Args:
        trajectories: (T, 2, H, W) float32, pixels; those of the first frame are 0.
        fade: share of the record over which the motion is faded.

    Returns:
        A copy of the same shape, changed only in the faded part.
    """
    count = len(trajectories)
    closed: Array = trajectories.copy()
    for number in range(count):
        weight = np.float32(_weight(number / count, fade))
        if weight:
            closed[number] = (1 - weight) * trajectories[number] - weight * trajectories[count - number]
    return closed


def _weight(share: float, fade: float) -> float:
    return smoothstep((share - (1 - fade)) / fade)
