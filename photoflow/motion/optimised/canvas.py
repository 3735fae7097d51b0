"""The photo as an optimisation sees it: small, on two grids, with its features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photoflow.arrays import Array
from photoflow.models.dis.edge_aware import edge_aware_mean
from photoflow.models.vgg import VGG19Features
from photoflow.weights.loading import locate

FINE = 256  # cells along the longer side: of the kept flow and of drawn pictures; the networks speak on half of them
COMPONENTS = 24  # of VGG-19's 512 channels: the principal ones on this photo
SCALES = 4  # of the gradient features
TEXTURE = 1 / 64  # of the longer side: structures of this size are texture, in which nothing ends
ROUNDS = 3  # of the rolling guidance
EDGE = 0.15  # the difference of colours, summed over the channels, that joins neighbours by a share of 1 / e only
WITHIN = 0.25  # the share of edges within one thing
WITHOUT_VGG = "features: gradients at several scales, as the weights of VGG-19 are not on this machine"
WITH_VGG = "features: VGG-19's"


def features_words() -> str:
    """Describe in one line which features there are on this machine."""
    return WITHOUT_VGG if locate("vgg19") is None else WITH_VGG


@dataclass(frozen=True, eq=False)
class Canvas:
    """The photo as an optimisation sees it.

    Args:
        rgb: the photo itself, uint8.
        photo: RGB in [0, 1], (1, 3, H, W) on the fine grid; both sides are even.
        mask: (1, 1, H, W) in [0, 1], what may move.
        scale: cells of the fine grid per pixel of the photo, along x and y.
    """

    rgb: Array
    photo: Tensor
    mask: Tensor
    scale: tuple[float, float]

    @classmethod
    def of(cls, rgb: Array, mask: Array | None, device: str = "cpu") -> Canvas:
        """Return the canvas of a photo, uint8 (H, W, 3), and of a mask of its size in [0, 1] (None: all may move)."""
        height, width = rgb.shape[:2]
        share = min(1.0, FINE / max(height, width))
        columns, rows = (max(8, 2 * round(side * share / 2)) for side in (width, height))
        photo = planes_of(rgb, (columns, rows)).to(device)
        alpha = np.ones((height, width), np.float32) if mask is None else mask
        small = cv2.resize(alpha, (columns, rows), interpolation=cv2.INTER_AREA)
        return cls(rgb, photo, torch.from_numpy(small)[None, None].to(device), (columns / width, rows / height))

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of the fine grid."""
        return self.photo.shape[2], self.photo.shape[3]

    def cells(self, points: Tensor) -> Tensor:
        """Return points (N, 2), pixels of the photo, as cells of the fine grid."""
        scale = points.new_tensor(self.scale)
        return (points + 0.5) * scale - 0.5

    @cached_property
    def coarse(self) -> Tensor:
        """Return the photo on the coarse grid, (1, 3, H / 2, W / 2)."""
        return functional.avg_pool2d(self.photo, 2)

    @cached_property
    def features(self) -> Tensor:
        """Return f(x) (1, C, H / 2, W / 2), each channel of mean 0 and deviation 1.

        Those of VGG-19 (relu4_4, its principal components) where its weights are on this machine, beside colours and
        gradients at several scales, which are all there is elsewhere.

        Source: D-ID, section 3.2.1. Deviation: twelve of VGG-19's sixteen convolutions, as at the end its 7x7 features
            say too little of where things are.
        """
        found = locate("vgg19")
        parts = [_gradients(self.photo, self.coarse.shape[2:])]
        if found is not None:
            parts.append(_components(VGG19Features(found).to(self.photo.device).eval(), self.photo, self.coarse))
        both = torch.cat(parts, 1)
        centred = both - both.mean((2, 3), keepdim=True)
        return centred / centred.std((2, 3), keepdim=True).clamp_min(1e-4)

    @cached_property
    def likeness(self) -> tuple[Tensor, Tensor]:
        """Return how alike neighbours along x (1, 1, H, W - 1) and y (1, 1, H - 1, W) of the fine grid are, 0 to 1."""
        x, y = (torch.exp(-self.outlines.diff(dim=axis).abs().sum(1, keepdim=True) / EDGE) for axis in (3, 2))
        return x, y

    @cached_property
    def outlines(self) -> Tensor:
        """Return what has an edge where things end, (1, 4, H, W): the photo without its texture, and the mask.

        Within a mask, one thing, the photo's edges count less.

        Source: Zhang et al., "Rolling Guidance Filter", ECCV 2014, with an edge-aware mean in place of the bilateral
            filter: small structures are blurred away, then the edges of large ones come back.
        """
        deviation = TEXTURE * max(self.size)
        blurred = cv2.GaussianBlur(
            np.ascontiguousarray(self.photo[0].permute(1, 2, 0).cpu().numpy()), (0, 0), deviation
        )
        guide = torch.from_numpy(blurred).permute(2, 0, 1)[None].to(self.photo.device)
        for _ in range(ROUNDS):
            guide = edge_aware_mean(self.photo, guide, 2 * deviation, EDGE)
        one_thing = bool((self.mask < 0.5).any())
        return torch.cat([guide * (WITHIN if one_thing else 1), self.mask], 1)


def planes_of(rgb: Array, size: tuple[int, int]) -> Tensor:
    """Return a picture, uint8 (H, W, 3), as (1, 3, h, w) RGB in [0, 1] of another size (width, height)."""
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255


def _gradients(photo: Tensor, size: torch.Size) -> Tensor:
    """Return colours and the strength of their gradients at several scales, (1, 4 SCALES, h, w)."""
    found, level = [], photo
    for _ in range(SCALES):
        across = functional.pad(level.diff(dim=3), (0, 1, 0, 0))
        down = functional.pad(level.diff(dim=2), (0, 0, 0, 1))
        strength = (across.square() + down.square()).sum(1, keepdim=True).sqrt()
        both = torch.cat([level, strength], 1)
        found.append(functional.interpolate(both, size, mode="bilinear", align_corners=False, antialias=True))
        if min(level.shape[2:]) >= 4:
            level = functional.avg_pool2d(level, 2)
    return torch.cat(found, 1)


@torch.no_grad()
def _components(network: VGG19Features, photo: Tensor, coarse: Tensor) -> Tensor:
    """Return the principal components of a network's features on a photo, (1, COMPONENTS or fewer, h, w)."""
    larger = functional.interpolate(photo, scale_factor=2, mode="bilinear", align_corners=False)
    seen = network(larger)[0]
    flat = seen.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(flat @ flat.T)
    kept = vectors[:, -min(COMPONENTS, len(vectors)) :].T @ flat
    planes = kept.reshape(1, -1, *seen.shape[1:])
    return functional.interpolate(planes, coarse.shape[2:], mode="bilinear", align_corners=False)
