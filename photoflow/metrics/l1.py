"""Mean absolute difference."""

from __future__ import annotations

from torch import Tensor

from photoflow.metrics.masked import check_alike, masked_mean


def l1(image: Tensor, target: Tensor, where: Tensor | None = None, *, span: float = 1.0) -> Tensor:
    """Compute the mean of |image - target|, scaled to a colour range of length `span`.

    Args:
        image: (B, C, H, W) in [0, 1].
        target: like `image`.
        where: (B, 1, H, W), above one half where pixels count; None: everywhere.
        span: length of the colour range of the result: 1 for [0, 1], 2 for [-1, 1], 255 for bytes.

    Returns:
        (B,), float64; NaN where no pixel counts.

    Raises:
        ValueError: the pictures have different shapes.

    Source: photo animation by an explicit flow blueprint, whose L1 (0.313 to 0.236) is measured on pictures in
        [-1, 1], the range of the generator's Tanh: span 2.
    """
    check_alike("l1", image, target)
    return span * masked_mean((image.float() - target.float()).abs(), where)
