"""The one thing inside a box that a person draws."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment import grabcut, saliency
from photoflow.segment.subject import Bits, Box, Found, Mask, bounding_box, overlap, whole

SPARSE = 0.05  # of a box: what fills less of it is thin, or is not the thing
SPANNED, TIGHT = 0.6, 0.8  # overlap of a thing's bounding box with the box from which on it spans it, and surely does


def find(network: U2NetP | None, work: npt.NDArray[np.uint8], box: Box) -> Found:
    """Find the thing inside a box: one part, in however many pieces, or none.

    Args:
        network: U²-Net-p, or None: its colours are all there is to go by.
        work: (H, W, 3) uint8, the reduced photo.
        box: in its pixels.
    """
    if network is not None:
        bits, confidence, said = max(_looks(network, work, box), key=lambda look: _spanned(look[0], box))
        if bits.sum() >= SPARSE * box[2] * box[3] or _spanned(bits, box) > SPANNED:
            return Found(whole(bits), confidence, said)
    flat = np.full(work.shape[:2], 0.5, np.float32)
    return Found(whole(grabcut.cut_box(work, box)), flat, "GrabCut inside the box")


def _looks(network: U2NetP, work: npt.NDArray[np.uint8], box: Box) -> Iterator[tuple[Bits, Mask, str]]:
    """Yield what is seen from close by; and where that leaves much of the box, what stands out in the whole photo."""
    confidence = saliency.salient_in_box(network, work, box)
    near = _inside(grabcut.settle(work, confidence, 0.4, 0.6), box)
    yield near, confidence, "U²-Net-p inside the box settled by GrabCut"
    if _spanned(near, box) < TIGHT:
        confidence = saliency.salient(network, work)
        far = _inside(grabcut.settle(work, confidence), box)
        yield far, confidence, "U²-Net-p in the whole photo, inside the box, settled by GrabCut"


def _spanned(bits: Bits, box: Box) -> float:
    """Return the overlap of what was found, as a box, with the box that a person drew around it.

    Source: Lempitsky et al. 2009, "Image Segmentation with a Bounding Box Prior": such a box is tight.
    """
    return overlap(bounding_box(bits), box) if bits.any() else 0.0


def _inside(bits: Bits, box: Box) -> Bits:
    """Return the mask with all outside the box cleared."""
    kept = np.zeros_like(bits)
    window = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    kept[window] = bits[window]
    return kept
