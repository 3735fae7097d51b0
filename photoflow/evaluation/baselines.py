"""Simple baselines that networks are compared with."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.evaluation.pictures import as_bytes, as_planes
from photoflow.render.generated import thrown

FlowMethod = Callable[[Tensor, Tensor], Tensor]

_FARNEBACK = (0.5, 5, 21, 5, 7, 1.5)  # scale of the pyramid, levels, window, iterations, polynomial's side and sigma
_FILLED_WITHIN = 3  # pixels from which Telea's method takes a colour


def inverse(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Approximate the inverse of a flow by splatting the flow along itself, larger motion in front.

    Args:
        flow: (B, 2, H, W) from image 1 to image 2, pixels.

    Returns:
        The flow from image 2 to image 1, and (B, 1, H, W), 1 where nothing arrived; there the inverse is minus the flow
        at the same pixel.
    """
    arrived, hole = thrown(flow, flow)
    return torch.where(hole > 0, -flow, -arrived), hole


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """Warp an image (B, 3, H, W) backward along the approximate inverse of the flow (B, 2, H, W), pixels."""
    return ops.backward_warp(image, inverse(flow)[0], padding="border")


def splatted(image: Tensor, flow: Tensor) -> Tensor:
    """Splat an image along a flow (softmax, larger motion in front), and fill its holes by Telea's method.

    Args:
        image: (1, 3, H, W) in [0, 1].
        flow: (1, 2, H, W), pixels.

    Returns:
        (1, 3, H, W) in [0, 1], in steps of 1/255.

    Source: Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020.
    """
    arrived, hole = thrown(image, flow)
    return as_planes(filled(as_bytes(arrived), hole[0, 0].bool().cpu().numpy()), image.device)


def filled(rgb: Array, hole: Array, within: int = _FILLED_WITHIN) -> Array:
    """Fill the hole of a picture by Telea's method.

    Args:
        rgb: uint8 (H, W, 3).
        hole: bool (H, W).
        within: pixels around a pixel of the hole from which it takes its colour.

    Returns:
        uint8 (H, W, 3).

    Source: Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004.
    """
    return np.asarray(cv2.inpaint(rgb, hole.astype(np.uint8), within, cv2.INPAINT_TELEA))


def farneback(image1: Tensor, image2: Tensor) -> Tensor:
    """Measure the flow of a pair (1, 3, H, W) by OpenCV's Farnebäck method: (1, 2, H, W), pixels.

    It uses five levels and a window of 21 pixels.

    Source: Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003.
    """
    flow = cv2.calcOpticalFlowFarneback(_grey(image1), _grey(image2), None, *_FARNEBACK, flags=0)  # type: ignore[call-overload]
    return _planes_of(flow, image1)


def zero_flow(image1: Tensor, image2: Tensor) -> Tensor:
    """Return a flow that is 0 everywhere, (B, 2, H, W)."""
    return image1.new_zeros(image1.shape[0], 2, *image1.shape[2:])


def middle_by_flow(image1: Tensor, image2: Tensor, measure: FlowMethod) -> Tensor:
    """Draw the middle frame as the mean of both images, each warped backward along half of the flow that leads to it.

    Pixel p of the middle frame is assumed to move like pixel p of the other image, so it lies at p + F21[p] / 2 in
    image 1 and at p + F12[p] / 2 in image 2.

    Args:
        image1: (1, 3, H, W) in [0, 1].
        image2: like `image1`.
        measure: measures the flow from one image to another.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    sides = ((image1, measure(image2, image1)), (image2, measure(image1, image2)))
    return torch.stack([ops.backward_warp(image, flow / 2, padding="border") for image, flow in sides]).mean(dim=0)


def _grey(image: Tensor) -> Array:
    return np.asarray(cv2.cvtColor(as_bytes(image), cv2.COLOR_RGB2GRAY))


def _planes_of(flow: Array, beside: Tensor) -> Tensor:
    """Convert OpenCV's flow (H, W, 2) to (1, 2, H, W), on the device of another tensor."""
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None].to(beside.device)
