"""Regions that are no things: sky, water, smoke, foliage."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.segment.kinds.flame import find_flames
from photoflow.segment.kinds.foliage import find_foliage
from photoflow.segment.kinds.look import Look, at_photo_size, look_at, worn
from photoflow.segment.kinds.sky import find_sky
from photoflow.segment.kinds.smoke import find_smoke
from photoflow.segment.kinds.water import find_water
from photoflow.segment.subject import Bits, Mask

_WILDEST_SKY = 10.0  # texture of a sunset's clouds is 5
_LEAST_SKY = 0.15  # of the picture: gaps between leaves have no clouds of their own
_FINEST = 6.0  # texture: what is finer is a wood's floor, or a hedge far away, of which no leaf is seen
_GAP, _WHOLE = 0.08, 0.9  # of the longest side, gaps that are closed; share of that which a region has to be


@dataclass(frozen=True)
class Region:
    """A region of the photo that may move by itself.

    Args:
        kind: "sky", "water", "smoke", "plant" or "flame".
        mask: (H, W) float32 in [0, 1].
        sure: in [0, 1].
        direction: a unit vector (x right, y down) along which it plausibly moves; None where none is plausible.
        still: nothing in it travels: a sky that is blank or full of stars; water that mirrors, which may ripple.
        texture: how strong the structures are that would be seen moving, in units of L (0 to 100), see `structure`;
            below 1 there is nothing to see.
    """

    kind: str
    mask: Mask
    sure: float
    direction: tuple[float, float] | None
    still: bool
    texture: float


def find_regions(rgb: npt.NDArray[np.uint8], subjects: Mask | None = None) -> tuple[Region, ...]:
    """Find sky, water, smoke and foliage; where in doubt, nothing.

    Args:
        rgb: (H, W, 3) uint8.
        subjects: (H, W) in [0, 1], what found things occupy; no region covers it.

    Returns:
        Regions that do not overlap, the farthest first.

    Raises:
        InputError: an array of another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"photo: expected uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}")
    if subjects is not None and subjects.shape != rgb.shape[:2]:
        raise InputError(f"subjects: expected shape {rgb.shape[:2]} as the photo, got {subjects.shape}")
    look = look_at(rgb, subjects)
    return tuple(
        Region(kind, at_photo_size(bits, look, rgb, subjects), sure, *_behaviour(look, bits, kind))
        for kind, bits, sure in _found(look)
    )


def _found(look: Look) -> list[tuple[str, Bits, float]]:
    """Return kind, bits and sureness of all regions, the farthest first."""
    found: list[tuple[str, Bits, float]] = []
    sky = find_sky(look)
    if sky is not None and structure(look, sky[0]) < _WILDEST_SKY:
        sky = with_clouds(sky[0], look), sky[1]
        found.append(("sky", *sky))
        water = find_water(look, sky[0])
        if water is not None:
            found.append(("water", *water))
    taken = np.logical_or.reduce([bits for _, bits, _ in found] or [np.zeros(look.shape, bool)])
    for kind, find in (("smoke", find_smoke), ("plant", find_foliage)):
        part = find(look, taken)
        if part is not None and (kind != "plant" or (is_whole(part[0], look) and structure(look, part[0]) > _FINEST)):
            found.append((kind, *part))
            taken = taken | part[0]
    flames = find_flames(look) & look.free & ~taken
    if flames.any():
        found.append(("flame", flames, 0.7))
    return found


def _behaviour(look: Look, bits: Bits, kind: str) -> tuple[tuple[float, float] | None, bool, float]:
    """Return direction, stillness and texture of a region."""
    texture = structure(look, bits)
    if kind in ("plant", "flame"):
        return None, False, texture
    if kind == "smoke":
        return upwards(bits), False, texture
    if kind == "sky":
        still = texture < 1.0 or starry(look, bits) or bits.mean() < _LEAST_SKY or not is_whole(bits, look)
        return (None if still else along(look, bits)), still, texture
    still = float(np.median(look.texture[bits])) < 1.0
    return (None if still else along(look, bits)), still, texture


def with_clouds(sky: Bits, look: Look) -> Bits:
    """Return a sky with what it encloses: dark clouds. What reaches the picture's border may be a beam or a branch."""
    _, labels = cv2.connectedComponents((~sky).astype(np.uint8))
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = ~np.isin(labels, border) & ~sky
    return np.asarray(sky | (inside & look.free))


def is_whole(bits: Bits, look: Look) -> bool:
    """Say whether a region is one mass: where it is in tatters, much like it would rest beside what moves."""
    side = int(_GAP * max(bits.shape)) | 1
    padded = cv2.copyMakeBorder(bits.astype(np.uint8), side, side, side, side, cv2.BORDER_REPLICATE)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[side:-side, side:-side] > 0
    return bool(bits.sum() > _WHOLE * (closed & look.free).sum())


def structure(look: Look, bits: Bits) -> float:
    """Measure the structures along the rows inside a region, where they are strong: clouds may be in one corner.

    The root mean square of L between a fine and a coarse scale, around each pixel; of that the 90th percentile.
    """
    inside = worn(bits, 3)
    if inside.sum() < 50:
        return 0.0
    weight = inside.astype(np.float32)
    light = cv2.medianBlur(np.ascontiguousarray(look.lightness), 5).astype(np.float32)  # a star is no structure
    fine, coarse = (_mean_inside(light, weight, sigma) for sigma in (1.5, 20.0))
    power = _mean_inside((fine - coarse) ** 2, weight, 8.0, 8.0)[inside]
    return float(np.sqrt(np.percentile(power, 90)))


def starry(look: Look, bits: Bits) -> bool:
    """Say whether a dark region is full of bright points."""
    inside = worn(bits, 2)
    if not inside.any() or np.median(look.lightness[inside]) > 45:
        return False
    light = np.ascontiguousarray(look.lightness)
    points = (light - cv2.medianBlur(light, 5) > 3) & inside
    count = cv2.connectedComponents(points.astype(np.uint8))[0] - 1
    return bool(count > 12 and count > 2e-4 * inside.sum())


def along(look: Look, bits: Bits) -> tuple[float, float]:
    """Return the direction along a region's structures, within 30 degrees of sideways, to the right."""
    inside = worn(bits, 3)
    weight = inside.astype(np.float32)
    smooth = _mean_inside(look.lightness, weight, 2.0, 2.0)
    dx, dy = (cv2.Scharr(smooth, cv2.CV_32F, k, 1 - k)[inside] for k in (1, 0))
    angle = 0.5 * float(np.arctan2(2 * np.sum(dx * dy), np.sum(dx * dx) - np.sum(dy * dy))) + np.pi / 2
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    angle = float(np.clip(angle, -np.pi / 6, np.pi / 6)) if abs(angle) < np.pi / 4 else 0.0
    return float(np.cos(angle)), float(np.sin(angle))


def upwards(bits: Bits) -> tuple[float, float]:
    """Return the direction along a plume's longer axis, upwards, within 45 degrees of the vertical."""
    y, x = np.nonzero(bits)
    covariance = np.cov(np.stack([x, y]).astype(np.float64))
    axis = np.linalg.eigh(covariance)[1][:, 1]
    angle = float(np.arctan2(axis[0], -axis[1]))
    angle = float(np.clip((angle + np.pi / 2) % np.pi - np.pi / 2, -np.pi / 4, np.pi / 4))
    return float(np.sin(angle)), -float(np.cos(angle))


def _mean_inside(values: Mask, weight: Mask, across: float, down: float = 1.5) -> Mask:
    total = cv2.GaussianBlur(values * weight, (0, 0), across, sigmaY=down)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(weight, (0, 0), across, sigmaY=down), 1e-3), np.float32)
