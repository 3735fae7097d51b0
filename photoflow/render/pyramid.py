"""Frames drawn by the pyramid generator, with the pixels in front that move most over the whole clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from photoflow.arrays import Array
from photoflow.models.pyramid import PyramidGenerator
from photoflow.render.generated import GeneratedRenderer
from photoflow.render.renderer import Renderer

MOMENTS = 16  # times of a clip that are sampled: motions of photos are smooth, and more would not change the mean


class PyramidRenderer(GeneratedRenderer):
    """Renderer that draws the moving parts by the pyramid generator.

    Where several pixels arrive, the one with the larger weight wins: W(p) = 1 / T sum_t |F_t(p)|. The weight is the
    same at all times of the clip, so that a branch does not fall behind while it passes through its place of rest.

    Args:
        exact: renderer that provides the flow, and the opacity of the moving parts.
        photo: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1], the moving parts.
        network: the generator, on `device`.
        device: device of the network.
        times: times of the clip's frames, seconds; if there are more than `MOMENTS`, so many evenly spaced ones count.

    Source: "Generative Image Dynamics", section 5.
    """

    def __init__(
        self, exact: Renderer, photo: Array, mask: Array, network: PyramidGenerator, device: str = "cpu", *,
        times: Sequence[float],
    ) -> None:  # fmt: skip
        super().__init__(exact, photo, mask, network, device)
        moments = min(MOMENTS, len(times))
        self._weight = torch.zeros_like(self._mask)
        for number in range(moments):
            flow = exact.flow_planes(times[number * len(times) // moments])[None]
            self._weight += torch.hypot(flow[:, :1], flow[:, 1:]) / moments
