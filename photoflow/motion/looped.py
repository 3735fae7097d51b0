"""Loops of motion that does not close: its end is faded, in motion and not in pixels, into what leads back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.field import MotionField
from photoflow.motion.parametric import smoothstep

if TYPE_CHECKING:
    from torch import Tensor

FADE = 0.25  # share of the clip in which its end is faded
SEAM = 2.5  # times the largest other step: published loops have up to 2.1 times, and sixteen frequencies even that out
EXACT = 0.01  # pixels: nobody sees it, and float32 errs less


class LoopedField(MotionField):
    """A motion whose end leads into its beginning, in place and in speed.

        G(t) = (1 - w(t)) F(t) + w(t) F(t - T)

    with w rising from 0 to 1, without slope at either end, over the last part of the loop: at its end the motion is
    the one that led to the beginning, so that nothing jumps there and no picture is mixed with another.

    Args:
        field: F, over any time, also before 0.
        seconds: T, the length of the loop.
        fade: the share of it that is faded.
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
    """The field itself where it repeats after `seconds`, else a `LoopedField` of it.

    Whether it does is seen around the place where the loop closes: where the motion begins anew, it has to be where
    it was, a moment later and a moment before too, or its speed jumps.
    """
    moment = seconds / 256
    for t in (-moment, 0.0, moment):
        if float((field.flow(seconds + t) - field.flow(t)).abs().max()) > EXACT:
            return LoopedField(field, seconds)
    return field


def closes(trajectories: Array) -> bool:
    """Whether the end of measured trajectories (T, 2, H, W) leads into their beginning.

    Their last step, to the first frame, may be up to `SEAM` times the largest other one: steps are measured, and
    published loops do not close exactly.
    """
    from photoflow.metrics import motion_steps, seam

    return len(trajectories) > 2 and seam(motion_steps(trajectories)) <= SEAM


def with_closed_end(trajectories: Array, fade: float = FADE) -> Array:
    """Measured trajectories whose end leads into their beginning.

    What was before the beginning was not seen: the beginning is turned about itself, F(-t) = -F(t), which goes on in
    place and in speed. Into that the last part is faded, as in `LoopedField`. (Mirrored, F(-t) = F(t), or with the
    gap between both ends taken off, real motion has a kink where it closes.)

    Args:
        trajectories: (T, 2, H, W) float32; the first are 0.
        fade: the share of the record that is faded.

    Returns:
        Others of the same shape; what is not faded is the same.
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
