"""Interpolation error, the measure of interpolated frames on the Middlebury pictures."""

from __future__ import annotations

from torch import Tensor

from photoflow.metrics.l1 import l1


def interpolation_error(image: Tensor, target: Tensor) -> Tensor:
    """Compute the interpolation error IE: the mean of |image - target| over pixels and colours, on a scale of 0 to 255.

    Args:
        image: (B, 3, H, W) in [0, 1].
        target: like `image`.

    Returns:
        (B,), float64.

    Raises:
        ValueError: the pictures have different shapes.

    Source: IE as it is published for Middlebury's "other" set, for instance by Huang et al., "Real-Time Intermediate
        Flow Estimation for Video Frame Interpolation", ECCV 2022. Baker et al., "A Database and Evaluation Methodology
        for Optical Flow", IJCV 2011, section 4.1, who named it, use the root of the mean square instead; that number
        says the same as the PSNR: 255 * 10^(-PSNR / 20).
    """
    return l1(image, target, span=255)
