"""A folder of what is known of each frame while a clip is completed: memory stays small, and work can go on later."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io.atomic import naming_errors, replacing

_HELD = 96 << 20  # bytes of what was read last


class Store:
    """Named arrays by kind and frame number, a file each.

    Args:
        folder: where the files lie; it exists.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._held: OrderedDict[Path, dict[str, Array]] = OrderedDict()

    def has(self, kind: str, number: int) -> bool:
        """Return whether there is something of this kind for a frame."""
        return self._path(kind, number).exists()

    def write(self, kind: str, number: int, **arrays: Any) -> None:
        """Keep arrays for a frame.

        Raises:
            InputError: the disk is full, or the folder is gone.
        """
        path = self._path(kind, number)
        with naming_errors(path), replacing(path) as hidden, open(hidden, "wb") as file:
            np.savez(file, **arrays)
        self._held.pop(path, None)

    def read(self, kind: str, number: int) -> dict[str, Array]:
        """Return the arrays of a frame; those read last are held.

        Raises:
            InputError: they cannot be read.
        """
        path = self._path(kind, number)
        if path in self._held:
            self._held.move_to_end(path)
            return self._held[path]
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, BadZipFile) as error:
            raise InputError(f"cannot read {path}: {error}; expected what was kept there of a frame") from error
        self._held[path] = arrays
        while len(self._held) > 1 and sum(_size(one) for one in self._held.values()) > _HELD:
            self._held.popitem(last=False)
        return arrays

    def forget(self, kind: str, number: int) -> None:
        """Delete what there is of this kind for a frame."""
        path = self._path(kind, number)
        path.unlink(missing_ok=True)
        self._held.pop(path, None)

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}_{number:06}.npz"


def _size(arrays: dict[str, Array]) -> int:
    return sum(array.nbytes for array in arrays.values())
