"""Models that are taken where nobody says others: those that stand for the paper's, or are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.arrays import Array
from photoflow.data.portraits import transformers_models as hub
from photoflow.data.portraits.models import FoundFace, Late, Models
from photoflow.data.portraits.parsing import parser_of
from photoflow.device import check_device
from photoflow.errors import InputError

_LONGEST = 1024  # pixels of the side that Mask R-CNN, which works at 800 to 1333, is given


def default_models(
    *,
    captioner: str | None = None,
    scorer: str | None = None,
    labels: str | None = None,
    parser: str = "auto",
    device: str = "auto",
    offline: bool = False,
) -> Models:
    """Return the models that stand for the paper's.

    Faces are found by YuNet, for RetinaFace, and embedded by SFace, for ArcFace; people are masked by Mask R-CNN, for
    Mask2Former. Captions come from BLIP-2, the fit of text and picture from CLIP, the nearness of words from a sentence
    transformer, as in the paper; all through transformers. Captions are parted by spaCy where it is installed, or else
    at the words between people.

    Args:
        captioner: a folder with BLIP-2, or its name on the hub; None: `transformers_models.CAPTIONER`.
        scorer: the same of CLIP; None: `transformers_models.SCORER`.
        labels: the same of a sentence transformer; None: `transformers_models.LABELS`. What is named is fetched where
            it is not at hand, unless `offline`; what is not named is never.
        parser: "auto", "words", or the name of a pipeline of spaCy's.
        device: where networks run: "auto", "cpu", "cuda", "cuda:1", ...
        offline: fetch nothing.

    Raises:
        InputError: no such device.
        WeightsError: the parser is not installed. What else is missing is told of where it is first needed.
    """
    check_device(device)

    def late(make: Callable[..., Callable[..., Any]], named: str | None, usual: str) -> Late:
        source = named or usual
        return Late(source, lambda: make(source, device, fetch=named is not None and not offline))

    return Models(
        detector=Late("YuNet", lambda: FaceDetector(offline)),
        embedder=Late("SFace", lambda: SFace(offline)),
        person_masks=Late("Mask R-CNN", lambda: MaskRCNNPeople(device, offline)),
        captioner=late(hub.BLIP2, captioner, hub.CAPTIONER),
        text_image_score=late(hub.CLIPScore, scorer, hub.SCORER),
        label_similarity=late(hub.SentenceSimilarity, labels, hub.LABELS),
        parser=parser_of(parser),
    )


class FaceDetector:
    """Faces by YuNet, or by BlazeFace where that alone is at hand, which stand for the paper's RetinaFace.

    Args:
        offline: never fetch the weights.

    Raises:
        WeightsError: they cannot be had.
    """

    def __init__(self, offline: bool = False) -> None:
        from photoflow.segment.faces import FaceFinder

        self._finder = FaceFinder(offline)

    def __call__(self, rgb: Array) -> list[FoundFace]:
        return [FoundFace(face.box, [(x, y) for x, y in face.points.tolist()]) for face in self._finder(rgb)]


class SFace:
    """Embeddings of faces by SFace, which stands for the paper's ArcFace.

    Args:
        offline: never fetch the weights.

    Raises:
        WeightsError: they cannot be had.
    """

    def __init__(self, offline: bool = False) -> None:
        from photoflow.segment.faces import FaceEmbedder

        self._embedder = FaceEmbedder(offline)

    def __call__(self, rgb: Array, face: FoundFace) -> npt.NDArray[np.float32]:
        from photoflow.segment.faces import Face

        left, top, width, height = (round(side) for side in face.box)
        points = np.array(face.points, np.float32)
        if points.shape != (5, 2):
            raise InputError(f"face: expected five points, as YuNet gives them, got {len(face.points)}")
        face_of = Face((left, top, width, height), points, score=1.0)
        return np.asarray(self._embedder(rgb, face_of), np.float32)


class MaskRCNNPeople:
    """Masks of people by Mask R-CNN, which stands for the paper's Mask2Former.

    Args:
        device: where torch runs it.
        offline: never fetch the weights.
        weights: name or file of them.

    Raises:
        WeightsError: they cannot be had.
    """

    def __init__(self, device: str = "auto", offline: bool = False, weights: str = "mask_rcnn") -> None:
        from photoflow.device import settled_device
        from photoflow.models.mask_rcnn import MaskRCNN

        self._network = MaskRCNN(weights, settled_device(device), offline=offline)

    def __call__(self, rgb: Array) -> npt.NDArray[np.bool_]:
        height, width = rgb.shape[:2]
        scale = min(1.0, _LONGEST / max(height, width))
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        found = self._network(np.asarray(small, np.uint8))
        people = [mask for mask, label in zip(found.masks, found.labels) if label == "person"]
        masks = [cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5 for mask in people]
        return np.stack(masks) if masks else np.zeros((0, height, width), bool)
