"""Reader of video files and of animated pictures, frame by frame, each at the time at which it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.animated_picture import AnimatedPicture, is_webp
from photoflow.io.frame_times import frame_rate
from photoflow.io.video_file import VideoFile


class VideoReader:
    """Reader of a video, frame by frame; each iteration starts at the first frame.

    Frames are as a player shows them: upright (rotated and mirrored as the file says), with square pixels,
    deinterlaced, in sRGB: HDR is tone-mapped, wide primaries are converted. Their times are what the file says of each
    frame, not an average.

    Args:
        path: any video file that FFmpeg reads, or an animated GIF, APNG or WebP.

    Attributes:
        width: pixels, as shown.
        height: pixels.
        alpha: whether anything is transparent; frames then have an alpha channel.

    Raises:
        InputError: the file is missing, is a folder, holds no video, or holds no frame that is whole.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))
        self._source = AnimatedPicture(self.path) if is_webp(self.path) else VideoFile(self.path)
        self.alpha = self._source.alpha
        self.height, self.width = next(self._source.frames())[1].shape[:2]

    @property
    def notes(self) -> list[str]:
        """Return what a person should know of the file (HDR, interlaced, damaged, cut off); whole once it was read."""
        return list(self._source.notes)

    @cached_property
    def _shown(self) -> tuple[list[Fraction], Fraction]:
        """Return the frames' times and the end of the last one, from the file's packets, which are not decoded."""
        return self._source.times()

    @property
    def times(self) -> list[float]:
        """Return when frames are shown, seconds, the first at 0; of a damaged file, the frames it should have."""
        return [float(time) for time in self._shown[0]]

    @property
    def count(self) -> int:
        """Return the number of frames."""
        return len(self._shown[0])

    @property
    def seconds(self) -> float:
        """Return the length in seconds, with the time for which the last frame is shown."""
        return float(self._shown[1])

    @cached_property
    def fps(self) -> Fraction:
        """Return frames a second: the slowest rate with a place for each frame, at most 240."""
        return frame_rate(self._shown[0], self._source.rates)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield frames, uint8 (H, W, 3), or (H, W, 4) where the video has alpha."""
        for _, frame in self.timed():
            yield frame

    def timed(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Yield each frame with its time in seconds; the first frame is at 0, and times never run backwards.

        Raises:
            InputError: a frame has another size than the first.
        """
        clock = self._source.clock
        for time, frame in self._source.frames():
            if frame.shape[:2] != (self.height, self.width):
                sizes = f"{self.width}x{self.height} to {frame.shape[1]}x{frame.shape[0]}"
                raise InputError(f"{self.path}: its frames change from {sizes} pixels, expected one size")
            yield float(clock(time)), frame
