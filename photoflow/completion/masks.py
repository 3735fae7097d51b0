"""Masks of what is removed from a clip, one for each frame, from what a person says of the first or of all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.carried import carried
from photoflow.errors import InputError
from photoflow.interpolation import Reader
from photoflow.io import PICTURES, FolderReader, VideoReader, VideoWriter, read_mask
from photoflow.segment import Segmenter
from photoflow.segment.prompts import checked_box
from photoflow.segment.selection import Selection
from photoflow.segment.subject import Bits

MARGIN = 0.01  # of a frame's longer side: the rim of a thing that moves is soft, and what is missed of it is seen


class ClipMasks:
    """Removed parts of a clip: iterated, a mask for each frame, (H, W) bool, from the first frame on each time.

    Nothing is held but a few frames: the clip is read once more in each iteration.

    Args:
        frames: the clip.
        mask: of the first frame: a picture's file or an array, see `photoflow.segment.prompts.checked_mask`; or one
            for each frame: a folder of pictures, in the order of the numbers in their names, or a video. Frames of
            which it is empty stay as they are.
        box: X, Y, W, H around a thing in the first frame, pixels.
        points: X, Y pairs on a thing in the first frame.
        not_points: X, Y pairs beside it there, with any of the others that say the first frame.
        still: what is said of the first frame holds for every frame as it is (a logo, a scratch); a box is then what is
            removed itself. Otherwise it is carried through the clip, see `photoflow.completion.carried`.
        margin: pixels by which masks are widened; None: `MARGIN` of the longer side, and none for a still box.
        segmenter: finds what is in the box or at the points; None: one of its own.

    Attributes:
        margin: pixels.
        source: how the first frame's mask was found, or what masks were given.
        notes: what a person should know, a sentence each; whole once the masks were iterated.

    Raises:
        InputError: nothing is said, or what is said contradicts itself, cannot be read, or does not fit the clip:
            its size, its number of frames; masks are empty, or one covers a whole frame.
        NoSubjectError: nothing stands out in the box or at the points.
    """

    def __init__(
        self,
        frames: Reader,
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Any] | None = None,
        not_points: Sequence[Any] | None = None,
        still: bool = False,
        margin: float | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._frames = frames
        self.notes: tuple[str, ...] = ()
        shape = frames.height, frames.width
        self.margin = _checked_margin(margin, 0.0 if still and box is not None else MARGIN * max(shape))
        self._given = _given_for_each(mask, frames)
        if self._given is not None:
            if still or box is not None or points is not None or not_points is not None:
                raise InputError("mask: one for each frame, expected without still, box and points")
            self.source = f"a mask for each frame, {mask}"
            self._check_given()
            return
        said = Selection(mask=mask, box=box, points=points, not_points=not_points)
        self._still = still
        if still and box is not None:
            if mask is not None or points is not None or not_points is not None:
                raise InputError("box: with still it is what is removed, expected without mask and points")
            self._first, self.source = _filled(checked_box(box, shape), shape), "the box itself"
        else:
            first = next(iter(frames))[..., :3]
            found = (segmenter or Segmenter()).select(first, said.scaled((shape[1], shape[0]), 1.0, shape))
            self._first, self.source = found.subjects[0].mask > 0.5, found.method
        _check_not_full(self.widened(self._first), "mask")

    def __iter__(self) -> Iterator[Bits]:
        """Yield what is removed from each frame: the thing's mask, widened."""
        for number, bits in enumerate(self.of_thing()):
            wide = self.widened(bits)
            _check_not_full(wide, f"mask of frame {number}")
            yield wide

    def of_thing(self) -> Iterator[Bits]:
        """Yield the thing's mask in each frame, not widened: to be shown, corrected by hand, and given for each."""
        if self._given is not None:
            yield from self._given()
        elif self._still:
            yield from repeat(self._first, self._frames.count)
        else:
            pictures = (np.ascontiguousarray(frame[..., :3]) for frame in self._frames)
            yield from carried(pictures, self._first, on_cut=self._note_cut)

    def widened(self, bits: Bits) -> Bits:
        """Return a mask, (H, W) bool, with what lies within the margin of it."""
        if self.margin == 0 or not bits.any():
            return bits
        return np.asarray(cv2.distanceTransform((~bits).astype(np.uint8), cv2.DIST_L2, 5) <= self.margin)

    def _check_given(self) -> None:
        """Check masks for each frame before anything is done with them.

        Raises:
            InputError: one covers its frame or cannot be read, or all are empty.
        """
        count = some = 0
        for bits in self:
            count, some = count + 1, some + bool(bits.any())
        if count != self._frames.count:
            raise InputError(f"mask: expected one mask a frame: {self._frames.count}, got {count}")
        if not some:
            raise InputError("mask: expected something to remove, got masks that are all empty")

    def _note_cut(self, number: int) -> None:
        self.notes = (f"another scene begins at frame {number}: nothing is removed from there on",)


def written(masks: Iterable[Bits], writer: VideoWriter) -> Iterator[Bits]:
    """Yield masks, each after it was written: white on black, as a folder of masks is read."""
    for bits in masks:
        writer.write(np.repeat(np.where(bits, np.uint8(255), np.uint8(0))[..., None], 3, 2))
        yield bits


def _given_for_each(mask: Any, frames: Reader) -> Callable[[], Iterator[Bits]] | None:
    """Return what yields the masks of a folder or a video, or None where `mask` is of the first frame.

    Raises:
        InputError: there are more or fewer than frames, or they have another size.
    """
    if not isinstance(mask, str | os.PathLike) or str(mask) == "-":
        return None
    path = Path(mask)
    if not path.is_dir() and (path.suffix.lower() in PICTURES or not path.is_file()):
        return None
    reader = FolderReader(path, fps=1) if path.is_dir() else VideoReader(path)
    if reader.count != frames.count:
        raise InputError(f"mask: expected one mask a frame: {frames.count}, got {reader.count} in {path}")
    if (reader.width, reader.height) != (frames.width, frames.height):
        expected, got = f"{frames.width}x{frames.height}", f"{reader.width}x{reader.height}"
        raise InputError(f"mask: expected {expected} pixels as the clip, got {got} in {path}")
    shape = frames.height, frames.width
    return (
        (lambda: _of_pictures(reader.files, shape)) if isinstance(reader, FolderReader) else lambda: _of_video(reader)
    )


def _of_pictures(files: Sequence[Path], shape: tuple[int, int]) -> Iterator[Bits]:
    for file in files:
        values = read_mask(file)
        if values.shape != shape:
            raise InputError(f"{file}: expected {shape[1]}x{shape[0]} pixels, got {values.shape[1]}x{values.shape[0]}")
        yield values > 0.5


def _of_video(reader: VideoReader) -> Iterator[Bits]:
    """Yield where a video is opaque, if it is transparent anywhere; else where it is bright in any channel."""
    for frame in reader:
        yield (frame[..., 3] if reader.alpha else frame.max(2)) > 127


def _filled(box: tuple[int, int, int, int], shape: tuple[int, int]) -> Bits:
    left, top, width, height = box
    bits = np.zeros(shape, bool)
    bits[top : top + height, left : left + width] = True
    return bits


def _check_not_full(bits: Array, name: str) -> None:
    if bits.all():
        raise InputError(f"{name}: expected something around what is removed, got a mask that covers the whole frame")


def _checked_margin(margin: float | None, usual: float) -> float:
    if margin is None:
        return usual
    if not isinstance(margin, int | float) or not 0 <= margin < np.inf:
        raise InputError(f"margin: expected pixels, 0 or more, got {margin!r}")
    return float(margin)
