"""Cues that tell a thing from its surroundings, each as the logarithm of how much likelier the thing is."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.frames import Frame, places, sampled
from photoflow.segment.subject import Bits

_LIGHTNESS, _COLOUR, _PLACE = 14, 7, 40  # a cell: levels of L, levels of a and b, pixels of the working size
_LEAST_COLOUR, _COLOURS = 86, 12  # Lab's bytes of a and b lie about 128; the cells at both ends hold all beyond
_DOUBT = 2.0  # pixels of either kind that every cell is taken to hold besides
_RARE = 1e-6  # the same, as a share of all pixels, where only the colour counts
_STEPS, _SAMPLE, _FEWEST = 24, 2000, 50
_SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9
_MOST = 2.5  # natural logarithm: no cue says more than that of a pixel

UNKNOWN = np.float32(np.inf)


class ColourGrid:
    """Counts of the pixels of a thing and of all else, by colour and place: what colours are where.

    Args:
        frame: (H, W).
        mask: (H, W) float32 in [0, 1], the share of the thing.

    Source: Märki et al., "Bilateral Space Video Segmentation", CVPR 2016, section 3: a grid over colour and place; here
        with a count of each kind instead of a labelling of the grid.
    """

    def __init__(self, frame: Frame, mask: Array) -> None:
        self._shape = frame.shape
        down, across = (side // _PLACE + 2 for side in frame.shape)
        self._cells = (255 // _LIGHTNESS + 1, _COLOURS, _COLOURS, across, down)
        number = np.ravel_multi_index(self._cell(frame.lab, places(frame.shape)), self._cells).ravel()
        self._near, self._anywhere = [], []
        for weight in (mask, 1 - mask):
            counts = np.bincount(number, weight.ravel(), int(np.prod(self._cells))).reshape(self._cells)
            counts = np.asarray(counts, np.float32)
            self._anywhere.append(_blurred(counts.sum((3, 4)), range(3)))
            self._near.append(_blurred(_blurred(counts, range(5)), (3, 4)))

    def near(self, lab: Array, at: Array) -> Array:
        """Return how often colours (H, W, 3) were of the thing, and of all else, around places (H, W, 2): (2, H, W)."""
        cell = self._cell(lab, at)
        return np.stack([counts[cell] for counts in self._near])

    def anywhere(self, lab: Array) -> Array:
        """Return the shares of colours (H, W, 3) in the thing and in all else, wherever it is: (2, H, W)."""
        cell = self._cell(lab, places(self._shape))[:3]
        return np.stack([counts[cell] / max(float(counts.sum()), 1.0) for counts in self._anywhere])

    def _cell(self, lab: Array, at: Array) -> tuple[Array, ...]:
        across, down = self._cells[3:]
        colours = [np.clip((lab[..., n].astype(np.int32) - _LEAST_COLOUR) // _COLOUR, 0, _COLOURS - 1) for n in (1, 2)]
        x, y = (
            np.rint(np.clip(at[..., n] / _PLACE, 0, most - 1)).astype(np.int32) for n, most in enumerate((across, down))
        )
        return lab[..., 0] // _LIGHTNESS, *colours, x, y


def by_place(grids: Iterable[tuple[ColourGrid, Array]], lab: Array) -> Array:
    """Return how much likelier colours are the thing's, beside what was around the same place in other frames.

    Args:
        grids: of the other frames, each with the place there of every pixel, (H, W, 2).
        lab: (H, W, 3).
    """
    counts = [grid.near(lab, at) for grid, at in grids]
    thing, rest = np.sum(counts, axis=0) + _DOUBT * len(counts)
    return np.asarray(np.clip(np.log(thing / rest), -3.0, 3.0))


def by_colour(grids: Iterable[ColourGrid], lab: Array) -> Array:
    """Return how much likelier colours (H, W, 3) are the thing's, wherever it is."""
    thing, rest = np.mean([grid.anywhere(lab) for grid in grids], axis=0) + _RARE
    return np.asarray(np.clip(np.log(thing / rest), -2.0, 2.0))


def by_likeness(values: Array, thing: Bits, rest: Bits) -> Array:
    """Return how much likelier values are the thing's, by those where it surely is and surely is not.

    What does not tell the two apart says nothing: such values are as frequent in both.

    Args:
        values: (H, W), of any meaning; `UNKNOWN` says nothing.
        thing: (H, W) bool, pixels of it.
        rest: (H, W) bool, pixels beside it.
    """
    known = np.isfinite(values)
    inside, outside = values[thing & known], values[rest & known]
    if min(len(inside), len(outside)) < _FEWEST:
        return np.zeros(values.shape, np.float32)
    draw = np.random.default_rng(0)
    both = np.concatenate([draw.choice(inside, _SAMPLE), draw.choice(outside, _SAMPLE)])
    edges = np.unique(np.quantile(both, np.linspace(0, 1, _STEPS + 1)[1:-1]))
    shares = []
    for some in (inside, outside):
        counts = np.bincount(np.searchsorted(edges, some), minlength=len(edges) + 1) / len(some)
        shares.append(np.convolve(np.pad(counts, 2, mode="edge"), _SMOOTHING, "valid") + 0.01)
    odds = np.clip(np.log(shares[0] / shares[1]), -_MOST, _MOST).astype(np.float32)
    return np.where(known, odds[np.searchsorted(edges, values)], np.float32(0))


def unexplained(frame: Frame, other: Frame, at: Array, hidden: Array) -> Array:
    """Measure how much another frame's background differs from a frame: (H, W), levels; `UNKNOWN` where it is unseen.

    Args:
        frame: (H, W).
        other: another one of its size.
        at: the place of each pixel in it, if it is of the background, (H, W, 2).
        hidden: the thing in the other frame, (H, W) in [0, 1].
    """
    height, width = frame.shape
    wanted, there = frame.lab.astype(np.float32), sampled(other.lab, at).astype(np.float32)
    around = cv2.copyMakeBorder(there, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    least = np.full(frame.shape, UNKNOWN)
    for x, y in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2)):  # the camera's motion is known to about a pixel
        apart = np.abs(around[y : y + height, x : x + width] - wanted).sum(2)
        np.minimum(least, cv2.blur(apart, (5, 5)), out=least)
    inside = (at >= 0).all(2) & (at[..., 0] <= width - 1) & (at[..., 1] <= height - 1)
    least[~inside | (sampled(hidden, at) > 0.5)] = UNKNOWN
    return least


def _blurred(counts: Array, axes: Iterable[int]) -> Array:
    """Blur counts by (1, 2, 1) / 4 along some axes."""
    for axis in axes:
        rows = np.moveaxis(counts, axis, 0)
        out = 0.5 * rows
        out[1:] += 0.25 * rows[:-1]
        out[:-1] += 0.25 * rows[1:]
        counts = np.moveaxis(out, 0, axis)
    return np.ascontiguousarray(counts)
