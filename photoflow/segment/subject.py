"""Segmentations: subjects, each a mask with its box, and the way from a map to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError

Box = tuple[int, int, int, int]
Mask = npt.NDArray[np.float32]
Bits = npt.NDArray[np.bool_]


class NoSubjectError(InputError):
    """The photo has no subject that stands out; the person has to point at one."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no subject found: {reason}; choose one with --mask FILE, --box X,Y,W,H or --point X,Y")


@dataclass(frozen=True)
class Subject:
    """One thing in the photo that may move.

    Args:
        mask: (H, W) float32 in [0, 1], 1 = subject.
        box: left, top, width, height of the mask above one half, whole pixels.
        label: class name, or "subject" where the method knows no classes.
        score: confidence in [0, 1].
    """

    mask: Mask
    box: Box
    label: str
    score: float


@dataclass(frozen=True)
class Segmentation:
    """The subjects of a photo, best first, and one line that says how they were found."""

    subjects: tuple[Subject, ...]
    method: str


@dataclass(frozen=True)
class Found:
    """Parts that a search in the reduced photo found.

    Args:
        parts: a mask, (H, W) bool, for each subject, best first; none where nothing stands out.
        confidence: (H, W) float32 in [0, 1].
        said: how it was found.
    """

    parts: tuple[Bits, ...]
    confidence: Mask
    said: str


def bounding_box(bits: npt.NDArray[Any]) -> Box:
    """Return left, top, width, height of the non-zero pixels; all zero for an empty mask."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(bits, dtype=np.uint8))
    return int(left), int(top), int(width), int(height)


def padded(box: Box, fraction: float, shape: tuple[int, int]) -> Box:
    """Grow `box` on each side by `fraction` of its size, two pixels at least, and cut it at the border."""
    left, top, width, height = box
    across, down = max(2, round(fraction * width)), max(2, round(fraction * height))
    x0, y0 = max(0, left - across), max(0, top - down)
    x1, y1 = min(shape[1], left + width + across), min(shape[0], top + height + down)
    return x0, y0, x1 - x0, y1 - y0


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    return shared / max(a[2] * a[3] + b[2] * b[3] - shared, 1)


def prominence(bits: npt.NDArray[Any]) -> float:
    """Return the size weighted by nearness to the centre: area share · exp(−2 d²), d = 1 at a side's middle.

    The order of subjects: the largest near the centre comes first.
    """
    height, width = bits.shape
    moments = cv2.moments(np.ascontiguousarray(bits, dtype=np.uint8), binaryImage=True)
    if moments["m00"] == 0:
        return 0.0
    across = 2 * moments["m10"] / moments["m00"] / width - 1
    down = 2 * moments["m01"] / moments["m00"] / height - 1
    return float(moments["m00"] / (height * width) * np.exp(-2 * (across**2 + down**2)))


def components(bits: Bits, smallest: float = 0.0) -> list[Bits]:
    """Return the connected parts (8-neighbours) of a mask, largest first, down to `smallest` times the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    order = sorted(range(1, count), key=lambda index: -int(areas[index]))
    return [labels == index for index in order if areas[index] >= smallest * areas[order[0]]]


def whole(bits: Bits, speck: float = 0.03) -> tuple[Bits, ...]:
    """Return a mask without specks, as the one part it is; none where it is empty or covers all."""
    parts = components(bits, speck)
    return (np.logical_or.reduce(parts),) if parts and not bits.all() else ()


def split(bits: Bits, separate: float = 0.25, speck: float = 0.02, gap: float = 0.015) -> list[Bits]:
    """Separate subjects of a mask, the most prominent first.

    Parts that nearly touch are one subject (a leg behind a fence). A part that stands apart is a subject
    of its own if it is big beside the largest, goes with its nearest neighbour if it is middling, and is
    dropped if it is a speck.

    Args:
        bits: (H, W) bool.
        separate: share of the largest part from which a part is a subject of its own.
        speck: share of the largest part below which a part is dropped.
        gap: parts closer than this share of the picture's diagonal belong together.
    """
    parts = components(bits, speck)
    if len(parts) < 2:
        return parts
    bits = np.logical_or.reduce(parts)
    reach = max(1, round(gap * float(np.hypot(*bits.shape)) / 2))
    groups = [group & bits for group in components(_grown(bits, reach) > 0)]
    groups.sort(key=lambda group: -int(group.sum()))
    alone = [group for group in groups if group.sum() >= separate * groups[0].sum()]
    for group in groups[len(alone) :]:
        if group.sum() >= speck * groups[0].sum():
            nearest = min(range(len(alone)), key=lambda index: _distance(alone[index], group))
            alone[nearest] = alone[nearest] | group
    return sorted(alone, key=prominence, reverse=True)


def touching(bits: Bits, points: Sequence[tuple[float, float]], gap: float = 0.015) -> Bits:
    """Return the parts of a mask under the points, together with their near neighbours.

    Parts within `gap` times the picture's diagonal of each other are near.
    """
    reach = max(1, round(gap * float(np.hypot(*bits.shape)) / 2))
    _, labels = cv2.connectedComponents(_grown(bits, reach))
    at = {int(labels[round(y), round(x)]) for x, y in points if bits[round(y), round(x)]}
    return np.asarray(np.isin(labels, list(at)) & bits)


def _grown(bits: Bits, radius: int) -> npt.NDArray[np.uint8]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(bits.astype(np.uint8), kernel))


def _distance(here: Bits, there: Bits) -> float:
    """Return the smallest distance in pixels between two masks."""
    away = cv2.distanceTransform((~here).astype(np.uint8), cv2.DIST_L2, 3)
    return float(away[there].min())
