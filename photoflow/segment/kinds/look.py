"""A small copy of the photo with what every search looks at: colour, edges, texture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, guided_upsample, shrunk
from photoflow.segment.subject import Bits, Mask

SIDE = 360


@dataclass(frozen=True)
class Look:
    """A photo at the size of the searches.

    Args:
        rgb: (h, w, 3) uint8, the longer side at most `SIDE`.
        lab: (h, w, 3) float32, CIE Lab: L in [0, 100].
        across, down: (h, w) float32, the gradient of L in units of L a pixel.
        texture: (h, w) float32, the mean length of the gradient around the pixel.
        free: (h, w) bool, False where found things are.
    """

    rgb: npt.NDArray[np.uint8]
    lab: npt.NDArray[np.float32]
    across: Mask
    down: Mask
    texture: Mask
    free: Bits

    @property
    def shape(self) -> tuple[int, int]:
        """Return (h, w)."""
        return self.lab.shape[0], self.lab.shape[1]

    @property
    def lightness(self) -> Mask:
        """Return L, (h, w) in [0, 100]."""
        return self.lab[..., 0]

    @property
    def chroma(self) -> Mask:
        """Return the distance from grey, (h, w)."""
        return np.asarray(np.hypot(self.lab[..., 1], self.lab[..., 2]), np.float32)

    @property
    def hue(self) -> Mask:
        """Return the hue's angle in degrees, (h, w) in [0, 360): 0 red, 90 yellow, 135 green, 270 blue."""
        return np.asarray(np.degrees(np.arctan2(self.lab[..., 2], self.lab[..., 1])) % 360, np.float32)


def look_at(rgb: npt.NDArray[np.uint8], taken: Mask | None = None) -> Look:
    """Shrink a photo and measure it.

    Args:
        rgb: (H, W, 3) uint8.
        taken: (H, W) in [0, 1], what found things occupy.
    """
    size = fitting((rgb.shape[0], rgb.shape[1]), SIDE)
    small = np.ascontiguousarray(shrunk(rgb, size))
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab), np.float32)
    across, down = (np.asarray(cv2.Scharr(lab[..., 0], cv2.CV_32F, dx, 1 - dx) / 32, np.float32) for dx in (1, 0))
    texture = np.asarray(cv2.GaussianBlur(np.hypot(across, down), (0, 0), 1.5), np.float32)
    free = np.ones(size, bool) if taken is None else shrunk(taken.astype(np.float32), size) < 0.3
    return Look(small, lab, across, down, texture, free)


@dataclass(frozen=True)
class Segments:
    """Straight edges: `length` (N,) in pixels, `angle` (N,) in degrees [0, 180), `middle` (N, 2) whole pixels x, y."""

    length: Mask
    angle: Mask
    middle: npt.NDArray[np.int64]


def line_segments(look: Look) -> Segments:
    """Find the straight edges of a picture.

    Source: Grompone von Gioi et al., "LSD: a line segment detector", IPOL 2012, by OpenCV.
    """
    grey = np.clip(look.lightness * 2.55, 0, 255).astype(np.uint8)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    ends = np.zeros((0, 4), np.float32) if found is None else np.asarray(found, np.float32).reshape(-1, 4)
    across, down = (ends[:, 2:] - ends[:, :2]).T
    middle = np.round((ends[:, 2:] + ends[:, :2]) / 2).astype(np.int64)
    middle = np.clip(middle, 0, (look.shape[1] - 1, look.shape[0] - 1))
    return Segments(np.hypot(across, down), np.degrees(np.arctan2(down, across)) % 180, middle)


def at_photo_size(bits: Bits, look: Look, rgb: npt.NDArray[np.uint8], taken: Mask | None) -> Mask:
    """Bring a region to the photo's size along the photo's edges, without what found things occupy.

    Returns:
        (H, W) float32 in [0, 1].
    """
    soft = guided_upsample(bits.astype(np.float32), look.rgb, rgb, radius=2, eps=1e-4)
    near = cv2.dilate(bits.astype(np.uint8), np.ones((7, 7), np.uint8))
    soft *= cv2.resize(near, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    soft = np.clip((soft - np.float32(0.1)) / np.float32(0.8), 0, 1)
    return soft if taken is None else np.asarray(soft * (1 - np.clip(taken, 0, 1)), np.float32)


def opened(bits: Bits, radius: int) -> Bits:
    """Drop what is thinner than about 2 · radius pixels."""
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, _disc(radius))) > 0


def closed(bits: Bits, radius: int) -> Bits:
    """Fill gaps narrower than about 2 · radius pixels."""
    return np.asarray(cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_CLOSE, _disc(radius))) > 0


def grown(bits: Bits, radius: int) -> Bits:
    """Grow a region by `radius` pixels."""
    return np.asarray(cv2.dilate(bits.astype(np.uint8), _disc(radius))) > 0


def worn(bits: Bits, radius: int) -> Bits:
    """Shrink a region by `radius` pixels; the picture's border is no edge of it."""
    return np.asarray(cv2.erode(bits.astype(np.uint8), _disc(radius))) > 0


def ramp(values: Any, low: float, high: float) -> Any:
    """Return 0 below `low`, 1 above `high`, straight between them."""
    return np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)
