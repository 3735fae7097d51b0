"""Means over the part of a picture that a measure is asked about."""

from __future__ import annotations

from torch import Tensor


def masked_mean(values: Tensor, where: Tensor | None = None) -> Tensor:
    """The mean of each picture's values, of those that are known.

    Args:
        values: (B, C, H, W); NaN where a value is unknown.
        where: (B, 1, H, W), above one half where values count; None: everywhere.

    Returns:
        (B,), float64; NaN for a picture without a value that counts.
    """
    counted = ~values.isnan()
    if where is not None:
        counted = counted & (where > 0.5)
    sums = values.double().masked_fill(~counted, 0).flatten(1).sum(1)
    return sums / counted.flatten(1).sum(1)


def check_alike(measure: str, first: Tensor, second: Tensor) -> None:
    """See that two tensors have one shape (B, C, H, W): torch would repeat the smaller one in silence.

    Raises:
        ValueError: they do not.
    """
    if first.dim() != 4 or first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"{measure}: expected two tensors of one shape (B, C, H, W), got {shapes}")
