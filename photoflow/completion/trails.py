"""Trails: from each pixel of a hole along the flow, frame by frame, to the frame that shows what belongs there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photoflow.arrays import Array

NOWHERE = -1


class Trails(NamedTuple):
    """Ends of the trails of a hole's N pixels.

    Args:
        frame: int32 (N,), the number of the frame that shows the pixel; -1: none.
        place: float32 (N, 2), x and y there, pixels.
        steps: int32 (N,), how many frames away that is.
    """

    frame: Array
    place: Array
    steps: Array

    @classmethod
    def none(cls, count: int) -> Trails:
        """Return `count` trails that lead nowhere."""
        return cls(np.full(count, NOWHERE, np.int32), np.zeros((count, 2), np.float32), np.zeros(count, np.int32))

    @property
    def found(self) -> Array:
        """Return which of them lead somewhere, bool (N,)."""
        return np.asarray(self.frame != NOWHERE)


class Hole:
    """The unknown pixels of a frame, in the order of rows.

    Args:
        mask: bool (H, W).

    Attributes:
        pixels: (N, 2) int32, x and y of each.
    """

    def __init__(self, mask: Array) -> None:
        self.mask = mask
        y, x = np.nonzero(mask)
        self.pixels = np.stack([x, y], 1).astype(np.int32)

    @classmethod
    def of(cls, packed: Array, shape: Array) -> Hole:
        """Return the hole whose mask is packed, eight pixels to a byte, in rows of (H, W) `shape`."""
        height, width = (int(side) for side in shape)
        return cls(np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool))

    def __len__(self) -> int:
        return len(self.pixels)

    def numbers(self) -> Array:
        """Return the place of each pixel among `pixels`, int32 (H, W); -1 outside of the hole."""
        numbers = np.full(self.mask.shape, NOWHERE, np.int32)
        numbers[self.mask] = np.arange(len(self))
        return numbers


def followed(hole: Hole, flow: Array, beside: Hole, shown: Array, onwards: Trails, number: int) -> Trails:
    """Follow a hole's pixels to the next frame, and where it does not show them, along the trails of that frame.

    Args:
        hole: of the frame that the trails begin in, N pixels.
        flow: float32 (N, 2), the displacement of each pixel to the next frame (or the one before), pixels.
        beside: the hole of that frame, M pixels.
        shown: bool (H, W), what that frame shows.
        onwards: its trails, M.
        number: that frame's number.

    Returns:
        N trails. The steps of a trail are added up without rounding, so that colours are drawn once, from the frame
        that shows them, and not blurred from frame to frame.
    """
    place = hole.pixels + flow
    height, width = shown.shape
    nearest = np.rint(place).astype(np.int32)
    inside = ((nearest >= 0) & (nearest < (width, height))).all(1)
    column, row = nearest.clip(0, (width - 1, height - 1)).T
    direct = inside & shown[row, column]
    next_one = beside.numbers()[row, column]
    goes_on = inside & ~direct & (next_one != NOWHERE)
    goes_on[goes_on] = onwards.found[next_one[goes_on]]
    trails = Trails.none(len(hole))
    trails.frame[direct], trails.place[direct], trails.steps[direct] = number, place[direct], 1
    then = next_one[goes_on]
    trails.frame[goes_on] = onwards.frame[then]
    trails.place[goes_on] = onwards.place[then] + (place - nearest)[goes_on]
    trails.steps[goes_on] = onwards.steps[then] + 1
    return trails
