"""Motion that begins at rest: the first frame is the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photoflow.motion.field import MotionField
from photoflow.motion.parametric import smoothstep

if TYPE_CHECKING:
    from torch import Tensor

SETTLE = 1.0  # seconds in which a motion leaves the photo, and in a loop comes back to it
SHARE = 0.25  # of the clip: the same at most


class RestingField(MotionField):
    """A motion without its displacement at the beginning, which fades in.

        G(t) = F(t) - w(t) F(0)

    with w falling from 1 to 0 within a second, with zero slope at both ends; in a loop it rises again at the end.

    Args:
        field: F.
        seconds: length of the clip.
        loop: whether its end leads into its beginning, as F's does.
    """

    def __init__(self, field: MotionField, seconds: float, loop: bool) -> None:
        self._field, self._seconds, self._loop = field, seconds, loop
        self._first = field.flow(0.0)

    def flow(self, t: float) -> Tensor:
        settle = min(SETTLE, SHARE * self._seconds)
        t = t % self._seconds if self._loop else t
        away = min(t, self._seconds - t) if self._loop else t
        weight = 1 - smoothstep(away / settle)
        flow = self._field.flow(t)
        return flow if weight == 0 else flow - weight * self._first

    def scaled(self, factor: float) -> MotionField:
        return RestingField(self._field.scaled(factor), self._seconds, self._loop)
