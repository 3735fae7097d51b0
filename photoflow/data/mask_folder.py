"""A folder of pictures and masks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from photoflow.arrays import Array
from photoflow.data.things import Labelled, Things, check_shape
from photoflow.errors import InputError
from photoflow.io import PICTURES, read_mask_file
from photoflow.segment.labels import split_labels

UNNAMED = "subject"  # the class of masks that lie in no folder of a class


def open_masks(folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0) -> Things:
    """Open a folder that holds `images/NAME.jpg` and `masks/NAME.png`, or `masks/CLASS/NAME.png` for several classes.

    A mask is one thing; a map of labels (see `photoflow.io.read_labels`) holds a thing a label. Pictures without a mask
    are left out.

    Args:
        folder: where both are; pictures of any format that can be read.
        size: (height, width) of the samples, pixels.
        device: where batches are wanted.
        seed: of the order and of mirroring.

    Raises:
        InputError: no such folders, no picture with a mask, or a mask whose picture is missing.
    """
    images, masks = Path(folder) / "images", Path(folder) / "masks"
    for needed in (images, masks):
        if not needed.is_dir():
            raise InputError(f"{folder}: expected a folder with images/NAME.jpg and masks/NAME.png, found no {needed}")
    pictures = {path.stem: path for path in _files(images)}
    found: dict[str, list[tuple[int, Path]]] = {}
    kinds = sorted(path for path in masks.iterdir() if path.is_dir()) or [masks]
    for number, kind in enumerate(kinds, 1):
        for mask in _files(kind):
            if mask.stem not in pictures:
                raise InputError(f"{mask}: expected a picture {mask.stem}.jpg (or another format) in {images}")
            found.setdefault(mask.stem, []).append((number, mask))
    if not found:
        raise InputError(f"{masks} holds no masks ({', '.join(PICTURES)})")
    classes = [UNNAMED] if kinds == [masks] else [kind.name for kind in kinds]
    labelled = [Labelled(pictures[stem], partial(_things, files)) for stem, files in sorted(found.items())]
    return Things(f"{len(found)} pictures with masks", classes, labelled, size, device=device, seed=seed)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.name[0] != ".")


def _things(files: list[tuple[int, Path]], shape: tuple[int, int]) -> Iterator[tuple[int, Array]]:
    for number, path in files:
        mask = read_mask_file(path)
        check_shape(mask.values.shape, shape, path)
        for one in split_labels(mask).values() or [mask.values > 0.5]:
            yield number, one
