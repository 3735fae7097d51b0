"""Difference of the resting parts from the photo."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.metrics.masked import check_alike


def rest_error(image: Tensor, photo: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the largest difference between a frame and the photo, in grey levels: where nothing moves it is to be 0.

    max over pixels and channels of 255 |image - photo|

    Args:
        image: (B, 3, H, W) in [0, 1], frames of clips.
        photo: the same, what was animated.
        where: (B, 1, H, W), above one half where nothing moves; None: everywhere.

    Returns:
        (B,), float64, 0 to 255; 0 where nothing rests.

    Raises:
        ValueError: the pictures have different shapes.
    """
    check_alike("rest_error", image, photo)
    apart = 255 * (image.double() - photo.double()).abs()
    if where is not None:
        apart = torch.where(where > 0.5, apart, 0)
    return apart.amax(dim=(1, 2, 3))
