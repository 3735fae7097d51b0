"""Water: below the sky, level at its far shore, calm or streaked along the rows, bluish or of the sky's colours."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment import grabcut
from photoflow.segment.kinds.look import Look, grown, opened, worn
from photoflow.segment.subject import Bits

_ROUGH = 7.0  # texture: no wave's crest a photo's width away is above
_LEAST_AREA, _LEAST_HEIGHT = 0.05, 0.08


def find_water(look: Look, sky: Bits) -> tuple[Bits, float] | None:
    """Find the water under a sky.

    It begins at a level shore near the sky's lower edge; what lies just below the shore says how water looks in this
    photo, and what looks the same further down, down to a bank or a pier, is water.

    Args:
        look: the photo.
        sky: (h, w) bool, without which nothing is taken for water.

    Returns:
        (h, w) bool, and how sure that is in [0, 1]; None where there is none.
    """
    if np.median(look.chroma[sky]) < 4:  # of a grey photo only the shapes are left, and those of meadows are alike
        return None
    maybe = opened(_watery(look, sky), 1)
    row = _shore(look, sky, maybe)
    if row is None:
        return None
    height = look.shape[0]
    seed = maybe.copy()
    seed[:row] = seed[row + max(4, height // 12) :] = False
    if seed.sum() < 0.004 * seed.size or _lined(look, row) or _earthen(look, seed):
        return None
    rough = 1.6 * float(np.percentile(look.texture[seed], 75)) + 0.5
    alike = (look.texture < rough) & grown(maybe, 2) & look.free
    alike[:row] = False
    water = _joined(opened(alike, 2), seed)
    if water.mean() < _LEAST_AREA or water.any(axis=1).mean() < _LEAST_HEIGHT or not _streaked(look, water):
        return None
    probability = np.where(worn(water, 2), 0.9, np.where(water, 0.6, np.where(grown(water, 3), 0.4, 0.1)))
    probability[: row - 1] = 0.1
    settled = grabcut.settle(look.rgb, probability.astype(np.float32)) & look.free
    settled[: row - 1] = False
    return settled, 0.7


def _watery(look: Look, sky: Bits) -> Bits:
    """Say where a pixel may be water by itself."""
    across, down = (cv2.blur(np.abs(part), (31, 9)) for part in (look.across, look.down))
    streaked = (down > 1.2 * across) | (look.texture < 1.0)
    below = np.cumsum(sky[::-1], axis=0)[::-1] == 0
    light = look.lightness > max(16.0, 0.4 * float(np.median(look.lightness[sky])))
    bluish = look.lab[..., 2] < -4
    alike = bluish | _of_colours(look, sky)
    return np.asarray(streaked & (look.texture < _ROUGH) & light & alike & below & look.free)


def _of_colours(look: Look, region: Bits) -> Bits:
    """Say which pixels have a hue and chroma that the region has."""
    index = np.clip(((look.lab[..., 1:] + 64) / 4).astype(int), 0, 31)
    code = index[..., 0] * 32 + index[..., 1]
    seen = np.bincount(code[region], minlength=1024).reshape(32, 32) > 0.01 * region.sum()
    return np.asarray(cv2.dilate(seen.astype(np.uint8), np.ones((3, 3), np.uint8)).ravel()[code] > 0)


def _shore(look: Look, sky: Bits, maybe: Bits) -> int | None:
    """Return the row near the sky's lower edge where water begins all at once, or None."""
    height = look.shape[0]
    columns = sky.any(axis=0)
    if columns.mean() < 0.4:
        return None
    bottom = height - 1 - sky[::-1].argmax(axis=0)[columns]
    first, last = int(np.percentile(bottom, 40)), int(np.percentile(bottom, 95)) + height // 6
    share = (maybe.sum(axis=1) + 1.0) / (look.free.sum(axis=1) + 2.0)
    best, found = 0.0, None
    for row in range(max(first - 2, 8), min(last, height - 12)):
        above, below = share[row - 5 : row - 1].mean(), share[row + 2 : row + 8].mean()
        if below > 0.55 and below - above > max(best, 0.3):
            best, found = float(below - above), row
    return found


def _streaked(look: Look, water: Bits) -> bool:
    """Say whether the edges inside a region run along the rows, as waves and reflections do and rocks do not."""
    inside = worn(water, 2)
    if not inside.any():
        return False
    across, down = (float(np.abs(part[inside]).mean()) for part in (look.across, look.down))
    return down > (1.3 if float(np.median(look.texture[inside])) < 1 else 2.0) * across


def _lined(look: Look, row: int) -> bool:
    """Say whether lines run through all of the width below the shore, as on a road; waves average out over a row."""
    profile = np.median(look.lightness[row + look.shape[0] // 20 :], axis=1).astype(np.float32)[:, None]
    if len(profile) < 8:
        return False
    fine = profile - cv2.GaussianBlur(profile, (0, 0), 4, borderType=cv2.BORDER_REPLICATE)
    return float(np.std(fine)) > 3.0


def _earthen(look: Look, seed: Bits) -> bool:
    """Say whether a region is of the colours of sand and mud: hardly blue, and paler than an evening's light."""
    return -3 < float(np.median(look.lab[..., 2][seed])) < 25


def _joined(bits: Bits, seed: Bits) -> Bits:
    """Keep the parts that hold some of the seed."""
    count, labels = cv2.connectedComponents(bits.astype(np.uint8))
    held = np.bincount(labels[seed & bits], minlength=count)
    return np.isin(labels, [i for i in range(1, count) if held[i] > 10])
