"""Endpoint error: how far a flow's vectors end from where the true ones do."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.metrics.masked import check_alike, masked_mean

ERROR_EDGES = tuple(number / 4 for number in range(41))
"""Pixels of error between which `histogram` counts: quarters of a pixel up to 10."""


def endpoint_error(flow: Tensor, target: Tensor) -> Tensor:
    """The length of flow - target at every pixel.

    Args:
        flow: (B, 2, H, W), pixels.
        target: the true flow; NaN where it is unknown.

    Returns:
        (B, 1, H, W), pixels; NaN where the truth is unknown, infinite where only the flow is.

    Raises:
        ValueError: the flows have different shapes.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 4.1.
    """
    check_alike("endpoint_error", flow, target)
    error: Tensor = torch.linalg.vector_norm(flow.float() - target.float(), dim=1, keepdim=True)
    unknown = target.isnan().any(dim=1, keepdim=True)
    return error.nan_to_num(nan=torch.inf, posinf=torch.inf).masked_fill(unknown, torch.nan)


def epe(error: Tensor, where: Tensor | None = None) -> Tensor:
    """The mean endpoint error.

    Args:
        error: (B, 1, H, W), see `endpoint_error`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (B,), pixels, float64; NaN where no pixel counts.
    """
    return masked_mean(error, where)


def outlier_rate(error: Tensor, threshold: float, where: Tensor | None = None) -> Tensor:
    """The share of pixels with an endpoint error above a threshold.

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
    """How many pixels have which endpoint error. Histograms of several pictures add up.

    Args:
        error: (B, 1, H, W), see `endpoint_error`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.

    Returns:
        (41,), int64, on the CPU: between each two of `ERROR_EDGES`, the lower one included, and beyond the last.
    """
    counted = ~error.isnan()
    if where is not None:
        counted = counted & (where > 0.5)
    edges = torch.tensor(ERROR_EDGES[1:], device=error.device)
    bins = torch.bucketize(error[counted], edges, right=True)
    return torch.bincount(bins, minlength=len(ERROR_EDGES)).cpu()


def cumulative(counts: Tensor) -> Tensor:
    """The share of pixels with an endpoint error below each upper edge of a histogram.

    Args:
        counts: (41,), see `histogram`.

    Returns:
        (40,), from 0 to 1, float64, rising; NaN for a histogram of nothing.
    """
    return counts[:-1].cumsum(0).double() / counts.sum()
