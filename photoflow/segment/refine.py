"""Corrections by hand: what belongs to a subject after all, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment import grabcut
from photoflow.segment.prompts import Stroke
from photoflow.segment.subject import Bits, bounding_box, padded

REACH = 0.12  # of the picture's diagonal: how far from a stroke a correction goes
COLOURS = 5  # that stand for those of a place
SAMPLE = 10_000  # pixels of a place that tell them
SIDE = 360  # longest side at which GrabCut decides: it answers a click, and the photo's edges are followed afterwards
ENOUGH = 0.2  # of a mask: so much of it tells what colours it has
BRUSH = 0.006  # of the diagonal: half the width of a stroke


def corrected(rgb: npt.NDArray[np.uint8], bits: Bits, add: Sequence[Stroke], remove: Sequence[Stroke]) -> Bits:
    """Return a mask as strokes correct it, by the photo's colours around them.

    Around the strokes GrabCut decides anew, with the strokes themselves certain; of what changes, only what a stroke
    touches is kept. Farther away the mask stays as it is.

    Args:
        rgb: (H, W, 3) uint8.
        bits: (H, W) bool.
        add: what belongs to the subject, pixels.
        remove: what does not.
    """
    shape = bits.shape[0], bits.shape[1]
    more, less = painted(add, shape), painted(remove, shape)
    touched = more | less
    radius = REACH * float(np.hypot(*shape))
    near = _within(touched, radius)
    labels = np.where(bits, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[near] = np.where(bits, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[near]
    # GrabCut begins with what looks like the strokes on their side, or its models would learn the mistake.
    lab = np.asarray(cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1.0), cv2.COLOR_RGB2Lab), np.uint8)
    labels[_alike(lab, near & ~bits, more, ~bits & ~near)] = cv2.GC_PR_FGD
    labels[_alike(lab, near & bits, less, _apart(bits, less, radius))] = cv2.GC_PR_BGD
    labels[more], labels[less] = cv2.GC_FGD, cv2.GC_BGD
    left, top, width, height = padded(bounding_box(near), 0.3, shape)
    window = np.s_[top : top + height, left : left + width]
    cut = bits.copy()
    cut[window] = grabcut.cut(rgb[window], labels[window], side=SIDE)
    result = bits | _at(cut & ~bits & near, more)
    return np.asarray((result & ~_at(~cut & bits & near, less) | more) & ~less)


def painted(strokes: Sequence[Stroke], shape: tuple[int, int]) -> Bits:
    """Return where strokes are, as wide as a brush: (H, W) bool."""
    canvas = np.zeros(shape, np.uint8)
    radius = max(2, round(BRUSH * float(np.hypot(*shape))))
    for stroke in strokes:
        line = np.rint(np.array(stroke)).astype(np.int32)
        cv2.polylines(canvas, [line], False, 1, 2 * radius + 1)
        for x, y in line:
            cv2.circle(canvas, (int(x), int(y)), radius, 1, -1)
    return canvas > 0


def _within(bits: Bits, radius: float) -> Bits:
    """Return what lies within some pixels of a mask, itself included."""
    return np.asarray(cv2.distanceTransform((~bits).astype(np.uint8), cv2.DIST_L2, 5) <= radius)


def _apart(bits: Bits, strokes: Bits, radius: float) -> Bits:
    """Return the part of a mask that is far from strokes, or less far where that would leave too little of it."""
    for share in (1.0, 0.5, 0.25):
        apart = bits & ~_within(strokes, share * radius)
        if apart.sum() > ENOUGH * bits.sum():
            return apart
    return bits & ~strokes


def _alike(lab: npt.NDArray[np.uint8], asked: Bits, here: Bits, there: Bits) -> Bits:
    """Return which of some pixels have a colour nearer to those of one place than to those of another: (H, W) bool."""
    alike = np.zeros_like(asked)
    if not (asked.any() and here.any() and there.any()):
        return alike
    own = lab[asked].astype(np.float32)
    near, far = (
        np.min(
            [np.square(own - colour).sum(axis=1) for colour in grabcut.main_colours(_sample(lab[place]), COLOURS)], 0
        )
        for place in (here, there)
    )
    alike[asked] = near < far
    return alike


def _sample(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return evenly spread colours of many, (N, 3) -> (K, 3), K at most `SAMPLE`."""
    return np.asarray(colours[:: -(-len(colours) // SAMPLE)], np.float32)


def _at(bits: Bits, strokes: Bits) -> Bits:
    """Return the connected parts of a mask that strokes touch."""
    reached = cv2.dilate(strokes.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    _, labels = cv2.connectedComponents(bits.astype(np.uint8))
    return np.asarray(np.isin(labels, np.unique(labels[reached & bits])) & bits)
