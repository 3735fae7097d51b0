"""What a thing's looks say about its kind: straight lines, leaves, petals, a face, what it hangs from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, shrunk
from photoflow.segment.kinds.look import Look, grown, opened
from photoflow.segment.subject import Bits, Box, Mask, bounding_box


@dataclass(frozen=True)
class Lines:
    """The straight edges of a thing, lengths as shares of the square root of its area.

    Args:
        count: how many are long.
        total: their lengths together.
        longest: the longest one.
        alike: the share of `total` that runs within about ten degrees of one direction.
    """

    count: int
    total: float
    longest: float
    alike: float


def straight_lines(look: Look, bits: Bits) -> Lines:
    """Measure the straight edges in a thing and on its outline."""
    grey = np.clip(look.lightness * 2.55, 0, 255).astype(np.uint8)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    if found is None or not bits.any():
        return Lines(0, 0.0, 0.0, 0.0)
    segments = np.asarray(found, np.float32).reshape(-1, 4)
    extent = float(np.sqrt(bits.sum()))
    middle = np.round((segments[:, :2] + segments[:, 2:]) / 2).astype(int)
    height, width = look.shape
    on = grown(bits, 3)[middle[:, 1].clip(0, height - 1), middle[:, 0].clip(0, width - 1)]
    across, down = (segments[on, 2:] - segments[on, :2]).T
    lengths = np.hypot(across, down)
    long = lengths > max(8.0, 0.15 * extent)
    if not long.any():
        return Lines(0, 0.0, 0.0, 0.0)
    angles = np.degrees(np.arctan2(down[long], across[long])) % 180
    weights = np.bincount((angles / 10).astype(int) % 18, weights=lengths[long], minlength=18)
    alike = (weights + np.roll(weights, 1)).max() / weights.sum()
    return Lines(int(long.sum()), float(lengths[long].sum() / extent), float(lengths.max() / extent), float(alike))


def one_hue(look: Look, bits: Bits) -> float:
    """Return the share of a thing that is vivid and within 40 degrees of one hue."""
    hues = look.hue[bits & (look.chroma > 35)]
    counts = np.bincount((hues / 20).astype(int) % 18, minlength=18)
    return float((counts + np.roll(counts, 1)).max() / max(bits.sum(), 1))


def blurred_behind(look: Look, bits: Bits) -> bool:
    """Say whether all around a thing is out of focus, as in a picture taken from near by."""
    around = grown(bits, 40) & ~grown(bits, 5)
    sharp = float(np.median(look.texture[bits])) if bits.any() else 0.0
    return bool(around.any() and float(np.percentile(look.texture[around], 75)) < 0.45 * sharp)


def hangs(rgb: npt.NDArray[np.uint8], mask: Mask) -> bool:
    """Say whether a thin upright line leads from the upper border to a thing that stands on nothing below."""
    size = fitting((rgb.shape[0], rgb.shape[1]), 720)
    grey = cv2.cvtColor(shrunk(rgb, size), cv2.COLOR_RGB2GRAY).astype(np.float32)
    left, top, width, height = bounding_box(shrunk(mask.astype(np.float32), size) > 0.5)
    if top < 0.05 * size[0] or top + height > 0.95 * size[0] or width < 16:
        return False
    strip = grey[: top - 2, left + width // 4 : left + width - width // 4]
    ridge = strip[:, 4:-4] - 0.5 * (strip[:, :-8] + strip[:, 8:])
    if ridge.size == 0:
        return False
    ridge = cv2.blur(ridge, (3, 1))
    steady = np.maximum((ridge > 3).mean(axis=0), (ridge < -3).mean(axis=0))
    return bool(steady.max() > 0.9 and (steady > 0.5).mean() < 0.2)


def has_face(look: Look, bits: Bits) -> bool:
    """Say whether a face with shoulders below it is in a thing: skin, oval, the eyes darker than the cheeks."""
    coded = cv2.cvtColor(look.rgb, cv2.COLOR_RGB2YCrCb)
    skin = (coded[..., 1] >= 138) & (coded[..., 1] <= 173) & (coded[..., 2] >= 77) & (coded[..., 2] <= 127)
    skin = opened(skin & (coded[..., 0] > 60) & bits, 2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(skin.astype(np.uint8))
    whole = bounding_box(bits)
    for index in range(1, count):
        left, top, width, height, area = (int(v) for v in stats[index])
        if _placed_as_face(bits, whole, (left, top, width, height), area) and _featured(look, labels == index):
            return True
    return False


def _placed_as_face(bits: Bits, whole: Box, box: Box, area: int) -> bool:
    """Judge size, outline and place of a blob of skin in a thing."""
    _, top, width, height = box
    if min(width, height) < 12 or not 0.9 < height / width < 2.0 or not 0.5 < area / (width * height) < 0.95:
        return False
    if not 0.01 < area / bits.sum() < 0.35 or top + height / 2 > whole[1] + 0.45 * whole[3]:
        return False
    below = bits[min(top + 2 * height, bits.shape[0] - 1)]
    at = bits[top + height // 2]
    return bool(at.sum() < 2.6 * width and below.sum() > 1.4 * width)


def _featured(look: Look, blob: Bits) -> bool:
    """Look for two eyes in the upper half of a blob of skin: dark to the left and right, light between and below."""
    left, top, width, height = bounding_box(blob)
    face = cv2.resize(np.ascontiguousarray(look.lightness[top : top + height, left : left + width]), (24, 32))
    eyes = [face[8:18, part].min(axis=0).mean() for part in (slice(3, 11), slice(13, 21))]
    nose, cheeks = face[10:18, 11:13].mean(), face[18:24, 5:19].mean()
    return bool(max(eyes) < min(nose, cheeks) - 5 and abs(eyes[0] - eyes[1]) < 12)
