"""Frames from the pyramid generator, for which what moves most over the whole clip is in front."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from photoflow.arrays import Array
from photoflow.models.pyramid import PyramidGenerator
from photoflow.render.generated import GeneratedRenderer
from photoflow.render.renderer import Renderer

MOMENTS = 16  # of a clip: more do not change the mean of a motion as smooth as those that photos make


class PyramidRenderer(GeneratedRenderer):
    """Draws what moves by the pyramid generator.

    Where several pixels arrive, the one with the larger weight wins: W(p) = 1 / T sum_t |F_t(p)|. It is the same at
    all times of the clip, so that a branch which passes through its place of rest does not fall behind for a moment.

    Args:
        exact: gives the flow, and the opacity of what moves.
        photo: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1], what moves.
        network: on `device`.
        device: where it runs.
        times: of the clip's frames, seconds; of many, `MOMENTS` that lie evenly among them are looked at.

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
            flow = torch.from_numpy(exact.flow(times[number * len(times) // moments]))[None].to(device)
            self._weight += torch.hypot(flow[:, :1], flow[:, 1:]) / moments
