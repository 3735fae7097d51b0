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
from photoflow.segment import grabcut, saliency, sam2
from photoflow.segment.guided import fitting, guided_upsample, shrunk
from photoflow.segment.prompts import Point, Prompts, Stroke, checked_box, checked_mask, checked_points
from photoflow.segment.refine import corrected
from photoflow.segment.subject import (
    Bits,
    Box,
    Mask,
    NoSubjectError,
    Segmentation,
    Subject,
    bounding_box,
    components,
    overlap,
    padded,
    prominence,
    split,
    touching,
)
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

if TYPE_CHECKING:
    from photoflow.models.mask_rcnn import Instances, MaskRCNN

METHODS = ("auto", "mask_rcnn", "u2netp", "grabcut", "sam2")
_WORK_SIDE = 960
_MAX_SUBJECTS = 8
_SURE_PEAK, _SURE_MEAN, _LEAST_AREA, _MOST_AREA = 0.75, 0.64, 0.001, 0.75
_SURE_MEAN_CLOSE = 0.85  # of something that was only seen from close by


class Segmenter:
    """Finds subjects; holds the networks it has loaded, so make it once. Threads may share it.

    Args:
        device: where torch runs Mask R-CNN, "auto" is CUDA where torch has it; U²-Net-p and GrabCut run on the CPU.
        offline: never fetch weights.
        method: "auto" takes the best that is at hand: Mask R-CNN, else U²-Net-p, else GrabCut. One of
            "mask_rcnn", "u2netp", "grabcut" takes that one, and fails where its weights are missing. What a person
            points at is cut out by SAM 2.1 where that is at hand (`photoflow.segment.sam2`), else by these; "sam2"
            takes it, and U²-Net-p where nobody points at anything.

    Raises:
        InputError: unknown method.
    """

    def __init__(self, device: str = "auto", offline: bool = False, method: str = "auto") -> None:
        if method not in METHODS:
            raise InputError(f"method: expected one of {', '.join(METHODS)}, got '{method}'")
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
        work = _reduced(rgb)
        scale, shape = work.shape[1] / rgb.shape[1], (work.shape[0], work.shape[1])
        small = shrunk(mask, shape)
        bits = corrected(
            work, small > 0.5, *([tuple(_scaled_points(list(s), scale, shape)) for s in part] for part in (add, remove))
        )
        if not bits.any():
            raise NoSubjectError("nothing is left of it")
        # Where nothing was corrected the mask stays as fine as it was.
        same = cv2.resize((bits == (small > 0.5)).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        same = cv2.erode(same, np.ones((5, 5), np.uint8)) > 0
        return np.where(same, mask, _at_photo_size(rgb, work, bits.astype(np.float32)))

    def _prompted(self) -> sam2.SAM2 | None:
        """Return SAM 2.1, where it is asked for or at hand."""
        if self._method not in ("auto", "sam2"):
            return None
        with self._loading:
            if self._sam2 is None and (self._method == "sam2" or sam2.at_hand()):
                self._sam2 = sam2.SAM2(self._device, offline=self._offline or self._method == "auto")
        return self._sam2

    def _automatic(self, rgb: npt.NDArray[np.uint8]) -> Segmentation:
        work = _reduced(rgb)
        instances = self._instances(work)
        if instances is not None and len(instances.labels):
            return Segmentation(_from_instances(rgb, work, instances), self._said("Mask R-CNN"))
        network = self._network()
        if network is None:
            bits, confidence = grabcut.cut_salient(work), np.full(work.shape[:2], 0.5, np.float32)
            said = "GrabCut on colours unlike the border's, a guess without a network"
        else:
            confidence = _salient(network, work)
            bits, said = grabcut.settle(work, confidence), "U²-Net-p saliency settled by GrabCut"
        parts = [part for part in split(bits) if not _is_scenery(part)][:_MAX_SUBJECTS]
        if not parts:
            raise NoSubjectError("what stands out is the scenery")
        return Segmentation(_from_bits(rgb, work, parts, confidence), self._said(said))

    def _in_box(self, rgb: npt.NDArray[np.uint8], box: Box) -> Segmentation:
        work = _reduced(rgb)
        near = _scaled_box(box, work.shape[1] / rgb.shape[1], (work.shape[0], work.shape[1]))
        instances = self._instances(work)
        if instances is not None and len(instances.labels):
            agreements = [overlap(bounding_box(mask > 0.5), near) for mask in instances.masks]
            best = int(np.argmax(agreements))
            if agreements[best] > 0.6:
                found = _from_instances(rgb, work, instances, only=best)
                return Segmentation(found, self._said("Mask R-CNN, the object that fits the box"))
        network = self._network()
        confidence = np.full(work.shape[:2], 0.5, np.float32)
        bits, said = np.zeros(work.shape[:2], bool), "GrabCut inside the box"
        if network is not None:
            confidence = saliency.salient_in_box(network, work, near)
            bits = _inside(grabcut.settle(work, confidence, 0.4, 0.6), near)
            said = "U²-Net-p inside the box settled by GrabCut"
        if bits.sum() < 0.05 * near[2] * near[3]:
            bits, said = grabcut.cut_box(work, near), "GrabCut inside the box"
            confidence = np.full(work.shape[:2], 0.5, np.float32)
        return self._one(rgb, work, bits, confidence, said, "nothing stands out inside the box")

    def _at_points(self, rgb: npt.NDArray[np.uint8], points: list[Point]) -> Segmentation:
        work = _reduced(rgb)
        shape = (work.shape[0], work.shape[1])
        near = _scaled_points(points, work.shape[1] / rgb.shape[1], shape)
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
        network = self._network()
        bits, confidence = np.zeros(shape, bool), np.full(shape, 0.5, np.float32)
        said = "GrabCut around the points"
        if network is not None:
            confidence = saliency.salient_at(network, work, near)
            bits = touching(grabcut.settle(work, confidence), near)
            said = "U²-Net-p at the points settled by GrabCut"
        if not bits.any():
            bits, said = touching(grabcut.cut_points(work, near), near), "GrabCut around the points"
            confidence = np.full(shape, 0.5, np.float32)
        return self._one(rgb, work, bits, confidence, said, "nothing stands out at the points")

    def _one(
        self,
        rgb: npt.NDArray[np.uint8],
        work: npt.NDArray[np.uint8],
        bits: Bits,
        confidence: Mask,
        said: str,
        otherwise: str,
    ) -> Segmentation:
        """Make one subject of the pixels found for a box or points, in however many parts; specks are dropped."""
        parts = components(bits, 0.03)
        if not parts or bits.all():
            raise NoSubjectError(otherwise)
        whole = np.logical_or.reduce(parts)
        return Segmentation(_from_bits(rgb, work, [whole], confidence), self._said(said))

    def _instances(self, work: npt.NDArray[np.uint8]) -> Instances | None:
        """Run Mask R-CNN; return its objects, or None where it is not to be used or not at hand."""
        if self._method not in ("auto", "mask_rcnn"):
            return None
        with self._loading:
            if self._mask_rcnn is None:
                path = self._weights("mask_rcnn", "Mask R-CNN")
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


def _reduced(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Reduce the photo to the working size of all searches."""
    return np.ascontiguousarray(shrunk(rgb, fitting((rgb.shape[0], rgb.shape[1]), _WORK_SIDE)))


def _salient(network: U2NetP, work: npt.NDArray[np.uint8]) -> Mask:
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
    return confidence


def _stands_out(confidence: Mask, sure_mean: float) -> bool:
    inside = confidence > 0.5
    sure = confidence.max() >= _SURE_PEAK and inside.mean() >= _LEAST_AREA
    return bool(sure and confidence[inside].mean() >= sure_mean)


def _is_scenery(bits: Bits) -> bool:
    """Return whether a part is scenery: sky, hills, a far shore.

    Scenery is a band from the left border to the right that does not stand on the bottom.
    """
    left, right, bottom = bits[:, 0].mean(), bits[:, -1].mean(), bits[-1].mean()
    return bool(min(left, right) > 0.1 and bottom < 0.5)


def _subject(mask: Mask, label: str, score: float) -> Subject:
    return Subject(mask, bounding_box(mask > 0.5), label, float(np.clip(score, 0.0, 1.0)))


def _from_bits(
    rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], parts: list[Bits], confidence: Mask
) -> tuple[Subject, ...]:
    masks = [_at_photo_size(rgb, work, part.astype(np.float32)) for part in parts]
    pairs = zip(masks, parts, strict=True)
    return tuple(_subject(mask, "subject", float(confidence[part].mean())) for mask, part in pairs)


def _from_instances(
    rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], instances: Instances, only: int | None = None
) -> tuple[Subject, ...]:
    """Return objects as subjects, ordered by size near the centre and by score."""
    ranks = {
        index: prominence(mask > 0.5) * float(instances.scores[index])
        for index, mask in enumerate(instances.masks)
        if only in (None, index) and (mask > 0.5).any()
    }
    order = sorted(ranks, key=lambda index: -ranks[index])[:_MAX_SUBJECTS]
    if not order:
        raise NoSubjectError("the objects found are too small")
    masks = (_at_photo_size(rgb, work, instances.masks[index]) for index in order)
    return tuple(
        _subject(mask, instances.labels[index], float(instances.scores[index])) for mask, index in zip(masks, order)
    )


def _at_photo_size(rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], mask: Mask) -> Mask:
    """Bring a mask of the reduced photo to the photo's size along its edges, around the subject only."""
    scale = rgb.shape[1] / work.shape[1], rgb.shape[0] / work.shape[0]
    left, top, width, height = padded(bounding_box(mask > 0.05), 0.1, (work.shape[0], work.shape[1]))
    x0, x1 = round(left * scale[0]), min(rgb.shape[1], round((left + width) * scale[0]))
    y0, y1 = round(top * scale[1]), min(rgb.shape[0], round((top + height) * scale[1]))
    window = np.s_[top : top + height, left : left + width]
    out = np.zeros(rgb.shape[:2], np.float32)
    out[y0:y1, x0:x1] = guided_upsample(mask[window], work[window], rgb[y0:y1, x0:x1], radius=2, eps=1e-3)
    return out


def _scaled_box(box: Box, scale: float, shape: tuple[int, int]) -> Box:
    left, top = int(box[0] * scale), int(box[1] * scale)
    right = min(shape[1], max(left + 1, round((box[0] + box[2]) * scale)))
    bottom = min(shape[0], max(top + 1, round((box[1] + box[3]) * scale)))
    return left, top, right - left, bottom - top


def _scaled_points(points: list[Point], scale: float, shape: tuple[int, int]) -> list[Point]:
    return [(min(x * scale, shape[1] - 1.0), min(y * scale, shape[0] - 1.0)) for x, y in points]


def _inside(bits: Bits, box: Box) -> Bits:
    """Return the mask with all outside the box cleared."""
    kept = np.zeros_like(bits)
    window = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    kept[window] = bits[window]
    return kept
