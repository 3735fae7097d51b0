"""The one thing inside a box that a person draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment import grabcut, saliency
from photoflow.segment.subject import Bits, Box, Found, whole


def find(network: U2NetP | None, work: npt.NDArray[np.uint8], box: Box) -> Found:
    """Find the thing inside a box: one part, in however many pieces, or none.

    Args:
        network: U²-Net-p, or None: its colours are all there is to go by.
        work: (H, W, 3) uint8, the reduced photo.
        box: in its pixels.
    """
    if network is not None:
        confidence = saliency.salient_in_box(network, work, box)
        bits = _inside(grabcut.settle(work, confidence, 0.4, 0.6), box)
        if bits.sum() >= 0.05 * box[2] * box[3]:
            return Found(whole(bits), confidence, "U²-Net-p inside the box settled by GrabCut")
    flat = np.full(work.shape[:2], 0.5, np.float32)
    return Found(whole(grabcut.cut_box(work, box)), flat, "GrabCut inside the box")


def _inside(bits: Bits, box: Box) -> Bits:
    """Return the mask with all outside the box cleared."""
    kept = np.zeros_like(bits)
    window = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    kept[window] = bits[window]
    return kept
