"""Entry points that read what a person gives: each is called with a mutated input, and answers or refuses.

A target is made once, with a folder to write to; `run_one(rng)` then tries one input and returns "accepted" or
"refused". Any exception but InputError gets through, and fails the test.
"""

from __future__ import annotations

import io
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from photoflow.errors import LONGEST, InputError

from .mutations import mutated


class Target(ABC):
    """An entry point and valid inputs to start from.

    Args:
        folder: an empty folder of its own.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seeds = self.make_seeds()

    @abstractmethod
    def make_seeds(self) -> list[tuple[str, bytes]]:
        """Make valid inputs: names of files with their contents."""

    @abstractmethod
    def use(self, path: Path) -> None:
        """Read a file, and use what was read."""

    def taken(self, name: str) -> tuple[str, bytes]:
        """Take a file out of the folder: its name with its contents."""
        path = self.folder / name
        data = path.read_bytes()
        path.unlink()
        return name, data

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        """Change a file's contents."""
        return mutated(data, rng)

    def run_one(self, rng: random.Random) -> str:
        """Try one mutated input.

        Raises:
            AssertionError: the answer is no short line, or a file was changed or lost.
        """
        name, data = rng.choice(self.seeds)
        data = self.changed(name, data, rng)
        path = self.folder / name
        path.write_bytes(data)
        try:
            outcome = answer(lambda: self.use(path))
            assert path.read_bytes() == data, "what was read has been changed"
            left = [one.name for one in self.folder.iterdir() if one != path]
            assert left == [], f"files appeared: {left}"
        finally:
            path.unlink(missing_ok=True)
        return outcome


def answer(call: Callable[[], object]) -> str:
    """Call and return "accepted", or "refused" if an InputError of one short line was raised; warnings are errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except InputError as error:
        said = str(error)
        assert said and said.isprintable() and len(said) <= LONGEST, f"not one short line: {said[:2000]!r}"
        return "refused"
    return "accepted"


def waves(size: tuple[int, int] = (20, 28), channels: int = 3) -> np.ndarray:
    """Make a smooth picture, uint8 (H, W, C)."""
    y, x = np.mgrid[: size[0], : size[1]]
    channel_values = [np.sin(x / 5 + y / 7 + phase) for phase in range(channels)]
    return np.rint(127.5 + 110 * np.stack(channel_values, axis=2)).astype(np.uint8)


def saved(picture: Any, form: str, **options: Any) -> bytes:
    """Return the bytes of a file of one of Pillow's pictures."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()
