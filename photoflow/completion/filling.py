"""Filling of a frame's hole: from the frames where its trails end, and with texture where there are none."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.flows import sampled
from photoflow.completion.seams import joined_parts
from photoflow.completion.store import Store
from photoflow.completion.trails import NOWHERE, Hole, Trails, followed
from photoflow.render.background import fill_background, membrane

_SEAM = 0.023  # of the longer side: how far what is around a hole changes what fills it
_NEARER = 2  # the power of the distance in frames by which a trail counts less
_THIN = 7  # pixels; what is narrower is continued smoothly, without texture
_BESIDE = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)  # right, left, down, up


class Filling:
    """The frames of a clip, filled one after the other; what one was painted with, the next ones take from it.

    Args:
        store: with the frames measured, and their trails to later frames.
        reach: frames up to which earlier ones are drawn from.
    """

    def __init__(self, store: Store, reach: int) -> None:
        self._store, self._reach = store, reach
        self._hole: Hole | None = None
        self._earlier = self._painted = Trails.none(0)

    def filled(self, number: int, frame: Array) -> Array:
        """Fill the hole of a frame; frames have to come in order.

        Args:
            number: of the frame.
            frame: uint8 (H, W, 3).

        Returns:
            uint8 (H, W, 3), equal to `frame` outside of the hole.
        """
        record = self._store.read("frame", number)
        hole = Hole.of(record["mask"], record["shape"])
        earlier, onwards = self._followed(hole, record["to_before"], number)
        later = Trails(**self._store.read("later", number))
        seen = earlier.found | later.found
        painted = Trails(np.where(seen, NOWHERE, onwards.frame), onwards.place, onwards.steps)
        result: Array = frame.copy()
        if len(hole):
            if not self._store.has("filled", number):
                self._fill(result, hole, earlier, later, painted)
                self._keep(number, result, record)
            self._paste(number, result, hole)
        self._hole, self._earlier, self._painted = hole, earlier, painted
        return result

    def _followed(self, hole: Hole, flow: Array, number: int) -> tuple[Trails, Trails]:
        """Follow the hole to earlier frames that show it, and to earlier ones that were painted there."""
        before = self._hole
        if before is None or not len(flow):
            return Trails.none(len(hole)), Trails.none(len(hole))
        taken = np.zeros_like(before.mask)
        # What was painted farther back is taken from the frame before, as if it were painted there.
        taken[before.mask] = self._painted.found & (self._painted.steps < self._reach)
        earlier = followed(hole, flow, before, ~before.mask, self._earlier, number - 1)
        earlier.frame[earlier.steps > self._reach] = NOWHERE
        return earlier, followed(hole, flow, before, ~taken, self._painted, number - 1)

    def _fill(self, frame: Array, hole: Hole, earlier: Trails, later: Trails, painted: Trails) -> None:
        """Draw colours and their differences from all trails, paint what is left, and join all of it."""
        colours = np.zeros((len(hole), len(_BESIDE), 3), np.float32)
        total = np.zeros(len(hole), np.float32)
        for trails, kind in ((earlier, "frame"), (later, "frame"), (painted, "filled")):
            weight = np.where(trails.found, np.maximum(trails.steps, 1).astype(np.float32) ** -_NEARER, 0)
            colours += weight[:, None, None] * self._drawn(trails, kind)
            total += weight
        colours /= np.maximum(total, np.float32(1e-12))[:, None, None]
        frame[hole.mask] = np.rint(colours[:, 0].clip(0, 255))
        fresh = np.zeros_like(hole.mask)
        fresh[hole.mask] = total == 0
        frame[:] = _painted(frame, fresh)
        planes = frame.astype(np.float32)
        planes[hole.mask] = np.where((total > 0)[:, None], colours[:, 0], planes[hole.mask])
        frame[hole.mask] = np.rint(_joined(planes, hole, colours, total > 0).clip(0, 255))

    def _drawn(self, trails: Trails, kind: str) -> Array:
        """Draw the colours where trails end, and those beside them: float32 (N, 5, 3); 0 where there is no trail."""
        drawn = np.zeros((len(trails.frame), len(_BESIDE), 3), np.float32)
        for number in np.unique(trails.frame[trails.found]):
            record = self._store.read(kind, int(number))
            here = trails.frame == number
            places = (trails.place[here] - record["corner"])[:, None] + _BESIDE
            drawn[here] = sampled(record["crop"], places.reshape(-1, 2)).reshape(-1, len(_BESIDE), 3)
        return drawn

    def _keep(self, number: int, result: Array, record: dict[str, Array]) -> None:
        (left, top), (height, width) = record["corner"], record["crop"].shape[:2]
        crop = result[top : top + height, left : left + width]
        self._store.write("filled", number, corner=record["corner"], crop=crop)

    def _paste(self, number: int, result: Array, hole: Hole) -> None:
        record = self._store.read("filled", number)
        (left, top), crop = record["corner"], record["crop"]
        window = np.s_[top : top + crop.shape[0], left : left + crop.shape[1]]
        result[window][hole.mask[window]] = crop[hole.mask[window]]


def _painted(frame: Array, fresh: Array) -> Array:
    """Paint what no frame shows, (H, W) bool: with texture, and smoothly where it is narrow."""
    if not fresh.any():
        return frame
    kernel = np.ones((_THIN, _THIN), np.uint8)
    wide = cv2.morphologyEx(fresh.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    thin = fresh & (cv2.dilate(wide.astype(np.uint8), kernel) == 0)
    painted = frame.copy()
    if thin.any():
        window = _window(thin, _THIN)
        smooth = membrane(frame[window], (~fresh[window]).astype(np.float32))
        painted[window][thin[window]] = np.rint(smooth.clip(0, 255))[thin[window]]
    return fill_background(painted, fresh & ~thin)


def _joined(planes: Array, hole: Hole, colours: Array, drawn: Array) -> Array:
    """Join a hole, float32 (H, W, 3), by the differences that were drawn with it; painted pixels have their own."""
    window = _window(hole.mask, 1)
    here, part = hole.mask[window], planes[window]
    differences = np.full((*here.shape, 4, 3), np.nan, np.float32)
    differences[here] = np.where(drawn[:, None, None], colours[:, 1:] - colours[:, :1], np.nan)
    return joined_parts(part, here, *_wanted(part, differences), _SEAM * max(planes.shape))[here]


def _wanted(planes: Array, differences: Array) -> tuple[Array, Array]:
    """Return the differences to the right and down: means of what was drawn with either pixel, else the planes' own."""
    right, down = np.zeros_like(planes), np.zeros_like(planes)
    for result, axis, forth, back in ((right, 1, 0, 1), (down, 0, 2, 3)):
        ahead = np.roll(planes, -1, axis) - planes
        drawn = np.stack([differences[:, :, forth], -np.roll(differences[:, :, back], -1, axis)])
        known = ~np.isnan(drawn)
        mean = np.where(known, drawn, 0).sum(0) / np.maximum(known.sum(0), 1)
        result[:] = np.where(known.any(0), mean, ahead)
    return right, down


def _window(mask: Array, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
