"""Motion within a region that stays where it is, seen from the place where something arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.drift import inner_ease
from photoflow.motion.field import MotionField

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 4  # of the inversion: displacements here are small and smooth, and each step leaves a quarter of the error


class InPlaceField(MotionField):
    """A motion that fades to nothing at the edge of its region, and leaves no hole there.

        G(t) = e F(t),    source(q) = -G(q + source(q))

    Args:
        field: F.
        ease: e, (h, w) float32 in [0, 1], over the same region; see `photoflow.motion.drift.inner_ease`.
    """

    def __init__(self, field: MotionField, ease: Tensor) -> None:
        self._field, self._ease = field, ease

    @classmethod
    def within(cls, field: MotionField, mask: Array, device: str) -> InPlaceField:
        """Return the motion within a mask, (h, w) float32 in [0, 1]."""
        import torch

        return cls(field, torch.from_numpy(np.ascontiguousarray(inner_ease(mask))).to(device))

    def flow(self, t: float) -> Tensor:
        return self._field.flow(t) * self._ease

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        """Return the place in the photo that each pixel shows at time `t`, seconds.

        Returns:
            One pass as (flow, weight): pixel q shows the photo at q + flow[q], flow (2, h, w) in pixels.
        """
        from photoflow import ops

        flow = self.flow(t)[None]
        source = -flow
        for _ in range(STEPS - 1):
            source = -ops.backward_warp(flow, source, padding="border")
        return [(source[0], 1.0)]

    def scaled(self, factor: float) -> MotionField:
        return InPlaceField(self._field.scaled(factor), self._ease)
