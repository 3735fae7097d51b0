"""A clip's frames as masks are carried through them: at a working size, with the flow from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.models.dis import DIS
from photoflow.segment.guided import fitting, shrunk
from photoflow.segment.subject import Bits

SIDE = 640  # pixels of the longer side: DIS and GrabCut take tenths of a second there, whatever the clip's size
_GRID = 8  # pixels between the places whose flow tells the camera's motion
_OFF = 1.5  # pixels by which the flow of the background may differ from it
_FEWEST = 20  # places


@dataclass(frozen=True)
class Frame:
    """A frame at the working size.

    Args:
        rgb: uint8 (H, W, 3).
        lab: the same in CIE Lab, as OpenCV's bytes.
        planes: the same for a flow network, (1, 3, H, W) in [0, 1].
    """

    rgb: Array
    lab: Array
    planes: torch.Tensor

    @classmethod
    def of(cls, rgb: Array) -> Frame:
        """Return a frame of any size, uint8 (H, W, 3), at the working size."""
        small = np.ascontiguousarray(shrunk(rgb, fitting((rgb.shape[0], rgb.shape[1]), SIDE)))
        planes = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        return cls(small, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab)), planes)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (H, W)."""
        return self.rgb.shape[0], self.rgb.shape[1]


def flow_between(one: Frame, other: Frame, start: Array | None = None) -> Array:
    """Measure the flow, (H, W, 2) float32 in pixels, from a frame to another; `start` is where the search begins."""
    begun = None if start is None else torch.from_numpy(start).permute(2, 0, 1)[None]
    return np.ascontiguousarray(DIS()(one.planes, other.planes, begun)[0].permute(1, 2, 0).numpy())


def places(shape: tuple[int, int]) -> Array:
    """Return the place x, y of each pixel, (H, W, 2) float32."""
    return np.dstack(np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)))


def sampled(values: Array, at: Array) -> Array:
    """Return (H, W) or (H, W, C) values at places (H, W, 2), bilinearly; beyond the border, those of the border."""
    across, down = at[..., 0], at[..., 1]
    return np.asarray(cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def camera_motion(flow: Array, background: Bits) -> Array:
    """Fit the homography by which the background moves: 3 × 3, from pixels to where the flow has them.

    Args:
        flow: (H, W, 2), pixels.
        background: (H, W) bool. Where too little of it is seen, nothing is taken to move.
    """
    half = _GRID // 2
    sparse = np.s_[half::_GRID, half::_GRID]
    here = places(background.shape)[sparse][background[sparse]]
    there = here + flow[sparse][background[sparse]]
    if len(here) < _FEWEST:
        return np.eye(3)
    cv2.setRNGSeed(0)  # RANSAC draws at random; the same clip shall give the same masks
    found, _ = cv2.findHomography(here, there, cv2.RANSAC, _OFF, maxIters=300)
    return np.eye(3) if found is None else np.asarray(found)


def seen_by_camera(motion: Array, shape: tuple[int, int]) -> Array:
    """Return where a homography takes each pixel, (H, W, 2) float32."""
    moved = cv2.perspectiveTransform(places(shape).reshape(1, -1, 2), motion)
    return np.asarray(moved, np.float32).reshape(*shape, 2)
