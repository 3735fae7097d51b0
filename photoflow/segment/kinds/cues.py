"""Cues to a thing's kind: straight lines, leaves, petals, a face, what it hangs from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, shrunk
from photoflow.segment.kinds.look import Look, grown, line_segments, opened
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
    found = line_segments(look)
    extent = max(float(np.sqrt(bits.sum())), 1.0)
    long = grown(bits, 3)[found.middle[:, 1], found.middle[:, 0]] & (found.length > max(8.0, 0.15 * extent))
    if not long.any():
        return Lines(0, 0.0, 0.0, 0.0)
    lengths = found.length[long]
    weights = np.bincount((found.angle[long] / 10).astype(int) % 18, weights=lengths, minlength=18)
    alike = (weights + np.roll(weights, 1)).max() / weights.sum()
    return Lines(len(lengths), float(lengths.sum() / extent), float(lengths.max() / extent), float(alike))


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
    inner = slice(left + width // 4, left + width - width // 4)
    for sign in (1, -1):
        above, under = (
            _upright_line(sign * part) for part in (grey[: top - 2, inner], grey[top + height + 2 :, inner])
        )
        line = int(above.argmax())
        if above[line] > 0.9 and (above > 0.5).mean() < 0.2 and under[max(0, line - 3) : line + 4].max() < 0.5:
            return True
    return False


def _upright_line(strip: Mask) -> Mask:
    """Return for each column of a strip the share of its rows that are lighter than what lies four pixels aside."""
    ridge = strip[:, 4:-4] - 0.5 * (strip[:, :-8] + strip[:, 8:])
    return np.asarray((cv2.blur(ridge, (3, 1)) > 3).mean(axis=0), np.float32)


def has_face(look: Look, bits: Bits) -> bool:
    """Say whether a head is on shoulders in a thing."""
    return find_head(look, bits) is not None


def find_head(look: Look, bits: Bits) -> Box | None:
    """Find a head on shoulders in a thing: skin, oval, as wide as the thing is there, with eyes.

    Returns:
        The box of what has the colour of skin; hair may have it, too. None where there is none.
    """
    coded = cv2.cvtColor(look.rgb, cv2.COLOR_RGB2YCrCb)
    whole = bounding_box(bits)
    for least in (138, 133):  # of Cr: skin in warm light, and in the light of a screen or a tube
        skin = (coded[..., 1] >= least) & (coded[..., 1] <= 173) & (coded[..., 2] >= 77) & (coded[..., 2] <= 127)
        skin = opened(skin & (coded[..., 0] > 60) & bits, 2)
        for row in cv2.connectedComponentsWithStats(skin.astype(np.uint8))[2][1:]:
            left, top, width, height, area = (int(value) for value in row)
            box = left, top, width, height
            if _placed_as_head(bits, whole, box, area) and _featured(look, box):
                return box
    return None


def _placed_as_head(bits: Bits, whole: Box, box: Box, area: int) -> bool:
    """Judge size, outline and place of a blob of skin in a thing."""
    _, top, width, height = box
    if min(width, height) < 12 or not 1.1 < height / width < 1.9 or not 0.55 < area / (width * height) < 0.95:
        return False
    if not 0.01 < area / bits.sum() < 0.35 or top > whole[1] + height / 2 or 2 * height > whole[3]:
        return False
    at, below = bits[top + height // 2].sum(), bits[min(top + 2 * height, bits.shape[0] - 1)].sum()
    return bool(0.85 * width < at < 1.5 * width and below > 2.2 * width)


def _featured(look: Look, box: Box) -> bool:
    """Look for two eyes in the upper half of a head: dark to the left and right, light between and below."""
    left, top, width, height = box
    face = cv2.resize(np.ascontiguousarray(look.lightness[top : top + height, left : left + width]), (24, 32))
    eyes = [float(face[8:18, part].min(axis=0).mean()) for part in (slice(3, 11), slice(13, 21))]
    nose, cheeks = face[10:18, 11:13].mean(), face[18:24, 5:19].mean()
    return bool((eyes[0] + eyes[1]) / 2 < min(nose, cheeks) - 2.5 and abs(eyes[0] - eyes[1]) < 12)
