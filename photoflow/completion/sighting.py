"""Search for a thing that was hidden or out of the picture: where it is seen again, wholly or by half."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.frames import Frame
from photoflow.segment.guided import shrunk
from photoflow.segment.subject import Bits, bounding_box

_SPREAD = 16.0  # pixels: the root of the thing's area at the size of the search
_LEAST = 24  # pixels of a part that can be told from anything else
_ALIKE = 15.0  # levels of Lab, root of the mean square: a thing that comes back is that much like it was
_BESIDE = 0.15  # times the squared difference that is usual in the picture: else it may be anything


def seen_again(frame: Frame, before: Frame, thing: Bits) -> tuple[float, float] | None:
    """Find a thing of an earlier frame in another one, looking as it did.

    Args:
        frame: where it is searched for.
        before: where it was seen.
        thing: (H, W) bool, in that frame.

    Returns:
        x, y from its place in `frame` back to that in `before`, pixels; None: it is not there.
    """
    scale = min(1.0, _SPREAD / float(np.sqrt(max(1, thing.sum()))))
    size = (max(1, round(frame.shape[0] * scale)), max(1, round(frame.shape[1] * scale)))
    now, then = (shrunk(one.lab, size).astype(np.float32) for one in (frame, before))
    mask = shrunk(thing.astype(np.float32), size) > 0.5
    found = [match for part in _parts(mask) if (match := _match(now, then, part)) is not None]
    if not found:
        return None
    _, x, y = min(found)
    return x * frame.shape[1] / size[1], y * frame.shape[0] / size[0]


def _parts(mask: Bits) -> list[Bits]:
    """Return a thing, and its halves: of what comes out from behind something, one side is seen first."""
    left, top, width, height = bounding_box(mask)
    halves = []
    for window in (
        np.s_[:, : left + width // 2], np.s_[:, left + width // 2 :],
        np.s_[: top + height // 2], np.s_[top + height // 2 :],
    ):  # fmt: skip
        half = np.zeros_like(mask)
        half[window] = mask[window]
        halves.append(half)
    return [part for part in (mask, *halves) if part.sum() >= _LEAST]


def _match(now: Array, then: Array, part: Bits) -> tuple[float, float, float] | None:
    """Return how unlike the place is that looks most like a part, and x, y from there to the part; None: none does."""
    left, top, width, height = bounding_box(part)
    window = np.s_[top : top + height, left : left + width]
    weight = np.repeat(part[window].astype(np.float32)[..., None], 3, 2)
    apart = cv2.matchTemplate(now, np.ascontiguousarray(then[window]), cv2.TM_SQDIFF, mask=weight)
    apart = np.maximum(apart, 0) / weight.sum()
    least, _, (x, y), _ = cv2.minMaxLoc(apart)
    if least > _ALIKE**2 or least > _BESIDE * float(np.median(apart)):
        return None
    return float(least), float(left - x), float(top - y)
