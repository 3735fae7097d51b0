"""The region of a picture that a moving subject sweeps, and what of it is visible."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.motion import MotionField
from photoflow.motion.scene import moments
from photoflow.render.cutout import Box

Window = tuple[slice, slice]

_LOOKED_AT = (16, 64)  # moments a second, and at least in all: how far a subject goes must not be missed
MARGIN = 4  # pixels around what moves, of which the bicubic kernel reads some


def swept(box: Box, reach: tuple[int, int], size: tuple[int, ...], step: int) -> Box:
    """Grow a box to the region swept by the subject.

    The region goes beyond the picture's border only where the border cuts the subject. Its sides are made whole
    steps of the flow's grid and one pixel, so that the grid's ends are the region's.
    """
    height, width = size
    left, top, right, bottom = box
    left = left - min(reach[0], width - 1) if left == 0 else max(0, left - reach[0])
    top = top - min(reach[1], height - 1) if top == 0 else max(0, top - reach[1])
    right = right + min(reach[0], width - 1) if right == width else min(width, right + reach[0])
    bottom = bottom + min(reach[1], height - 1) if bottom == height else min(height, bottom + reach[1])
    return left - (right - left - 1) % step, top - (bottom - top - 1) % step, right, bottom


def windows(region: Box, size: tuple[int, ...]) -> tuple[Window, Window]:
    """Locate the region's visible part: as (rows, columns) of the picture, and of the region."""
    height, width = size
    left, top, right, bottom = region
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    return (rows, columns), inside


def spanned(box: Box, step: int) -> Box:
    """Return a box whose grid of every `step`th pixel ends with its last row and column, and covers all of `box`."""
    left, top, right, bottom = box
    across, down = -(-(right - 1 - left) // step), -(-(bottom - 1 - top) // step)
    return left, top, left + across * step + 1, top + down * step + 1


def coarse(mask: Array, step: int) -> Array:
    """Take every `step`th pixel of the mask; of anything thinner than that, the surroundings too."""
    nodes = mask[::step, ::step]
    if nodes.max() >= 0.5 * mask.max():
        return nodes
    return cv2.dilate(mask, np.ones((2 * step - 1, 2 * step - 1), np.uint8))[::step, ::step]


def travelled(field: MotionField, seconds: float) -> Array:
    """Measure the largest displacements in x and y over the clip, (2, h, w) in pixels of the field's grid."""
    largest = torch.zeros(())
    for t in moments(seconds, *_LOOKED_AT):
        largest = torch.maximum(field.flow(float(t)).abs().cpu(), largest)
    return largest.numpy()


def reach(travel: Array) -> tuple[int, int]:
    """Return the largest displacement in x and y, whole pixels, with a margin for the times between the moments."""
    x, y = (math.ceil(float(one.max()) * 1.03) + MARGIN - 1 for one in travel)
    return x, y
