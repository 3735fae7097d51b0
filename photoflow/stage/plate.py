"""The clean plate of a photo that begins a clip: what its subjects hide, as the rest of the clip shows it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.render.background import membrane
from photoflow.render.cutout import support
from photoflow.segment.guided import fitting, shrunk
from photoflow.stage.composition import hole_behind, reached
from photoflow.stage.layer import Layer
from photoflow.stage.progress import Progress

if TYPE_CHECKING:
    from photoflow.interpolation import Reader

MOST_FRAMES = 60  # of a clip that are looked at: each takes a second or so
_MARGIN = 0.01  # of a frame's longer side: the rim of a thing that moves is soft, and what is missed of it is seen
_OFF_SIZE = 2  # pixels by which a photo's sides may differ from a frame's, enlarged: encoders want even ones
# Grey levels by which photo and first frame may differ at a reduced size, on the average and in any small square. With
# DAVIS, an encoder at low quality makes 4 and 13 of it; the frame after the first differs by at least 7 and 50.
_SIDE, _SQUARE = 240, 6
_OFF, _OFF_ANYWHERE = 8.0, 30.0
_AROUND = 64  # pixels around a hole in which photo and frame are compared


@dataclass(frozen=True, eq=False)
class Plate:
    """A photo without its subjects.

    Args:
        picture: uint8 (H, W, 3), equal to the photo where nothing was hidden.
        known: bool (H, W), what was hidden and is known.
    """

    picture: Array
    known: Array


class Footage:
    """A clip that begins with a photo; opened and checked at once, and looked through when a plate is asked for.

    Args:
        path: of a video, or a folder of pictures.
        photo: uint8 (H, W, 3), its first frame, at any size.

    Raises:
        InputError: the clip cannot be read, or begins with another picture.
    """

    def __init__(self, path: str | os.PathLike[str], photo: Array) -> None:
        from photoflow.interpolation import open_frames

        self._path, self._photo = path, photo
        self._frames = _Frames(open_frames(path), (photo.shape[0], photo.shape[1]))
        _check_first(path, photo, self._frames)

    def plate(self, layers: Sequence[Layer], progress: Progress) -> Plate | None:
        """Return the photo without subjects, or None where no frame shows more of it.

        Each subject is followed through the clip, up to another scene. What is hidden in the photo is filled with what
        other frames show there, and with texture where none does.

        Args:
            layers: the subjects.
            progress: is told of each step.

        Raises:
            InputError: a frame cannot be read.
            Cancelled: between two frames.
        """
        from photoflow.completion import propagated

        hole = hole_behind([layer.alpha for layer in layers])
        names = ", ".join(layer.name for layer in layers)
        here = cv2.resize(hole.astype(np.float32), self._frames.shape[::-1], interpolation=cv2.INTER_AREA) > 0
        masks = [here, *islice(self._masks(layers, progress), 1, None)]
        if here.all() or len(masks) == 1:
            progress.done(f"nothing of {self._path} shows what is behind: {names}")
            return None
        progress.done(f"followed through {len(masks)} frames of {self._path}: {names}")
        frames = self._frames.first(len(masks))
        completed = next(propagated(frames, masks, progress=progress.check))
        progress.done(f"completed behind: {names}")
        return Plate(_joined(completed, next(iter(frames)), self._photo, hole), hole)

    def _masks(self, layers: Sequence[Layer], progress: Progress) -> Iterator[Array]:
        """Yield where subjects are in each frame, bool (h, w), until another scene begins or nothing else is seen."""
        from photoflow.completion.carried import carried

        frames, width = self._frames.first(MOST_FRAMES), round(_MARGIN * max(self._frames.shape))
        cuts: list[int] = []
        masks = [shrunk((layer.mask > 127).astype(np.float32), frames.shape) > 0 for layer in layers]
        for each in zip(*(carried(frames, mask, on_cut=cuts.append) for mask in masks)):
            progress.check()
            united = reached(np.logical_or.reduce(each), width)
            if cuts or united.all():
                return
            yield united


class _Frames:
    """The frames of a clip, uint8 (h, w, 3) each, not larger than a photo; read again in each iteration.

    Args:
        reader: of the clip.
        most: (H, W) of the photo.
        count: how many there are at most; None: all.
    """

    def __init__(self, reader: Reader, most: tuple[int, int], count: int | None = None) -> None:
        self.whole = reader.height, reader.width
        self.shape = min(self.whole, most, key=math.prod)
        self._reader, self._most, self._count = reader, most, count

    def __iter__(self) -> Iterator[Array]:
        for frame in islice(self._reader, self._count):
            yield np.ascontiguousarray(shrunk(frame[..., :3], self.shape))

    def first(self, count: int) -> _Frames:
        """Return the first of them."""
        return _Frames(self._reader, self._most, count)


def _check_first(path: str | os.PathLike[str], photo: Array, frames: _Frames) -> None:
    """Check that a clip begins with a photo.

    Raises:
        InputError: it does not.
    """
    (height, width), (rows, columns) = photo.shape[:2], frames.whole
    scale = max(height, width) / max(rows, columns)
    if max(abs(height - rows * scale), abs(width - columns * scale)) > _OFF_SIZE * max(1.0, scale):
        raise InputError(
            f"behind: expected a clip of the photo's proportions, {width}x{height}, got {columns}x{rows} in {path}"
        )
    size = fitting(frames.shape, _SIDE)
    one, other = (shrunk(picture, size).astype(np.float32) for picture in (photo, next(iter(frames))))
    apart = np.abs(one - other).mean(axis=2)
    if apart.mean() > _OFF or cv2.blur(apart, (_SQUARE, _SQUARE)).max() > _OFF_ANYWHERE:
        raise InputError(f"behind: expected a clip that begins with the photo, got another first frame in {path}")


def _joined(completed: Array, first: Array, photo: Array, hole: Array) -> Array:
    """Return the photo with what a clip's completed frame has in its hole.

    How the photo differs from that frame around the hole, by another encoder or exposure, is continued into it.

    Args:
        completed: uint8 (h, w, 3), without the subjects.
        first: the same with them.
        photo: uint8 (H, W, 3).
        hole: bool (H, W).
    """
    left, top, right, bottom = support(hole)
    window = np.s_[max(0, top - _AROUND) : bottom + _AROUND, max(0, left - _AROUND) : right + _AROUND]
    size = photo.shape[1], photo.shape[0]
    fill, shown = (
        cv2.resize(one, size, interpolation=cv2.INTER_CUBIC)[window].astype(np.float32) for one in (completed, first)
    )
    inside = hole[window]
    shift = membrane((photo[window] - shown) * ~inside[..., None], (~inside).astype(np.float32))
    result: Array = photo.copy()
    result[window][inside] = np.rint((fill + shift)[inside].clip(0, 255))
    return result
