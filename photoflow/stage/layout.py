"""Depth of a photo: measured where it is known, else told from where its layers stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.render.background import membrane
from photoflow.stage.layer import Layer

FARTHEST, NEAREST = 0.35, 1.6  # inverse depths beside the focus, 1: more would tear the picture
CONTRAST = 0.6  # of the layout's depths beside measured ones: what is not known should not stand out
MOST_GAP = 0.15  # of those, between a card's head and the ground behind it: more would tear what is one thing
SKY_EDGE = 0.06  # of the longest side: how softly the sky passes into the ground
SURROUNDINGS = 0.25  # of the longest side: over which the ground takes the depth of what stands on it uncut
RIM = 0.01  # of the longest side: around a thing that is not cut out, in its own depth
SIDE = 480  # longest side on which depths behind layers are spread


Plane = tuple[float, float]  # inverse depth: change from row to row, and in row 0


@dataclass(frozen=True)
class Depths:
    """Inverse depths of a picture, 1 = in focus, larger = nearer.

    Args:
        background: float32 (H, W), of what is behind the layers.
        cards: of each layer, the plane in which it stands.
        measured: whether they are measured, with edges where one thing is in front of another.
    """

    background: Array
    cards: tuple[Plane, ...]
    measured: bool

    @property
    def span(self) -> tuple[float, float]:
        """Return the least and the largest of all."""
        last = self.background.shape[0] - 1
        ends = [start + row * slope for slope, start in self.cards for row in (0, last)]
        ends += [float(self.background.min()), float(self.background.max())]
        return min(ends), max(ends)


def depths_of(
    size: tuple[int, ...], cards: Sequence[Layer], skies: Sequence[Layer], measured: Array | None,
    uncut: Sequence[Layer] = (),
) -> Depths:  # fmt: skip
    """Return the inverse depths of a picture.

    In focus is the first card, without one the first thing that is not cut out, without any the middle of all depths.

    Args:
        size: (height, width) of the picture.
        cards: the layers that stand in it, the one in front first.
        skies: regions of sky.
        measured: uint16 (H, W), larger = nearer, a measured inverse depth of any scale; None: it is told from the
            layout.
        uncut: what stands in the picture and is no card, see `level`.
    """
    if measured is None:
        near, own = layout(size, cards, skies)
        near = level(near, uncut)
    else:
        near, own = _behind(measured, cards)
    if own:
        focused = own[0][1] + own[0][0] * float(np.mean(_rows(cards[0])))
    else:
        focused = float(np.median(near[uncut[0].mask > 127] if uncut else near))
    # An inverse depth is known but for its scale and offset, so that planes stay planes.
    slope = min((1 - FARTHEST) / max(focused, 1e-3), (NEAREST - 1) / max(1 - focused, 1e-3))
    slope *= CONTRAST if measured is None else 1.0
    background = np.asarray(1 + slope * (near - focused), np.float32)
    return Depths(
        background, tuple((slope * tilt, 1 + slope * (start - focused)) for tilt, start in own), measured is not None
    )


def layout(size: tuple[int, ...], cards: Sequence[Layer], skies: Sequence[Layer]) -> tuple[Array, list[Plane]]:
    """Tell depths from where things stand: the ground comes nearer downwards, and cards stand on it.

    The ground is a plane but for the sky, so that what is straight stays straight. Cards stand upright, but tall ones
    lean back with the ground so far that their heads are not far before it.

    Returns:
        (H, W) float32 in [0, 1], 1 = nearest, and those of the cards: none is behind one that is further behind.
    """
    height, width = size
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    ground = np.repeat(rows[:, None], width, axis=1)
    for sky in skies:
        ground = ground * (1 - _softened(sky.mask / np.float32(255), SKY_EDGE * max(size)))
    own, farther = list[Plane](), 0.0
    for card in reversed(cards):
        head, foot = _rows(card)
        farther = max(farther, float(rows[foot]))
        lean = max(0.0, 1 - MOST_GAP / max(float(rows[foot] - rows[head]), 1e-6)) / height
        own.append((lean, farther - lean * foot))
    return ground, own[::-1]


def level(near: Array, things: Sequence[Layer]) -> Array:
    """Return depths, (H, W) float32, in which things that are not cut out stand upright, each in one depth.

    So they stay rigid before a camera. The ground passes smoothly into their depths, and nothing tears.

    Args:
        near: those of the ground.
        things: the one in front first.
    """
    for thing in reversed(things):
        inside = thing.mask > 127
        depth = float(near[inside].mean())
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        longest = max(near.shape)
        u = np.clip((distance / longest - RIM) / SURROUNDINGS, 0, 1)
        near = near + (depth - near) * (1 - u * u * (3 - 2 * u))
    return np.asarray(near, np.float32)


def _softened(mask: Array, sigma: float) -> Array:
    """Blur a mask, (H, W) float32, on a grid that is coarse beside the blur, which is then quick."""
    height, width = mask.shape
    step = max(1, int(sigma / 4))
    small = cv2.resize(mask, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), (width, height)))


def _rows(card: Layer) -> tuple[int, int]:
    """Return the first and the last row of a layer."""
    rows = np.flatnonzero((card.mask > 127).any(axis=1))
    return int(rows[0]), int(rows[-1])


def _behind(measured: Array, cards: Sequence[Layer]) -> tuple[Array, list[Plane]]:
    """Return measured depths in [0, 1] behind the cards, filled from around them, and the median of each card."""
    least, largest = (float(v) for v in np.percentile(measured, (0.5, 99.5)))
    near = np.clip((measured.astype(np.float32) - least) / max(largest - least, 1.0), 0, 1)
    own = [(0.0, float(np.median(near[card.mask > 127]))) for card in cards]
    if cards:
        covered = np.logical_or.reduce([card.levels > 0 for card in cards]).astype(np.uint8)
        side = 2 * max(1, round(0.006 * max(near.shape))) + 1  # measured edges are soft
        covered = cv2.dilate(covered, np.ones((side, side), np.uint8))
        if not covered.all():
            near = np.where(covered > 0, _spread(near, covered), near)
    return near, own


def _spread(near: Array, covered: Array) -> Array:
    """Spread what is known smoothly over what is covered, (H, W) float32."""
    height, width = near.shape
    scale = min(1.0, SIDE / max(near.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    known = (1 - covered).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(near * known, size, interpolation=cv2.INTER_AREA)
    mean = np.asarray(sums / np.maximum(weight, 1e-6), np.float32)[..., None]
    smooth = membrane(mean, np.asarray(weight, np.float32))[..., 0]
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
