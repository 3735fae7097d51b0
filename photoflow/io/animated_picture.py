"""Animated WebP pictures as clips: FFmpeg does not decode them, Pillow does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.frame_times import Clock
from photoflow.io.photo import MAX_MEGAPIXELS

_SHORTEST = 10  # milliseconds: up to here browsers show a frame for a tenth of a second instead
_BROWSERS = 100


def is_webp(path: Path) -> bool:
    """Return whether a file is a WebP picture, by its first bytes."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


class AnimatedPicture:
    """An animated WebP file; each iteration decodes it anew.

    Args:
        path: an absolute path.

    Attributes:
        rates: empty, as a file of pictures names none.
        notes: empty.
        alpha: whether anything is transparent.

    Raises:
        InputError: the file is damaged, or holds a single picture.
    """

    rates: tuple[Fraction, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path, self.alpha = path, True
        durations = [self._duration(image) for image in self._images()]
        if len(durations) < 2:
            raise InputError(f"{path} is a single picture, expected a video")
        self._ends = np.cumsum(durations).tolist()
        self.alpha = any(int(frame[..., 3].min()) < 255 for _, frame in self.frames())

    @property
    def clock(self) -> Clock:
        """Return a clock for one iteration over the frames."""
        return Clock(Fraction(_BROWSERS, 1000))

    def times(self) -> tuple[list[Fraction], Fraction]:
        """Return when frames are shown: seconds from 0 on, and when the last one ends."""
        return [Fraction(end, 1000) for end in [0, *self._ends[:-1]]], Fraction(self._ends[-1], 1000)

    def frames(self) -> Iterator[tuple[Fraction, NDArray[np.uint8]]]:
        """Yield each frame with its time in seconds: uint8 (H, W, 3), or (H, W, 4) with `alpha`."""
        for start, image in zip(self.times()[0], self._images()):
            yield start, np.array(image.convert("RGBA" if self.alpha else "RGB"))

    def _images(self) -> Iterator[Any]:
        from PIL import Image

        try:
            with Image.open(self.path, formats=("WEBP",)) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
                    raise InputError(f"{self.path} has more than {MAX_MEGAPIXELS} megapixels a frame")
                for index in range(getattr(image, "n_frames", 1)):
                    image.seek(index)
                    image.load()
                    yield image
        except InputError:
            raise
        except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, EOFError, ...
            reason = str(error).split("\n")[0] or type(error).__name__
            raise InputError(f"{self.path} is truncated or damaged: {reason}") from error

    @staticmethod
    def _duration(image: Any) -> int:
        given = int(image.info.get("duration", 0))
        return given if given > _SHORTEST else _BROWSERS
