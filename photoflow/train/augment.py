"""Changes to pairs of images and their flow that make a flow network see more than its data.

What is drawn follows from a generator on the CPU; the pixels are worked on where they are, without waiting for them.

Source: Teed and Deng, "RAFT", ECCV 2020, section 4 and its supplement: photometric changes, in a fifth of the pairs
other ones for each image; scaling, stretching and flipping; erasing parts of the second image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from photoflow.ops import backward_warp

_LUMA = (0.299, 0.587, 0.114)
_LIGHT = 0.4  # brightness, contrast and saturation change by up to this share
_HUE = 0.16  # of a full turn
_ASYMMETRIC = 0.2  # share of the pairs whose images change differently
_SCALES = (-0.2, 0.5)  # of log2
_STRETCHED, _STRETCH = 0.8, 0.2  # share of the pairs; log2 of each axis
_MIRRORED = (0.5, 0.1)  # share along x, along y
_ERASED = 0.5  # share of the pairs
_RECTANGLES = 2  # at most
_RECTANGLE = (0.14, 0.27)  # of the shorter side: 50 to 100 pixels of 368


def jittered(image1: Tensor, image2: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change brightness, contrast, saturation and hue.

    Args:
        image1: (B, 3, H, W), RGB in [0, 1].
        image2: of the same shape; changed like the first one in four pairs of five.
        chance: the generator of random numbers, on the CPU.

    Returns:
        Both, in [0, 1].
    """
    batch = image1.shape[0]
    drawn = _uniform(chance, (2, batch, 4), -1, 1)
    same = torch.rand(batch, 1, generator=chance) >= _ASYMMETRIC
    drawn[1] = torch.where(same, drawn[0], drawn[1])
    with torch.autocast(image1.device.type, enabled=False):  # colours have more steps than bfloat16
        first, second = (_recoloured(image, one) for image, one in zip((image1, image2), drawn))
    return first, second


def placed(
    images: list[Tensor], flow: Tensor, weight: Tensor, size: tuple[int, int], chance: torch.Generator
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Cut out a part, scaled, stretched and mirrored.

    Each pixel q of the part shows the place S(q) of the images, S along each axis q -> start + sign q / zoom; the
    flow there is read from the nearest pixel, so that no edge gets a motion in between, and grows with the zoom.

    Args:
        images: (B, 3, H, W) each.
        flow: from the first to the second (B, 2, H, W), pixels.
        weight: (B, 1, H, W), goes with the flow.
        size: of the part, at most that of the images.
        chance: the generator of random numbers, on the CPU.

    Returns:
        Images, flow and weight of that size.
    """
    batch = flow.shape[0]
    least = torch.tensor([(size[1] - 1) / (flow.shape[3] - 1), (size[0] - 1) / (flow.shape[2] - 1)])
    stretched = torch.rand(batch, 1, generator=chance) < _STRETCHED
    log = _uniform(chance, (batch, 1), *_SCALES) + stretched * _uniform(chance, (batch, 2), -_STRETCH, _STRETCH)
    zoom = torch.maximum(2**log, least)
    sign = torch.where(torch.rand(batch, 2, generator=chance) < torch.tensor(_MIRRORED), -1.0, 1.0)
    extent = torch.tensor([size[1] - 1.0, size[0] - 1.0]) / zoom
    room = torch.tensor([flow.shape[3] - 1.0, flow.shape[2] - 1.0]) - extent
    start = room.clamp_min(0) * torch.rand(batch, 2, generator=chance) + torch.where(sign < 0, extent, 0)

    start, step, growth = (x.to(flow.device)[..., None, None] for x in (start, sign / zoom, sign * zoom))
    y, x = (torch.arange(side, dtype=torch.float32, device=flow.device) for side in size)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    displacement = start + (step - 1) * grid
    cut = backward_warp(images, displacement, padding="border")
    flow, weight = backward_warp([flow, weight], displacement, mode="nearest", padding="border")
    return cut, flow * growth, weight


def erased(image: Tensor, chance: torch.Generator) -> Tensor:
    """Paint up to two rectangles of half of the images in their mean colour: what lay there can no longer be found.

    Args:
        image: (B, 3, H, W), the second of a pair.
        chance: the generator of random numbers, on the CPU.
    """
    batch, _, height, width = image.shape
    shorter = min(height, width)
    kept = torch.rand(batch, 1, generator=chance) < _ERASED
    # The second rectangle is there in half of those.
    there = kept & (torch.rand(batch, _RECTANGLES, generator=chance) < torch.tensor([1.0, 0.5]))
    sides = _uniform(chance, (batch, _RECTANGLES, 2), *_RECTANGLE) * shorter * there[..., None]
    corners = torch.rand(batch, _RECTANGLES, 2, generator=chance) * torch.tensor([float(width), float(height)])
    corners, sides = corners.to(image.device), sides.to(image.device)
    inside = []
    for axis, length in ((0, width), (1, height)):
        place = torch.arange(length, device=image.device) - corners[..., axis, None]
        inside.append((place >= 0) & (place < sides[..., axis, None]))
    covered = (inside[0][:, :, None, :] & inside[1][:, :, :, None]).any(1, keepdim=True)
    return torch.where(covered, image.mean((2, 3), keepdim=True), image)


def _recoloured(image: Tensor, drawn: Tensor) -> Tensor:
    """Apply the four changes to an image, (B, 4) in [-1, 1]: brightness, contrast, saturation, hue."""
    brightness, contrast = (1 + _LIGHT * drawn[:, :2]).T.to(image.device)[..., None, None, None]
    luma = torch.tensor(_LUMA)
    # Saturation moves colours away from their grey or to it; both it and the turn of the hue are one matrix.
    grey = luma.expand(3, 3)
    chroma = (1 + _LIGHT * drawn[:, 2])[:, None, None]
    matrix = _turned(2 * math.pi * _HUE * drawn[:, 3]) @ (grey + chroma * (torch.eye(3) - grey))
    image = brightness * torch.einsum("bij,bjhw->bihw", matrix.to(image.device), image)
    middle = (image * luma.to(image.device)[:, None, None]).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    return torch.clamp(middle + contrast * (image - middle), 0, 1)


def _turned(angle: Tensor) -> Tensor:
    """Return rotations (B, 3, 3) of RGB about its grey axis by angles (B,), by Rodrigues' formula."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return cosine * torch.eye(3) + sine * across + (1 - cosine) / 3


def _uniform(chance: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=chance)
