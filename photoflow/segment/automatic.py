"""The subjects of a photo that nobody points at: what stands out, each thing for itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment import grabcut, saliency
from photoflow.segment.parting import parted
from photoflow.segment.subject import Bits, Found, Mask, NoSubjectError, split

MAX_SUBJECTS = 8
_SURE_PEAK, _SURE_MEAN, _LEAST_AREA, _MOST_AREA = 0.75, 0.64, 0.001, 0.75
_SURE_MEAN_CLOSE = 0.85  # of something that was only seen from close by


def find(network: U2NetP | None, work: npt.NDArray[np.uint8]) -> Found:
    """Find the subjects, the most prominent first.

    Args:
        network: U²-Net-p, or None: colours unlike the border's are all there is to go by.
        work: (H, W, 3) uint8, the reduced photo.

    Raises:
        NoSubjectError: nothing stands out, or only scenery does.
    """
    if network is None:
        bits, confidence = grabcut.cut_salient(work), np.full(work.shape[:2], 0.5, np.float32)
        said = "GrabCut on colours unlike the border's, a guess without a network"
    else:
        confidence = salient(network, work)
        bits, said = grabcut.settle(work, confidence, 0.4, 0.6), "U²-Net-p saliency settled by GrabCut"
    parts = [part for part in split(bits) if not is_scenery(part)]
    if not parts:
        raise NoSubjectError("what stands out is the scenery")
    if network is not None:
        parts = [half for part in parts for half in parted(network, work, part)]
    return Found(tuple(parts[:MAX_SUBJECTS]), confidence, said)


def salient(network: U2NetP, work: npt.NDArray[np.uint8]) -> Mask:
    """Find the photo's subject; raise NoSubjectError for a meadow, a sky, a texture.

    The bounds were read off overlays of sixty photos: on pictures without a subject the peak or the mean
    inside the outline stays low, as the whole look and the close look disagree. Something small in a busy
    picture gets a second chance, a look at the place that stands out most, and must be surer then.
    """
    confidence = saliency.salient(network, work)
    if not _stands_out(confidence, _SURE_MEAN):
        confidence = saliency.salient_at_peak(network, work)
        if not _stands_out(confidence, _SURE_MEAN_CLOSE):
            raise NoSubjectError("nothing in the photo stands out")
    if (confidence > 0.5).mean() > _MOST_AREA:
        raise NoSubjectError("what stands out fills the picture")
    things = [part for part in split(confidence > 0.5) if not is_scenery(part)]
    return saliency.confirmed(network, work, confidence, things[0]) if things else confidence


def _stands_out(confidence: Mask, sure_mean: float) -> bool:
    inside = confidence > 0.5
    sure = confidence.max() >= _SURE_PEAK and inside.mean() >= _LEAST_AREA
    return bool(sure and confidence[inside].mean() >= sure_mean)


def is_scenery(bits: Bits) -> bool:
    """Return whether a part is scenery: sky, hills, a far shore.

    Scenery is a band from the left border to the right that does not stand on the bottom.
    """
    left, right, bottom = bits[:, 0].mean(), bits[:, -1].mean(), bits[-1].mean()
    return bool(min(left, right) > 0.1 and bottom < 0.5)
