"""DIS, OpenCV's classical optical flow: nothing to train, quick on a CPU, and a start for learned networks."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.ops import backward_warp

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_REFINEMENTS = 10  # the presets have 5: with 10 refined DIS errs less, with 20 no less than with 10
_APART = 3.0  # pixels; less is mostly imprecision, where the background would be farther off
_LEAST, _NARROWEST = 64, 32  # pixels, and times the shorter side: OpenCV reads beyond pictures that are smaller still


class DIS:
    """The optical flow from one image to another, without weights, on the CPU wherever the images are.

    Args:
        preset: "ultrafast", "fast" or "medium".
        whole: refine at full resolution, and longer; the presets end at half of it, whose flow is smoother.

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016; OpenCV's implementation.
    """

    def __init__(self, preset: str = "medium", *, whole: bool = False) -> None:
        self._search = cv2.DISOpticalFlow.create(PRESETS[preset])
        if whole:
            self._search.setFinestScale(0)
            self._search.setVariationalRefinementIterations(_REFINEMENTS)

    @torch.no_grad()
    def __call__(self, image1: Tensor, image2: Tensor, start: Tensor | None = None) -> Tensor:
        """Measure the flow from `image1` to `image2`: the displacement of each pixel.

        Args:
            image1: (B, 3, H, W) RGB in [0, 1], any floating-point dtype.
            image2: another of the same shape.
            start: the flow that the search begins with, (B, 2, H, W), pixels; None: no motion.

        Returns:
            (B, 2, H, W) float32, pixels, on the images' device. Without gradient.

        Raises:
            ValueError, TypeError: the images or the start have the wrong or different shapes or dtypes.
        """
        check_planes("DIS", "image1", image1, 3)
        check_planes("DIS", "image2", image2, 3, beside=image1)
        if start is not None:
            check_planes("DIS", "start", start, 2, beside=image1)
        margins = margins_to(image1, 1, max(_LEAST, max(image1.shape[2:]) // _NARROWEST))
        pairs = zip(grey(padded(image1, margins)), grey(padded(image2, margins)))
        guesses = [None] * len(image1) if start is None else _fields(padded(start.float(), margins))
        flows = [self._search.calc(one, two, guess) for (one, two), guess in zip(pairs, guesses)]  # type: ignore[arg-type]
        planes = torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(image1.device)
        return cropped(planes, margins).contiguous()


def consistent(forth: Tensor, back: Tensor) -> Tensor:
    """Check at each pixel that a flow stays in the picture and that the flow back returns to the pixel.

    Args:
        forth: (B, 2, H, W), pixels.
        back: the flow of the other image back to this one, the same.

    Returns:
        (B, 1, H, W) bool.
    """
    apart = (forth + backward_warp(back, forth, padding="border")).norm(dim=1, keepdim=True)
    inside = backward_warp(torch.ones_like(forth[:, :1]), forth) > 0
    kept: Tensor = inside & (apart <= _APART)
    return kept


def _fields(flows: Tensor) -> list[Array]:
    """Convert each flow to OpenCV's layout, (H, W, 2), in memory of its own: it is written over."""
    return [np.array(flow, order="C") for flow in flows.permute(0, 2, 3, 1).cpu().numpy()]


def grey(images: Tensor) -> list[Array]:
    """Convert each image of (B, 3, H, W), RGB in [0, 1], to grey in OpenCV's layout: bytes (H, W)."""
    rounded = images.float().clamp(0, 1).mul(255).add(0.5).to(torch.uint8)
    pictures = rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in pictures]
