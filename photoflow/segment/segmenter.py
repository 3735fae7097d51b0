"""Find the subject of a photo: what the person points at, or what stands out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.models.u2net import U2NetP
from photoflow.segment import at_points, automatic, in_box, sam2
from photoflow.segment.guided import shrunk
from photoflow.segment.prompts import Point, Prompts, Stroke, checked_box, checked_mask, checked_points
from photoflow.segment.refine import corrected
from photoflow.segment.subject import (
    Box,
    Found,
    Mask,
    NoSubjectError,
    Segmentation,
    Subject,
    bounding_box,
    overlap,
    prominence,
)
from photoflow.segment.work_size import at_photo_size, reduced, scaled_box, scaled_points
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

if TYPE_CHECKING:
    from photoflow.models.mask_rcnn import Instances, MaskRCNN

METHODS = ("auto", "mask_rcnn", "u2netp", "grabcut", "sam2")


class Segmenter:
    """Finds subjects; holds the networks it has loaded, so make it once. Threads may share it.

    Args:
        device: where torch runs Mask R-CNN, "auto" is CUDA where torch has it; U²-Net-p and GrabCut run on the CPU.
        offline: never fetch weights.
        method: "auto" takes the best that is at hand: Mask R-CNN, else U²-Net-p, else GrabCut. One of
            "mask_rcnn", "u2netp", "grabcut" takes that one, and fails where its weights are missing. What a person
            points at is cut out by SAM 2.1 where that is at hand (`photoflow.segment.sam2`), else by these; "sam2"
            takes it, and U²-Net-p where nobody points at anything. A file: Mask R-CNN with these weights, one's own.

    Raises:
        InputError: unknown method.
    """

    def __init__(self, device: str = "auto", offline: bool = False, method: str = "auto") -> None:
        own = Path(method).expanduser()
        self._own = own if method not in METHODS and own.is_file() else None
        if self._own is not None:
            method = "mask_rcnn"
        if method not in METHODS:
            raise InputError(f"method: expected one of {', '.join(METHODS)}, or a file of weights, got '{method}'")
        self._device, self._offline, self._method = device, offline, method
        self._mask_rcnn: MaskRCNN | None = None
        self._u2netp: U2NetP | None = None
        self._sam2: sam2.SAM2 | None = None
        self._loading = threading.RLock()  # each network is loaded once, whoever asks first
        self._missing: dict[str, str] = {}

    def __call__(
        self,
        rgb: npt.NDArray[np.uint8],
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
    ) -> Segmentation:
        """Find the subjects of a photo.

        Args:
            rgb: (H, W, 3) uint8.
            mask: the subject itself, see `prompts.checked_mask`.
            box: X, Y, W, H in pixels around one subject.
            points: X, Y pairs in pixels on one subject.

        Returns:
            At least one subject, the largest near the centre first.

        Raises:
            NoSubjectError: nothing stands out, or nothing is in the box or at the points.
            InputError: a prompt that does not fit the photo, or more than one kind of prompt.
            WeightsError: the method asked for has no weights here.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise InputError(f"photo: expected uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}")
        if sum(prompt is not None for prompt in (mask, box, points)) > 1:
            raise InputError("subject: expected one of mask, box or points, got more than one")
        shape = (rgb.shape[0], rgb.shape[1])
        if mask is not None:
            given = checked_mask(mask, shape)
            return Segmentation((_subject(given, "subject", 1.0),), "the given mask")
        if box is not None:
            return self._in_box(rgb, checked_box(box, shape))
        if points is not None:
            return self._at_points(rgb, checked_points(points, shape))
        return self._automatic(rgb)

    def select(self, rgb: npt.NDArray[np.uint8], prompts: Prompts) -> Segmentation:
        """Find the one thing that a person says.

        Args:
            rgb: (H, W, 3) uint8.
            prompts: in its pixels: a mask, a box or strokes on the thing; with them strokes that correct it.

        Returns:
            One subject.

        Raises:
            NoSubjectError: nothing stands out there, or the corrections leave nothing.
            InputError: nothing says where the thing is.
            WeightsError: the method asked for has no weights here.
        """
        if prompts.mask is None and prompts.box is None and not prompts.add:
            raise InputError("subject: expected a mask, a box or a point on it; a point beside it only takes away")
        if prompts.mask is not None:
            found = Segmentation((_subject(prompts.mask, "subject", 1.0),), "the given mask")
        elif (network := self._prompted()) is not None:
            mask = network(rgb, prompts)
            if not (mask > 0.5).any():
                raise NoSubjectError("nothing stands out there")
            return Segmentation((_subject(mask, "subject", 1.0),), "SAM 2.1")
        elif prompts.box is not None:
            found = self(rgb, box=prompts.box)
        else:
            found = self(rgb, points=[point for stroke in prompts.add for point in stroke])
        is_line = any(len(stroke) > 1 for stroke in prompts.add)
        add = prompts.add if prompts.mask is not None or prompts.box is not None or is_line else ()
        if not (add or prompts.remove):
            return found
        first = found.subjects[0]
        mask = self.refine(rgb, first.mask, add, prompts.remove)
        return Segmentation((_subject(mask, first.label, first.score),), f"{found.method}, corrected")

    def refine(self, rgb: npt.NDArray[np.uint8], mask: Mask, add: Sequence[Stroke], remove: Sequence[Stroke]) -> Mask:
        """Return a mask, (H, W) float32 in [0, 1], as strokes on the thing and beside it correct it.

        Args:
            rgb: (H, W, 3) uint8.
            mask: (H, W) in [0, 1].
            add, remove: in pixels.

        Raises:
            NoSubjectError: nothing is left.
        """
        work = reduced(rgb)
        scale, shape = work.shape[1] / rgb.shape[1], (work.shape[0], work.shape[1])
        small = shrunk(mask, shape)
        bits = corrected(
            work, small > 0.5, *([tuple(scaled_points(list(s), scale, shape)) for s in part] for part in (add, remove))
        )
        if not bits.any():
            raise NoSubjectError("nothing is left of it")
        # Where nothing was corrected the mask stays as fine as it was.
        same = cv2.resize((bits == (small > 0.5)).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        same = cv2.erode(same, np.ones((5, 5), np.uint8)) > 0
        return np.where(same, mask, at_photo_size(rgb, work, bits.astype(np.float32)))

    def _prompted(self) -> sam2.SAM2 | None:
        """Return SAM 2.1, where it is asked for or at hand."""
        if self._method not in ("auto", "sam2"):
            return None
        with self._loading:
            if self._sam2 is None and (self._method == "sam2" or sam2.at_hand()):
                self._sam2 = sam2.SAM2(self._device, offline=self._offline or self._method == "auto")
        return self._sam2

    def _automatic(self, rgb: npt.NDArray[np.uint8]) -> Segmentation:
        work = reduced(rgb)
        instances = self._instances(work)
        if instances is not None and len(instances.labels):
            return Segmentation(_from_instances(rgb, work, instances), self._said("Mask R-CNN"))
        return self._from_found(rgb, work, automatic.find(self._network(), work))

    def _in_box(self, rgb: npt.NDArray[np.uint8], box: Box) -> Segmentation:
        work = reduced(rgb)
        near = scaled_box(box, work.shape[1] / rgb.shape[1], (work.shape[0], work.shape[1]))
        instances = self._instances(work)
        if instances is not None and len(instances.labels):
            agreements = [overlap(bounding_box(mask > 0.5), near) for mask in instances.masks]
            best = int(np.argmax(agreements))
            if agreements[best] > 0.6:
                found = _from_instances(rgb, work, instances, only=best)
                return Segmentation(found, self._said("Mask R-CNN, the object that fits the box"))
        found_here = in_box.find(self._network(), work, near)
        if not found_here.parts:
            raise NoSubjectError("nothing stands out inside the box")
        return self._from_found(rgb, work, found_here)

    def _at_points(self, rgb: npt.NDArray[np.uint8], points: list[Point]) -> Segmentation:
        work = reduced(rgb)
        near = scaled_points(points, work.shape[1] / rgb.shape[1], (work.shape[0], work.shape[1]))
        instances = self._instances(work)
        if instances is not None:
            hit = [
                index
                for index, mask in enumerate(instances.masks)
                if all(mask[round(y), round(x)] > 0.5 for x, y in near)
            ]
            if hit:
                found = _from_instances(rgb, work, instances, only=hit[0])
                return Segmentation(found, self._said("Mask R-CNN, the object at the points"))
        found_here = at_points.find(self._network(), work, near)
        if not found_here.parts:
            raise NoSubjectError("nothing stands out at the points")
        return self._from_found(rgb, work, found_here)

    def _from_found(self, rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], found: Found) -> Segmentation:
        masks = [at_photo_size(rgb, work, part.astype(np.float32)) for part in found.parts]
        pairs = zip(masks, found.parts, strict=True)
        subjects = tuple(_subject(mask, "subject", float(found.confidence[part].mean())) for mask, part in pairs)
        return Segmentation(subjects, self._said(found.said))

    def _instances(self, work: npt.NDArray[np.uint8]) -> Instances | None:
        """Run Mask R-CNN; return its objects, or None where it is not to be used or not at hand."""
        if self._method not in ("auto", "mask_rcnn"):
            return None
        with self._loading:
            if self._mask_rcnn is None:
                path = self._own or self._weights("mask_rcnn", "Mask R-CNN")
                if path is None:
                    return None
                from photoflow.models.mask_rcnn import MaskRCNN

                self._mask_rcnn = MaskRCNN(path, self._device)
        return self._mask_rcnn(work)

    def _network(self) -> U2NetP | None:
        """Return U²-Net-p, or None where it is not to be used or not at hand."""
        if self._method == "grabcut":
            return None
        with self._loading:
            if self._u2netp is None:
                path = self._weights("u2netp", "U²-Net-p")
                self._u2netp = None if path is None else U2NetP(path)
            return self._u2netp

    def _weights(self, name: str, title: str) -> Path | None:
        """Fetch the weights of a network, and return their file, or None.

        A failed fetch is remembered and said, and fatal if the method was asked for.
        """
        if name in self._missing:
            return None
        try:
            return weights.fetch(name, offline=self._offline)
        except WeightsError:
            if self._method == name:
                raise
            reason = "not at hand, offline" if self._offline else "cannot be fetched"
            self._missing[name] = f"{title} {reason}"
            return None

    def _said(self, line: str) -> str:
        return f"{line} ({'; '.join(self._missing.values())})" if self._missing else line


def _subject(mask: Mask, label: str, score: float) -> Subject:
    return Subject(mask, bounding_box(mask > 0.5), label, float(np.clip(score, 0.0, 1.0)))


def _from_instances(
    rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], instances: Instances, only: int | None = None
) -> tuple[Subject, ...]:
    """Return objects as subjects, ordered by size near the centre and by score."""
    ranks = {
        index: prominence(mask > 0.5) * float(instances.scores[index])
        for index, mask in enumerate(instances.masks)
        if only in (None, index) and (mask > 0.5).any()
    }
    order = sorted(ranks, key=lambda index: -ranks[index])[: automatic.MAX_SUBJECTS]
    if not order:
        raise NoSubjectError("the objects found are too small")
    masks = (at_photo_size(rgb, work, instances.masks[index]) for index in order)
    return tuple(
        _subject(mask, instances.labels[index], float(instances.scores[index])) for mask, index in zip(masks, order)
    )
