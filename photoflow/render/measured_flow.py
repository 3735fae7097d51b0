"""Flow blueprint measured as in the paper: optical flow between a picture and its moved copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.device import fast_inference
from photoflow.motion import MotionField


class FlowNetwork(Protocol):
    """Interface of `photoflow.models.raft.RAFT` and networks that are called like it."""

    def __call__(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Measure the flow (B, 2, H, W), pixels, from one picture (B, 3, H, W), RGB in [0, 1], to another."""


class MeasuredField(MotionField):
    """The displacements that a flow network measures between a subject and its copy moved by `exact`.

    Args:
        exact: the planned displacements, on a grid of every `step`th pixel.
        picture: (1, 4, H, W) float32, the subject: RGB premultiplied by alpha, and alpha, in [0, 1].
        move: draws the subject moved by a flow on that grid, (1, 2, h, w); returns a picture like `picture`.
        network: measures the flow.
        step: pixels from one node of the grid to the next.

    Source: "Photo animation by an explicit flow blueprint": RAFT of the photo and its shifted copy gives the flow.
    """

    def __init__(
        self,
        exact: MotionField,
        picture: Tensor,
        move: Callable[[Tensor], Tensor],
        network: FlowNetwork,
        step: int,
    ) -> None:
        self._exact, self._picture, self._move, self._network, self._step = exact, picture, move, network, step
        self._nearest = _nearest(picture[0, 3, ::step, ::step] > 0.5)

    def flow(self, t: float) -> Tensor:
        planned = self._exact.flow(t)
        if not planned.is_cuda and not planned.any():
            return planned
        with torch.inference_mode(), fast_inference(self._picture.device.type):
            measured = self._network(self._picture[:, :3], self._move(planned[None])[:, :3]).float()
        difference = measured[0, :, :: self._step, :: self._step] / self._step - planned
        # Outside the subject nothing can be measured: the correction of the nearest pixel inside is used there.
        found = planned + difference.flatten(1)[:, self._nearest]
        # Nothing is measured while nothing moves; a GPU does not wait to see that.
        return torch.where(planned.any(), found, planned) if planned.is_cuda else found

    def scaled(self, factor: float) -> MotionField:
        return MeasuredField(self._exact.scaled(factor), self._picture, self._move, self._network, self._step)


def _nearest(inside: Tensor) -> Tensor:
    """Return the flat index of the nearest inside node of each node, (h, w); its own index if no node is inside."""
    known = inside.cpu().numpy()
    numbers = np.arange(known.size).reshape(known.shape)
    if known.any():
        kind = cv2.DIST_LABEL_PIXEL
        _, labels = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=kind)
        owner = np.zeros(labels.max() + 1, np.int64)
        owner[labels[known]] = numbers[known]
        numbers = owner[labels]
    return torch.from_numpy(numbers).to(inside.device)
