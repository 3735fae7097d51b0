"""DIS, OpenCV's classical optical flow: nothing to train, quick on a CPU, and where learned networks can start."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.models._contract import check_planes, cropped, margins_to, padded

Array = np.ndarray[Any, Any]

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_LEAST, _NARROWEST = 64, 32  # pixels, and times the shorter side: OpenCV reads beyond pictures that are smaller still


class DIS:
    """The optical flow from one image to another, without weights, on the CPU wherever the images are.

    Args:
        preset: "ultrafast", "fast" or "medium".

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016; OpenCV's implementation.
    """

    def __init__(self, preset: str = "medium") -> None:
        self._search = cv2.DISOpticalFlow.create(PRESETS[preset])

    @torch.no_grad()
    def __call__(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Where each pixel of `image1` is in `image2`.

        Args:
            image1: (B, 3, H, W) RGB in [0, 1], any floating-point dtype.
            image2: another of the same shape.

        Returns:
            (B, 2, H, W) float32, pixels, on the images' device. Without gradient.

        Raises:
            ValueError, TypeError: the images have the wrong or different shapes or dtypes.
        """
        check_planes("DIS", "image1", image1, 3)
        check_planes("DIS", "image2", image2, 3, beside=image1)
        margins = margins_to(image1, 1, max(_LEAST, max(image1.shape[2:]) // _NARROWEST))
        pairs = zip(_grey(padded(image1, margins)), _grey(padded(image2, margins)))
        # None: a flow that is handed in would be where the search begins.
        flows = [self._search.calc(one, two, None) for one, two in pairs]  # type: ignore[call-overload]
        planes = torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(image1.device)
        return cropped(planes, margins).contiguous()


def _grey(images: Tensor) -> list[Array]:
    """Each image as bytes (H, W)."""
    rounded = images.float().clamp(0, 1).mul(255).add(0.5).to(torch.uint8)
    pictures = rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in pictures]
