"""Means over a part of each picture."""

from __future__ import annotations

from torch import Tensor


def masked_mean(values: Tensor, where: Tensor | None = None) -> Tensor:
    """Compute the mean of each picture's known values.

    Args:
        values: (B, C, H, W); NaN where a value is unknown.
        where: (B, 1, H, W), above one half where values count; None: everywhere.

    Returns:
        (B,), float64; NaN for a picture in which no value counts.
    """
    counted = ~values.isnan()
    if where is not None:
        counted = counted & (where > 0.5)
    sums = values.double().masked_fill(~counted, 0).flatten(1).sum(1)
    return sums / counted.flatten(1).sum(1)


def check_alike(measure: str, first: Tensor, second: Tensor) -> None:
    """Check that two tensors have the same shape (B, C, H, W): torch would silently broadcast the smaller one.

    Raises:
        ValueError: the shapes differ or do not have four dimensions.
    """
    if first.dim() != 4 or first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"{measure}: expected two tensors of one shape (B, C, H, W), got {shapes}")
