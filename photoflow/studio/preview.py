"""Previews: the moving picture of a work, its flow and its slices, each made once for what it depends on."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np

from photoflow import viz
from photoflow.animator import Animator
from photoflow.arrays import Array
from photoflow.clip import Clip
from photoflow.errors import InputError
from photoflow.player.images import Image, Images
from photoflow.studio.description import png
from photoflow.studio.refusal import Refusal
from photoflow.studio.works import State, Work

CLIPS = 6  # of all works that are kept planned: what moves at 1280 pixels takes some 50 MB
DOCUMENTS = 24  # moving pictures that are kept, less than a megabyte each
IMAGES = 48  # of a work: those of its last pictures
ROWS = 60  # moments in a slice
OPAQUE = 0.8  # of the flow's colours where it is largest
STILL = 0.25  # pixels: less than this is not seen to move

Kept = TypeVar("Kept")


class Shelf(OrderedDict[Hashable, Any]):
    """A number of things that were made, the one used last at the end; threads may share it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._lock = most, threading.Lock()

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a thing in the place of the one that was not used for longest."""
        with self._lock:
            self[key] = value
            self.move_to_end(key)
            while len(self) > self._most:
                self.popitem(last=False)

    def take(self, key: Hashable) -> Any:
        """Return a thing that is kept, or None."""
        with self._lock:
            if key in self:
                self.move_to_end(key)
            return self.get(key)

    def drop(self, work: str) -> None:
        """Let go of all that is kept of a work: its keys begin with its id."""
        with self._lock:
            for key in [key for key in self if isinstance(key, tuple) and key[0] == work]:
                del self[key]


class Previews:
    """Makes and keeps what the page shows of works.

    Args:
        animator: plans clips.
    """

    def __init__(self, animator: Animator) -> None:
        self._animator = animator
        self._clips, self._documents, self._drawn = Shelf(CLIPS), Shelf(DOCUMENTS), Shelf(DOCUMENTS)
        self._images: dict[str, tuple[Images, Shelf]] = {}  # of each work: what encodes them, and the last ones

    def clip(self, work: Work) -> Clip:
        """Return the clip of a work as it is now.

        Raises:
            InputError: it cannot be animated so.
        """
        state = work.state
        clip: Clip = self._made(self._clips, (work.id, state.key), lambda: planned(self._animator, state, draft=True))
        return clip

    def picture(self, work: Work) -> bytes:
        """Return the moving picture of a work as it is now, as JSON.

        Raises:
            InputError: it cannot be animated so.
        """
        document: bytes = self._made(self._documents, (work.id, work.state.key), lambda: self._document(work))
        return document

    def image(self, work: Work, name: str) -> Image:
        """Return an image that a moving picture of a work names.

        Raises:
            Refusal: no picture of the last ones names it.
        """
        kept = self._images.get(work.id)
        found: Image | None = None if kept is None else kept[1].take(name)
        if found is None:
            raise Refusal(404, "there is no such image in this photo's last pictures")
        return found

    def flow(self, work: Work, t: float) -> bytes:
        """Return the displacements at a time as colours over nothing, a PNG at the working size.

        Raises:
            InputError: it is no time of the clip, or it cannot be animated so.
        """
        clip = self.clip(work)
        if not 0 <= t <= clip.seconds:
            raise InputError(f"t: expected a time of the clip from 0 to {clip.seconds:g} s")
        drawn: bytes = self._made(self._drawn, (work.id, work.state.key, "flow", t), lambda: png(flow_colours(clip, t)))
        return drawn

    def slice(self, work: Work, row: int) -> bytes:
        """Return one row of the picture over time, which runs downwards: a PNG as wide as the working size.

        Args:
            work: whose picture.
            row: of the photo.

        Raises:
            InputError: there is no such row, or it cannot be animated so.
        """
        stage = work.state.stage
        if not 0 <= row < stage.photo_size[1]:
            raise InputError(f"row: expected one of the photo from 0 to {stage.photo_size[1] - 1}")
        clip = self.clip(work)
        own = min(int(row * stage.scale), stage.height - 1)
        drawn: bytes = self._made(self._drawn, (work.id, work.state.key, "row", own), lambda: png(slice_of(clip, own)))
        return drawn

    def forget(self, work: Work) -> None:
        """Let go of all that is kept of a work."""
        for shelf in (self._clips, self._documents, self._drawn):
            shelf.drop(work.id)
        self._images.pop(work.id, None)

    def _document(self, work: Work) -> bytes:
        encoder, images = self._images.setdefault(work.id, (Images(), Shelf(IMAGES)))

        def url(image: Image) -> str:
            images.put(image.key, image)
            return f"/api/works/{work.id}/images/{image.key}"

        document = self.clip(work).picture().document(url, encoder)
        return json.dumps(document, separators=(",", ":")).encode()

    @staticmethod
    def _made(shelf: Shelf, key: Hashable, make: Callable[[], Kept]) -> Kept:
        found: Kept | None = shelf.take(key)
        if found is None:
            found = make()
            shelf.put(key, found)
        return found


def planned(animator: Animator, state: State, **how: Any) -> Clip:
    """Return the clip of a state.

    Args:
        animator: plans it.
        state: says what moves and how.
        how: `draft`, `report` and `cancel` of `Animator.animate`.

    Raises:
        InputError: it cannot be animated so.
        Cancelled: it was cancelled.
    """
    motion, settings = state.motion(), state.settings
    return animator.animate(
        state.playing(), motion, seconds=settings.seconds, fps=settings.fps, loop=settings.loop, **how
    )


def flow_colours(clip: Clip, t: float) -> Array:
    """Return the displacements at a time as colours, uint8 (H, W, 4), clear where nothing moves, with a legend."""
    flow = clip.renderer.flow(t)
    length = np.hypot(flow[0], flow[1])
    largest = max(float(length.max()), 4 * STILL)
    opacity = OPAQUE * 255 * np.clip((length - STILL) / (largest / 4), 0, 1)
    colours = viz.flow_to_rgb(flow, largest)
    shown = np.dstack([viz.with_legend(colours), opacity.astype(np.uint8)])
    legend = (shown[..., :3] != colours).any(axis=2)
    side = min(legend.shape) // 6 if legend.any() else 0
    shown[:side, :side, 3] = 255
    return shown


def slice_of(clip: Clip, row: int) -> Array:
    """Return a row of a clip over time, uint8 (moments, W, 3)."""
    count = min(ROWS, len(clip))
    return viz.xt_slice((clip[int(i)] for i in np.linspace(0, len(clip), count, endpoint=False)), row=row)
