"""The sky: calm, of a sky's colours, from the upper border down to something that stands sharply before it."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment import grabcut
from photoflow.segment.kinds.look import Look, grown, line_segments, opened, ramp, worn
from photoflow.segment.subject import Bits, Mask

_CALM, _CLOUD, _CLOUDY = 2.6, 4.0, 8.0  # texture: at most that of the blue, of a cloud, of its edge
_ALIKE, _GAP = 0.7, 24  # share of the columns; rows of a far shore, which is not calm
_LEAST_AREA, _LEAST_WIDTH, _MOST_BELOW = 0.05, 0.3, 0.25


def find_sky(look: Look) -> tuple[Bits, float] | None:
    """Find the sky.

    What is calm and of a sky's colours grows down from the upper border as far as a level line or anything with
    texture; clouds and gaps join it by their colours.

    Returns:
        (h, w) bool, and how sure that is in [0, 1]; None where there is none.
    """
    if min(look.shape) < 48:
        return None
    colour = sky_colour(look)
    calm = opened((look.texture < _CALM) & (colour > 0.5) & look.free, 2)
    whole = _from_above(calm)
    sky = _above_the_horizon(look, whole)
    sure = _sureness(look, sky, whole)
    if sure == 0:
        return None
    sky = _with_clouds(look, sky, colour)
    return None if _is_wall(look, sky) else (sky, sure)


def sky_colour(look: Look) -> Mask:
    """Say how well each pixel's colour goes with a sky: (h, w) in [0, 1].

    Blues at any lightness but black; greys and whites if they are light; the warm colours of an evening.
    """
    light, chroma = look.lightness, look.chroma
    blue = ramp(-look.lab[..., 2], 2, 6) * ramp(light, 4, 10) * ramp(look.lab[..., 1], -32, -24)  # no turquoise
    pale = ramp(-chroma, -22, -14) * ramp(light, 38, 52)
    turned = (look.hue + 60) % 360
    warm = ((turned > 20) & (turned < 155)) * ramp(light, 42, 55) * ramp(-chroma, -60, -45)
    return np.asarray(np.maximum(np.maximum(blue, pale), warm), np.float32)


def _from_above(calm: Bits) -> Bits:
    """Keep the parts that reach the upper border with a fair width."""
    count, labels = cv2.connectedComponents(calm.astype(np.uint8))
    top = labels[: max(1, calm.shape[0] // 40)]
    return np.isin(labels, [i for i in range(1, count) if (top == i).any(axis=0).mean() > 0.08])


def _above_the_horizon(look: Look, sky: Bits) -> Bits:
    """Cut the region at the sharpest level line in it: what is calm below is a sea or a lake."""
    row = level_line(look, sky)
    if row is None:
        return sky
    above: Bits = sky.copy()
    above[row:] = False
    return above if above.sum() < 0.85 * sky.sum() else sky


def level_line(look: Look, region: Bits) -> int | None:
    """Return the uppermost row of a sharp change of colour along all of a region's width, or None.

    The medians of the rows' colours are compared four rows apart. A change counts if it stands out among the others,
    and most columns change there alike: the edge of a cloud is nowhere that long.
    """
    rows = np.flatnonzero(region.mean(axis=1) > 0.5)
    if len(rows) < 24:
        return None
    medians = np.array([np.median(look.lab[row][region[row]], axis=0) for row in rows])
    steps = medians[4:] - medians[:-4]
    change = np.linalg.norm(steps, axis=1)
    enough = max(5.0, 5 * float(np.median(change)))
    change[: max(4, look.shape[0] // 8)] = 0
    change[rows[4:] - rows[:-4] > _GAP] = 0
    for index in np.flatnonzero((change > enough) & (change >= cv2.dilate(change, np.ones((5, 1))).ravel())):
        first, last = int(rows[index]), int(rows[index + 4])
        columns = (look.lab[last] - look.lab[first])[region[first] & region[last]] @ steps[index]
        if len(columns) and (columns > 0.4 * float(change[index]) ** 2).mean() > _ALIKE:
            return first + 2
    return None


def _sureness(look: Look, sky: Bits, whole: Bits) -> float:
    """Judge whether a calm region is a sky, 0 or from 0.5 to 1.

    A wall or a blurred background runs down to the lower border, ends without an edge, is rough, or is not
    lighter than what stands before it.
    """
    if sky.mean() < _LEAST_AREA:
        return 0.0
    light, chroma = float(np.median(look.lightness[sky])), float(np.median(look.chroma[sky]))
    blue, edge = -float(np.median(look.lab[..., 2][sky])), _edge(look, sky)
    below = ~grown(sky, 2)
    if blue < 8:  # white behind a thing is a studio, blue is not
        below &= look.free
    if below.mean() < 0.05:
        return 0.0
    width, lowest = sky[:3].any(axis=0).mean(), sky[-3:].any(axis=0).mean()
    most = 2 * _MOST_BELOW if blue > 8 and edge > 4 else _MOST_BELOW  # beside a tower
    if width < _LEAST_WIDTH or lowest > most or edge < (2.0 if sky is whole else 1.5):
        return 0.0
    if float(np.median(look.texture[sky])) > (1.3 if blue > 8 else 0.7):
        return 0.0
    if chroma < 15 and light < np.median(look.lightness[below]) + 3:
        return 0.0
    if chroma < 12 and (blue < -1 or whole[-3:].any(axis=0).mean() > _MOST_BELOW):
        return 0.0
    return float(np.clip(0.5 + 0.3 * ramp(blue, 4, 16) + 0.3 * ramp(width, 0.5, 0.9) - lowest, 0.5, 1.0))


def _edge(look: Look, sky: Bits) -> float:
    """Return the median texture on the region's edge; 0 if it has none."""
    edge = grown(sky, 2) & ~sky & look.free
    edge[:2] = False
    return float(np.median(look.texture[edge])) if edge.sum() > 10 else 0.0


def _is_wall(look: Look, sky: Bits) -> bool:
    """Say whether a pale region has the long straight edge of a corner in it."""
    lines = line_segments(look)
    on = worn(sky, 2)[lines.middle[:, 1], lines.middle[:, 0]]
    longest = float(lines.length[on].max(initial=0.0))
    return bool(np.median(look.chroma[sky]) < 15) and longest > 0.35 * look.shape[0]


def _with_clouds(look: Look, sky: Bits, colour: Mask) -> Bits:
    """Decide by colour about clouds, gaps between twigs and the edge."""
    lowest = int(np.flatnonzero(sky.mean(axis=1) > 0.02)[-1])
    above = look.free.copy()
    above[lowest + 2 :] = False
    likely = (colour > 0.6) & (look.texture < _CLOUD) & above
    maybe = ((colour > 0.4) & (look.texture < _CLOUDY) & above) | (grown(sky, 3) & look.free)
    levels = ((maybe, 0.45), (likely, 0.55), (sky, 0.6), (worn(sky, 2), 0.9))
    probability = np.full(look.shape, 0.1, np.float32)
    for bits, level in levels:
        probability[bits] = level
    settled = grabcut.settle(look.rgb, probability)
    count, labels = cv2.connectedComponents(settled.astype(np.uint8))
    kept = [i for i in range(1, count) if (sky & (labels == i)).any() or (labels == i).mean() > 0.002]
    return np.isin(labels, kept) & look.free
