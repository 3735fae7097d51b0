"""The parts that networks share: checks of images and flows, padding of any size to theirs, a norm of each channel."""

from __future__ import annotations

from torch import Tensor, nn

Margins = tuple[int, int, int, int]  # left, right, top, bottom, as torch's pad takes them


class InstanceNorm(nn.GroupNorm):
    """`nn.InstanceNorm2d`, without parameters: every channel of every image to mean 0 and variance 1.

    As a group norm of one channel a group, which on a CPU is several times as fast. In channels_last, torch's group
    norm subtracts large squares from each other to get the variance, so features are laid out channel by channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.contiguous())


def check_planes(network: str, argument: str, planes: Tensor, channels: int, beside: Tensor | None = None) -> None:
    """Check a floating-point tensor (B, channels, H, W), of the batch and size of `beside` where that is given.

    Raises:
        ValueError, TypeError: It is something else; the message names network, argument, what was expected and got.
    """
    if not isinstance(planes, Tensor):
        raise TypeError(f"{network}: {argument}: expected a tensor (B, {channels}, H, W), got {type(planes).__name__}")
    if not planes.is_floating_point():
        raise TypeError(f"{network}: {argument}: expected a floating-point dtype, got {planes.dtype}")
    shape = tuple(planes.shape)
    if len(shape) != 4 or shape[1] != channels or 0 in shape:
        raise ValueError(f"{network}: {argument}: expected shape (B, {channels}, H, W), not empty, got {shape}")
    if beside is not None:
        expected = (beside.shape[0], channels, *beside.shape[2:])
        if shape != expected:
            raise ValueError(f"{network}: {argument}: expected shape {expected}, got {shape}")


def margins_to(planes: Tensor, multiple: int, least: int = 0) -> Margins:
    """Return the pixels to add on each side so that both sides are a multiple of `multiple` and at least `least`.

    They are shared about evenly between left and right, and between top and bottom; `least` is itself a multiple.
    """
    height, width = planes.shape[2:]
    more = [max((side + multiple - 1) // multiple * multiple, least) - side for side in (width, height)]
    (left, right), (top, bottom) = ((total // 2, total - total // 2) for total in more)
    return left, right, top, bottom


def padded(planes: Tensor, margins: Margins) -> Tensor:
    """Pad planes (B, C, H, W) by repeating their border outwards."""
    return nn.functional.pad(planes, margins, mode="replicate") if any(margins) else planes


def cropped(planes: Tensor, margins: Margins) -> Tensor:
    """Undo `padded`: cut the margins off planes (..., H, W); the result has memory of its own."""
    if not any(margins):
        return planes
    left, right, top, bottom = margins
    height, width = planes.shape[-2:]
    return planes[..., top : height - bottom, left : width - right].contiguous()
