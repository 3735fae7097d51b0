"""Structural similarity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.metrics.masked import check_alike

SIDE, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for colours in [0, 1]


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Compute the mean structural similarity of two pictures, over all windows that lie inside them.

        SSIM(x, y) = (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2))

    with means m, variances s^2 and covariance s_xy under a Gaussian window of 11 by 11 pixels and sigma 1.5, for each
    colour channel separately; C1 = 0.01^2, C2 = 0.03^2.

    Args:
        image: (B, C, H, W) in [0, 1], at least 11 by 11 pixels.
        target: like `image`.

    Returns:
        (B,), float64; 1 for equal pictures.

    Raises:
        ValueError: the pictures have different shapes, or are smaller than the window.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004,
        section III-C. Equals scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False)`.
    """
    check_alike("ssim", image, target)
    if min(image.shape[2:]) < SIDE:
        raise ValueError(f"ssim: expected at least {SIDE} by {SIDE} pixels, got {tuple(image.shape)}")
    x, y = image.float(), target.float()
    mean_x, mean_y, square_x, square_y, product = _windowed(torch.stack([x, y, x * x, y * y, x * y]))
    variances = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    likeness: Tensor = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    likeness = likeness / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2))
    return likeness.double().mean(dim=(1, 2, 3))


def _windowed(planes: Tensor) -> Tensor:
    """Compute the means under the window, (..., H, W) -> (..., H - 10, W - 10)."""
    at = torch.arange(SIDE, dtype=torch.float32, device=planes.device) - SIDE // 2
    weights = torch.exp(-(at**2) / (2 * _SIGMA**2))
    weights = weights / weights.sum()
    # Each plane is a channel of one picture, with its own kernel: on a CPU five times as fast as a batch of planes.
    each = planes.reshape(1, -1, *planes.shape[-2:])
    count = each.shape[1]
    down, across = (weights.reshape(1, 1, *side).repeat(count, 1, 1, 1) for side in ((-1, 1), (1, -1)))
    means = functional.conv2d(functional.conv2d(each, down, groups=count), across, groups=count)
    return means.reshape(*planes.shape[:-2], *means.shape[-2:])
