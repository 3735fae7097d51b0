"""The flow between neighbouring frames of a clip that have holes: measured around them, continued into them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.models.dis import DIS
from photoflow.models.push_pull import push_pull

WORKING_SIDE = 864  # pixels of the longer side at which flow is measured
_RIM = 0.008  # times the diagonal: flow so near to a hole is that of what fills it
_MOTIONS = 3
_AGREES = 0.75  # pixels from a motion
_CLEARLY = 0.3  # pixels by which a later motion must fit better
_FEWEST, _LEAST_SHARE = 16, 0.02  # pixels that a motion is sought for, and their share
_ASKED = 3  # every third pixel along x and y
_LEAST_AROUND = 48  # pixels around a hole from which its flow is continued; more where it is larger


class HoleFlow:
    """The measure of flow between neighbouring frames with holes, at a bounded size.

    Args:
        size: (height, width) of the frames, pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.scale = min(1.0, WORKING_SIDE / max(size))
        height, width = (max(1, round(side * self.scale)) for side in size)
        self._small = (width, height)
        self._measure = DIS(whole=True)

    def reduced(self, frame: Array, hole: Array) -> tuple[Array, Array]:
        """Reduce a frame, its hole filled smoothly, and the hole.

        Args:
            frame: uint8 (H, W, 3).
            hole: bool (H, W), true where the frame is unknown.

        Returns:
            float32 (3, h, w) in [0, 1] and bool (h, w), of the working size.
        """
        small = cv2.resize(frame, self._small, interpolation=cv2.INTER_AREA)
        unknown = cv2.resize(hole.astype(np.float32), self._small, interpolation=cv2.INTER_AREA) > 0
        planes = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        known = torch.from_numpy(~unknown).float()[None, None]
        filled = push_pull(planes * known, known) * (1 - known) + planes * known
        return filled[0].numpy(), unknown

    def between(self, one: tuple[Array, Array], two: tuple[Array, Array]) -> tuple[Array, Array]:
        """Measure the flow from one reduced frame to the next and back, with the holes' continued from around them.

        Returns:
            float32 (2, h, w) each, pixels of the working size.
        """
        images = [torch.from_numpy(frame)[None] for frame, _ in (one, two)]
        forth, back = self._measure(*images)[0].numpy(), self._measure(*images[::-1])[0].numpy()
        return completed(forth, one[1]), completed(back, two[1])

    def at(self, flow: Array, places: Array) -> Array:
        """Look up a flow of the working size at pixels of the frame.

        Args:
            flow: float32 (2, h, w), from `between`.
            places: (N, 2), x and y, pixels of the frame.

        Returns:
            float32 (N, 2), pixels of the frame.
        """
        if not len(places):
            return np.zeros((0, 2), np.float32)
        ratio = np.array([self._small[0] / self.size[1], self._small[1] / self.size[0]], np.float32)
        small = (places.astype(np.float32) + np.float32(0.5)) * ratio - np.float32(0.5)
        found = sampled(np.ascontiguousarray(flow.transpose(1, 2, 0)), small, cv2.INTER_LINEAR)
        return np.asarray(found / ratio, np.float32)


def sampled(image: Array, places: Array, interpolation: int = cv2.INTER_CUBIC) -> Array:
    """Look up an image (H, W, C) at places (N, 2), x and y, pixels; beyond the border it repeats. (N, C), float32."""
    image = image.astype(np.float32) if image.dtype == np.uint8 else image
    # OpenCV's images have at most 32767 rows.
    parts = [
        cv2.remap(image, part[:, None], None, interpolation, borderMode=cv2.BORDER_REPLICATE)[:, 0]  # type: ignore[call-overload]
        for part in np.array_split(places.astype(np.float32), max(1, -(-len(places) // 32000)))
    ]
    return np.concatenate(parts).reshape(len(places), image.shape[2])


def completed(flow: Array, hole: Array) -> Array:
    """Continue a flow into the holes, each motion around a hole as itself.

    Around a hole there may be several motions, the scene's and a thing's, whose mean is that of neither. So the motions
    are found first, a homography that most pixels agree on and affine ones of the rest; every pixel of the hole belongs
    to that of its surroundings, and takes it with what the flow there differs from it, smoothly continued.

    Args:
        flow: float32 (2, h, w), pixels.
        hole: bool (h, w), where it is unknown.

    Returns:
        float32 (2, h, w); equal to `flow` except in the hole and a rim about it.

    Source: homographies fitted around the hole: Matsushita et al., "Full-frame video stabilization with motion
        inpainting", PAMI 2006, there locally affine; the layers are an addition.
    """
    result: Array = flow.copy()
    reach = 2 * max(1, round(_RIM * float(np.hypot(*hole.shape)))) + 1
    grown = cv2.dilate(hole.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    count, numbered, boxes, _ = cv2.connectedComponentsWithStats(grown.astype(np.uint8))
    for number in range(1, count):
        x, y, width, height = (int(value) for value in boxes[number, :4])
        margin = max(_LEAST_AROUND, width, height)
        rows, columns = (
            slice(max(0, start - margin), start + side + margin) for start, side in ((y, height), (x, width))
        )
        here = numbered[rows, columns] == number
        if not grown[rows, columns].all():
            part = _continued(flow[:, rows, columns], ~grown[rows, columns], here)
            result[:, rows, columns][:, here] = part[:, here]
    return result


def _continued(flow: Array, known: Array, wanted: Array) -> Array:
    """Continue the flow of a window to where it is wanted."""
    motions, belongs = _motions(flow, known)
    layers = [known & (belongs == number) for number in range(len(motions))]
    chosen = _smooth(np.stack(layers).astype(np.float32), known).argmax(0)
    result: Array = flow.copy()
    for number, (motion, layer) in enumerate(zip(motions, layers)):
        here = wanted & (chosen == number)
        if here.any():
            continued = motion + _smooth(flow - motion, layer)
            result[:, here] = continued[:, here]
    return result


def _motions(flow: Array, known: Array) -> tuple[list[Array], Array]:
    """Find the motions of what is known, (2, h, w) each, and which each pixel has; the last is that of no other."""
    y, x = np.mgrid[: known.shape[0], : known.shape[1]].astype(np.float32)
    places = np.stack([x, y])
    left = known & (x % _ASKED == 0) & (y % _ASKED == 0)
    total = left.sum()
    found: list[Array] = []
    belongs = np.full(known.shape, -1)
    best = np.full(known.shape, np.inf, np.float32)
    while len(found) < _MOTIONS and left.sum() >= max(_FEWEST, _LEAST_SHARE * total):
        motion = _fitted(places, flow, left, projective=not found)
        if motion is None:
            break
        off = np.hypot(*(flow - motion))
        better = (off < best - _CLEARLY) & (off < 2 * _AGREES)
        belongs[better], best[better] = len(found), off[better]
        left &= off > _AGREES
        found.append(motion)
    belongs[belongs < 0] = len(found)
    return [*found, np.zeros_like(flow)], belongs


def _fitted(places: Array, flow: Array, asked: Array, *, projective: bool) -> Array | None:
    """Fit a homography or an affine motion to the pixels asked, by RANSAC; return its flow (2, h, w)."""
    start = np.ascontiguousarray(places[:, asked].T)
    end = start + flow[:, asked].T
    if projective:
        found = cv2.findHomography(start, end, cv2.RANSAC, _AGREES)
    else:
        found = cv2.estimateAffine2D(start, end, ransacReprojThreshold=_AGREES)
    matrix: Any = found[0]
    if matrix is None:
        return None
    matrix = np.vstack([matrix, [0, 0, 1]]) if len(matrix) == 2 else matrix
    moved = cv2.perspectiveTransform(np.ascontiguousarray(places.transpose(1, 2, 0)), matrix)
    return np.asarray(moved.transpose(2, 0, 1) - places, np.float32)


def _smooth(planes: Array, known: Array) -> Array:
    """Continue planes (C, h, w) smoothly from where they are known."""
    weight = torch.from_numpy(known.astype(np.float32))[None, None]
    return np.asarray(push_pull(torch.from_numpy(np.asarray(planes, np.float32))[None], weight)[0].numpy())
