"""Clips of natural motion, read alike: as many seconds of each, at the size of the paper's evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.data.spectral_volumes import held_out
from photoflow.data.video_folder import VIDEOS
from photoflow.errors import InputError
from photoflow.evaluation.clips import ClipFiles, open_clips
from photoflow.io import VideoReader, read_photo
from photoflow.io.frame_times import evenly

SIZE = (256, 128)  # width and height of the centre that is compared
_RATE = 30.0  # frames a second of pictures in a folder, as of the paper's clips


@dataclass(frozen=True, eq=False)
class MovingClip:
    """The first frames of a clip.

    Args:
        name: of the clip.
        frames: uint8 (H, W, 3) each, the smallest that cover `SIZE`.
        rate: frames a second.
    """

    name: str
    frames: list[Array]
    rate: float

    @property
    def times(self) -> list[float]:
        """Return the second of each frame."""
        return [number / self.rate for number in range(len(self.frames))]


def moving_clips(folder: Path, seconds: float, part: str, notes: list[str]) -> Iterator[tuple[int, int, MovingClip]]:
    """Yield the clips of a folder that last long enough, with number and total of the clips gone through.

    Args:
        folder: with videos, and folders of pictures, which count as 30 a second.
        seconds: of each; clips that are shorter are left out, with a note.
        part: "all", or "held_out": the videos that no training of `ClipVolumes` sees.
        notes: list that a note is added to.

    Raises:
        InputError: there is no clip, none that long, none that is held out, or one cannot be read.
    """
    files, short, found = open_clips(folder), list[str](), 0
    if part == "held_out":
        kept = {path.resolve() for path in held_out(folder)}
        files = [clip for clip in files if clip.frames[0].resolve() in kept]
        if not files:
            raise InputError(f"{folder}: expected at least 10 videos, of which the tenth is held out")
    for number, files_of_one in enumerate(files):
        clip = _read(files_of_one, seconds)
        if len(clip.frames) < max(2, round(seconds * clip.rate)):
            short.append(clip.name)
            continue
        found += 1
        yield number, len(files), clip
    if short:
        notes.append(f"Left out, shorter than {seconds:g} seconds: {', '.join(short)}")
    if not found:
        raise InputError(f"{folder}: expected clips of at least {seconds:g} seconds; --set seconds= takes less")


def centre(frames: Iterable[Array]) -> list[Array]:
    """Cut the centre of `SIZE` out of frames, uint8 (128, 256, 3) each."""
    width, height = SIZE
    cut = []
    for frame in frames:
        top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
        cut.append(np.ascontiguousarray(frame[top : top + height, left : left + width]))
    return cut


def _read(clip: ClipFiles, seconds: float) -> MovingClip:
    if clip.frames[0].suffix.lower() in VIDEOS:
        video = VideoReader(clip.frames[0])
        shown, rate = evenly(video.timed(), float(video.fps)), float(video.fps)
    else:
        shown, rate = (read_photo(file).rgb for file in clip.frames), _RATE
    wanted = islice(shown, max(2, round(seconds * rate)))
    return MovingClip(clip.name, [_covering(frame[..., :3]) for frame in wanted], rate)


def _covering(frame: Array) -> Array:
    """Resize a frame to the smallest that covers `SIZE`."""
    height, width = frame.shape[:2]
    scale = max(SIZE[0] / width, SIZE[1] / height)
    size = max(SIZE[0], round(scale * width)), max(SIZE[1], round(scale * height))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
