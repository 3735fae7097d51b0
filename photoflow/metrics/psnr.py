"""Peak signal-to-noise ratio."""

from __future__ import annotations

from torch import Tensor

from photoflow.metrics.masked import check_alike, masked_mean


def psnr(image: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """Compute the peak signal-to-noise ratio in decibels: -10 log10(mean((image - target)^2)).

    Args:
        image: (B, C, H, W) in [0, 1].
        target: like `image`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (B,), float64; infinite for equal pictures, NaN where no pixel counts.

    Raises:
        ValueError: the pictures have different shapes.
    """
    check_alike("psnr", image, target)
    return -10 * masked_mean((image.float() - target.float()).square(), where).log10()
