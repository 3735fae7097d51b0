"""Measurement of each frame of a clip with holes: the flow to its neighbours, and what those need of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, zip_longest

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.checks import check_frame
from photoflow.completion.flows import HoleFlow
from photoflow.completion.store import Store
from photoflow.completion.trails import Hole
from photoflow.interpolation import CutDetector

_SUPPORT = 3  # pixels around a place that its colour and its neighbours' are drawn from


class _Frame:
    """A frame while its neighbours are measured.

    Args:
        number: of the frame.
        picture: uint8 (H, W, 3).
        mask: bool (H, W).
        flow: what reduces it.
    """

    def __init__(self, number: int, picture: Array, mask: Array, flow: HoleFlow) -> None:
        self.number, self.picture, self.hole = number, picture, Hole(mask)
        self.reduced = flow.reduced(picture, mask)
        self.to_next = self.to_before = np.zeros((0, 2), np.float32)
        self.looked_at: list[Array] = [self.hole.pixels.astype(np.float32)]

    def write(self, store: Store) -> None:
        """Keep the hole, the flow in it, and the part of the picture that trails end in."""
        corner, crop = self._crop()
        store.write(
            "frame",
            self.number,
            shape=self.hole.mask.shape,
            mask=np.packbits(self.hole.mask),
            to_next=self.to_next,
            to_before=self.to_before,
            corner=corner,
            crop=crop,
        )

    def _crop(self) -> tuple[Array, Array]:
        """Cut out what is looked at; the hole in it is filled smoothly, so that nothing of it is interpolated."""
        height, width = self.hole.mask.shape
        places = np.concatenate(self.looked_at)
        places = places[((places > -0.5) & (places < (width - 0.5, height - 0.5))).all(1)]
        if not len(places):
            return np.zeros(2, np.int32), np.zeros((0, 0, 3), np.uint8)
        left, top = (max(0, int(least) - _SUPPORT) for least in places.min(0))
        right, bottom = (int(most) + _SUPPORT + 2 for most in places.max(0))
        window = np.s_[top:bottom, left:right]
        crop, mask = self.picture[window].copy(), self.hole.mask[window]
        smooth = cv2.resize(self.reduced[0].transpose(1, 2, 0), (width, height))[window]
        crop[mask] = np.rint(255 * smooth[mask].clip(0, 1)).astype(np.uint8)
        return np.array([left, top], np.int32), crop


def measured(frames: Iterable[Array], masks: Iterable[Array], store: Store) -> Iterator[int]:
    """Measure frame after frame, and yield the number of each that is whole: its neighbours are measured, too.

    What is in the store already is not measured again.

    Raises:
        InputError: see `photoflow.completion.propagation.propagated`.
    """
    done = next(number for number in count() if not store.has("frame", number))
    before: _Frame | None = None
    flow: HoleFlow | None = None
    is_cut = CutDetector()
    for number, (picture, mask) in enumerate(zip_longest(frames, masks)):
        size = check_frame(number, picture, mask, flow.size if flow else None)
        flow = flow or HoleFlow(size)
        if number < done - 1:
            yield number
            continue
        here = _Frame(number, picture, mask, flow)
        if before is not None:
            _measure_pair(before, here, flow, is_cut)
            if before.number >= done:
                before.write(store)
            yield before.number
        before = here
    if before is not None:
        if before.number >= done:
            before.write(store)
        yield before.number


def _measure_pair(before: _Frame, here: _Frame, flow: HoleFlow, is_cut: CutDetector) -> None:
    """Measure the flow in both holes, where the frames belong to one scene."""
    if is_cut(before.picture, here.picture) or not (len(before.hole) or len(here.hole)):
        return
    forth, back = flow.between(before.reduced, here.reduced)
    before.to_next = flow.at(forth, before.hole.pixels)
    here.to_before = flow.at(back, here.hole.pixels)
    before.looked_at.append(here.hole.pixels + here.to_before)
    here.looked_at.append(before.hole.pixels + before.to_next)
