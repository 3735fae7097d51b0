"""The one thing at points that a person gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment import grabcut, saliency
from photoflow.segment.prompts import Point
from photoflow.segment.subject import Found, touching, whole

_KEPT = 0.7  # intersection over union of what the network sees and what GrabCut makes of it


def find(network: U2NetP | None, work: npt.NDArray[np.uint8], points: list[Point]) -> Found:
    """Find the thing under points: one part, in however many pieces, or none.

    Args:
        network: U²-Net-p, or None: its colours are all there is to go by.
        work: (H, W, 3) uint8, the reduced photo.
        points: in its pixels.
    """
    if network is not None:
        confidence = saliency.salient_at(network, work, points)
        seen = confidence > 0.5
        bits = touching(grabcut.settle(work, confidence, 0.4, 0.6), points)
        if seen.any() and (bits & seen).sum() < _KEPT * (bits | seen).sum():  # colours mislead: the point is cut off
            bits = seen
        if bits.any():
            return Found(whole(bits), confidence, "U²-Net-p at the points settled by GrabCut")
    bits = touching(grabcut.cut_points(work, points), points)
    return Found(whole(bits), np.full(bits.shape, 0.5, np.float32), "GrabCut around the points")
