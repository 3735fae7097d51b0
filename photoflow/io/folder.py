"""A folder of pictures, read as the frames of a video."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.image import PICTURES, has_alpha, read_photo
from photoflow.io.video import MAX_FPS, MIN_FPS


class FolderReader:
    """Reader of a folder's pictures, in the order of the numbers in their names. Other files are ignored.

    Args:
        path: the folder.
        fps: frames shown a second.

    Attributes:
        width: pixels.
        height: pixels.
        files: the pictures, in order.
        fps: as given.
        count: number of frames.
        seconds: length, all frames shown equally long.
        notes: empty: there is nothing to say of pictures.
        alpha: whether any picture has transparency; all frames then have an alpha channel.

    Raises:
        InputError: the folder is missing or holds no pictures, a picture cannot be read, or the rate is out of range.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: str | os.PathLike[str], fps: float | Fraction) -> None:
        self.path = Path(os.path.abspath(path))
        if not os.path.isdir(self.path):
            raise InputError(f"{self.path}: no such folder")
        files = [file for file in self.path.iterdir() if file.suffix.lower() in PICTURES and file.name[0] != "."]
        if not files:
            raise InputError(f"{self.path} holds no pictures ({', '.join(PICTURES)})")
        if not MIN_FPS <= fps <= MAX_FPS:
            raise InputError(f"fps: expected a number from {MIN_FPS} to {MAX_FPS}, got {fps}")
        self.files = sorted(files, key=natural_order)
        self.fps, self.count = Fraction(fps).limit_denominator(1001), len(files)
        self.alpha = any(has_alpha(file) for file in self.files)
        self.height, self.width = read_photo(self.files[0]).rgb.shape[:2]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield frames, uint8 (H, W, 3), or (H, W, 4) with `alpha`."""
        for file in self.files:
            photo = read_photo(file)
            if photo.rgb.shape[:2] != (self.height, self.width):
                size = f"{photo.rgb.shape[1]}x{photo.rgb.shape[0]}"
                raise InputError(
                    f"{file}: expected {self.width}x{self.height} pixels as in {self.files[0].name}, got {size}"
                )
            if not self.alpha:
                yield photo.rgb
                continue
            opaque = np.full((self.height, self.width), 255, np.uint8)
            yield np.dstack([photo.rgb, opaque if photo.alpha is None else photo.alpha])

    @property
    def times(self) -> list[float]:
        """Return when frames are shown, seconds."""
        return [float(index / self.fps) for index in range(self.count)]

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return float(self.count / self.fps)

    def timed(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Yield frames with the second at which each is shown."""
        for index, frame in enumerate(self):
            yield float(index / self.fps), frame


def natural_order(file: Path) -> tuple[list[int | str], str]:
    """Return a key that sorts files by the numbers in their names: frame_2 before frame_10, whatever their suffixes.

    Returns:
        The words and numbers of the name without its suffix, alternating, starting with a word (which may be empty);
        then the whole name, which decides between files such as 1.png and 01.png.
    """
    parts = re.split(r"(\d+)", file.stem)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], file.name
