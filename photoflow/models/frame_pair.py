"""The parts that interpolating networks share: two frames, a time between them, and the result."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.models._contract import check_planes
from photoflow.ops import backward_warp


class Interpolated(NamedTuple):
    """A frame between two others, and how it was made.

    Args:
        frame: (B, 3, H, W).
        flow0: where each of its pixels is found in the first image, pixels, float32: (B, 2, H, W), or
            (B, N, 2, H, W) from a network that moves each image in N ways.
        flow1: the same for the second image.
        mask: (B, 1, H, W) or (B, N, 1, H, W) in [0, 1], the share of the first image.
    """

    frame: Tensor
    flow0: Tensor
    flow1: Tensor
    mask: Tensor

    def carry(self, first: Tensor, second: Tensor) -> Tensor:
        """Move and mix something else that belongs to the two images, such as their opacity, as they were.

        Args:
            first: (B, C, H, W), belongs to the first image.
            second: the same for the second.

        Returns:
            (B, C, H, W), belongs to the frame.
        """
        one = self.flow0.dim() == 4
        ways = [(self.flow0, self.flow1, self.mask)] if one else zip(*(part.unbind(1) for part in self[1:]))
        mixed = [
            torch.lerp(
                backward_warp(second, flow1, padding="border"),
                backward_warp(first, flow0, padding="border"),
                share.to(first.dtype),
            )
            for flow0, flow1, share in ways
        ]
        return mixed[0] if one else torch.stack(mixed).mean(dim=0)


def check_pair(network: str, img0: Tensor, img1: Tensor) -> None:
    """Check two images of one shape (B, 3, H, W).

    Raises:
        ValueError, TypeError: they have another shape or dtype.
    """
    check_planes(network, "img0", img0, 3)
    check_planes(network, "img1", img1, 3, beside=img0)


def as_coordinates(x: Tensor) -> Tensor:
    """Convert numbers to the type of a flow: float64 stays, all else becomes float32."""
    return x if x.dtype == torch.float64 else x.float()


def time_of(network: str, t: float | Tensor, image: Tensor, *, ends: bool) -> Tensor:
    """Return the time of each image of a batch, (B, 1, 1, 1), in the type of a flow.

    Args:
        network: for messages.
        t: one time for all, or a tensor with one time, B of them, or (B, 1, 1, 1). Only a number is checked: the
            values in a tensor are not known before it is computed.
        image: (B, 3, H, W), whose device it gets.
        ends: whether 0 and 1 are times too.

    Raises:
        ValueError: the number is no time between the images, the tensor has another number of elements.
    """
    batch = image.shape[0]
    if isinstance(t, Tensor):
        if t.numel() not in (1, batch):
            raise ValueError(f"{network}: t: expected 1 or B = {batch} elements, got shape {tuple(t.shape)}")
        return as_coordinates(t.to(image.device)).reshape(-1, 1, 1, 1).expand(batch, 1, 1, 1)
    if not (0 <= t <= 1 if ends else 0 < t < 1):
        raise ValueError(f"{network}: t: expected a time {'from' if ends else 'between'} 0 "
                         f"{'to' if ends else 'and'} 1, got {t}")  # fmt: skip
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    return torch.full((batch, 1, 1, 1), t, dtype=dtype, device=image.device)


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize features (B, C, H, W) to `factor` times their size, a power of two; bilinear, pixels as areas."""
    if factor == 1:
        return x
    height, width = x.shape[2:]
    # Whole numbers: with a scale_factor, sizes that are symbols under torch.compile would go through floats.
    size = (
        (height * int(factor), width * int(factor))
        if factor > 1
        else (height // int(1 / factor), width // int(1 / factor))
    )
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
