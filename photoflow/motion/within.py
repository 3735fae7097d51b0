"""Motion of a subject's kind within a region that stays in place: leaves that stir, and no hole behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from photoflow.motion.drift import inner_ease
from photoflow.motion.field import InPlaceField, MotionField
from photoflow.motion.looped import looped
from photoflow.motion.motion import Motion
from photoflow.motion.pinned import SLOPE
from photoflow.motion.scene import Scene, moments

if TYPE_CHECKING:
    from torch import Tensor

STEP = 4  # pixels from one node of the displacements to the next: they are smooth
ROUNDS = 4  # of the inversion: displacements here are small and smooth, and each leaves a fraction of the error


class WithinField(InPlaceField):
    """A motion that fades to nothing at the edge of its region, and at the picture's border: nothing is beyond it.

        G(t) = e F(t),    source(q) = -G(q + source(q))

    Args:
        field: F, on a coarse grid, in its pixels.
        ease: e, (h, w) float32 in [0, 1], over that grid.
        size: (H, W) of the region.
    """

    def __init__(self, field: MotionField, ease: Tensor, size: tuple[int, int]) -> None:
        self._field, self._ease, self._size = field, ease, size

    @classmethod
    def of(cls, motion: Motion, scene: Scene) -> WithinField:
        """Return a motion within the mask of a scene."""
        import torch

        height, width = scene.mask.shape
        grid = -(-width // STEP), -(-height // STEP)
        coarse = cv2.resize(scene.mask, grid, interpolation=cv2.INTER_AREA).clip(0, 1)  # sums round beyond 1
        whole = scene.picture or (width, height)
        nodes = Scene(
            coarse, (scene.origin[0] / STEP, scene.origin[1] / STEP), scene.scale / STEP, scene.seconds, scene.loop,
            scene.device, (whole[0] / STEP, whole[1] / STEP),
        )  # fmt: skip
        field = motion.field(nodes)
        field = looped(field, scene.seconds) if scene.loop else field
        reach = max(float(field.flow(float(t)).abs().max()) for t in moments(scene.seconds, 4, 16))
        ease = torch.from_numpy(np.ascontiguousarray(inner_ease(coarse, SLOPE * reach, bordered=True))).to(scene.device)
        return cls(field, ease, (height, width))

    def flow(self, t: float) -> Tensor:
        """Return the displacement (2, H, W) float32, pixels, at time `t`, seconds."""
        return self._dense(self._eased(t))

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        """Return the places in the photo that each pixel shows, as one pass."""
        from photoflow import ops

        flow = self._eased(t)
        source = -flow
        for _ in range(ROUNDS - 1):
            source = -ops.backward_warp(flow, source, padding="border")
        return [(self._dense(source), 1.0)]

    def scaled(self, factor: float) -> MotionField:
        return WithinField(self._field.scaled(factor), self._ease, self._size)

    def _eased(self, t: float) -> Tensor:
        """Return the displacements of the nodes, (1, 2, h, w), in nodes."""
        return (self._field.flow(t) * self._ease)[None]

    def _dense(self, coarse: Tensor) -> Tensor:
        from torch import nn

        height, width = self._size
        size = [STEP * side for side in coarse.shape[2:]]
        dense = nn.functional.interpolate(coarse * STEP, size, mode="bilinear", align_corners=False)
        return dense[0, :, :height, :width]
