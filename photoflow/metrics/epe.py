"""Endpoint error: the distance between the ends of a flow's vectors and those of the true flow."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.metrics.masked import check_alike, masked_mean

ERROR_EDGES = tuple(number / 4 for number in range(41))
"""Edges of the bins of `histogram`, in pixels of error: quarters of a pixel up to 10."""


def endpoint_error(flow: Tensor, target: Tensor) -> Tensor:
    """Compute the endpoint error, the length of flow - target, at every pixel.

    Args:
        flow: (B, 2, H, W), pixels.
        target: the true flow, of the same shape; NaN where it is unknown.

    Returns:
        (B, 1, H, W), pixels; NaN where the true flow is unknown, infinite where it is known but `flow` is NaN.

    Raises:
        ValueError: the flows have different shapes.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 4.1.
    """
    check_alike("endpoint_error", flow, target)
    error: Tensor = torch.linalg.vector_norm(flow.float() - target.float(), dim=1, keepdim=True)
    unknown = target.isnan().any(dim=1, keepdim=True)
    return error.nan_to_num(nan=torch.inf, posinf=torch.inf).masked_fill(unknown, torch.nan)


def epe(error: Tensor, where: Tensor | None = None) -> Tensor:
    """Compute the mean endpoint error.

    Args:
        error: (B, 1, H, W), see `endpoint_error`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (B,), pixels, float64; NaN where no pixel counts.
    """
    return masked_mean(error, where)


def outlier_rate(error: Tensor, threshold: float, where: Tensor | None = None) -> Tensor:
    """Compute the share of pixels whose endpoint error is above a threshold.

    Args:
        error: (B, 1, H, W), see `endpoint_error`.
        threshold: pixels.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (B,), from 0 to 1, float64; NaN where no pixel counts.

    Source: the R1.0, R3.0 and R5.0 of Baker et al., IJCV 2011, section 4.2.
    """
    return masked_mean((error > threshold).float().masked_fill(error.isnan(), torch.nan), where)


def histogram(error: Tensor, where: Tensor | None = None) -> Tensor:
    """Count pixels by their endpoint error. Histograms of several pictures can be added.

    Args:
        error: (B, 1, H, W), see `endpoint_error`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (41,), int64, on the CPU: one bin between each two neighbouring `ERROR_EDGES`, lower edge included, and a last
        one for all errors beyond.
    """
    counted = ~error.isnan()
    if where is not None:
        counted = counted & (where > 0.5)
    edges = torch.tensor(ERROR_EDGES[1:], device=error.device)
    bins = torch.bucketize(error[counted], edges, right=True)
    return torch.bincount(bins, minlength=len(ERROR_EDGES)).cpu()


def cumulative(counts: Tensor) -> Tensor:
    """Compute the share of pixels whose endpoint error is below each upper edge of a histogram.

    Args:
        counts: (41,), see `histogram`.

    Returns:
        (40,), from 0 to 1, float64, rising; NaN for an empty histogram.
    """
    return counts[:-1].cumsum(0).double() / counts.sum()
