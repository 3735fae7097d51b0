"""Pictures with things annotated in COCO's format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.data.things import Labelled, Things, check_shape
from photoflow.errors import InputError
from photoflow.io.reading import read_bytes

_LISTS = ("images", "annotations", "categories")
_FINE = 4


def open_coco(
    file: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None,
    size: tuple[int, int],
    *,
    device: str = "cpu",
    seed: int = 0,
) -> Things:
    """Open annotations in COCO's format: JSON with images, annotations and categories.

    Crowds (`iscrowd`) and pictures in which nothing is annotated are left out.

    Args:
        file: the JSON.
        folder: where the pictures are; None: beside it.
        size: (height, width) of the samples, pixels.
        device: where batches are wanted.
        seed: of the order and of mirroring.

    Raises:
        InputError: a file that cannot be read or is of another format, an annotation of a picture or category that it
            does not have, a picture that is missing, or nothing annotated.

    Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; https://cocodataset.org/#format-data.
    """
    path = Path(file)
    document = _document(path)
    place = path.parent if folder is None else Path(folder)
    names = {_whole(path, one, "id"): str(one.get("name")) for one in document["categories"]}
    numbers = {key: number for number, key in enumerate(sorted(names), 1)}
    pictures = {_whole(path, one, "id"): place / str(one.get("file_name")) for one in document["images"]}
    found: dict[int, list[_Annotation]] = {}
    for one in document["annotations"]:
        which, kind = _whole(path, one, "image_id"), _whole(path, one, "category_id")
        for what, key, known in (("image", which, pictures), ("category", kind, names)):
            if key not in known:
                raise InputError(f"{path}: an annotation is of {what} {key}, which is not among its {what} entries")
        if not one.get("iscrowd"):
            found.setdefault(which, []).append(_Annotation(path, numbers[kind], one.get("segmentation")))
    if not found:
        raise InputError(f"{path}: expected at least one annotation that is no crowd, got none")
    missing = next((pictures[key] for key in found if not pictures[key].is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such picture, which {path} names; coco:FILE:FOLDER says where they are")
    labelled = [Labelled(pictures[key], partial(_things, found[key])) for key in sorted(found)]
    classes = [names[key] for key in sorted(names)]
    return Things(f"{len(found)} pictures of {path.name}", classes, labelled, size, device=device, seed=seed)


@dataclass(frozen=True)
class _Annotation:
    """The annotation of one thing.

    Args:
        path: the file that says it.
        number: of its class.
        segmentation: polygons, or runs.
    """

    path: Path
    number: int
    segmentation: Any

    def mask(self, shape: tuple[int, int]) -> Array:
        """Paint its mask, bool (H, W)."""
        said = self.segmentation
        try:
            if isinstance(said, Mapping):
                check_shape(said["size"], shape, self.path)
                counts = said["counts"]
                return _painted_runs(_unpacked(counts) if isinstance(counts, str) else counts, shape)
            return _painted_polygons(said, shape)
        except InputError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise InputError(
                f"{self.path}: expected a segmentation of polygons or of runs with size and counts, "
                f"got {str(said)[:60]!r}"
            ) from error


def _things(annotations: list[_Annotation], shape: tuple[int, int]) -> Iterator[tuple[int, Array]]:
    return ((one.number, one.mask(shape)) for one in annotations)


def _document(path: Path) -> dict[str, Any]:
    """Read the JSON."""
    try:
        document = json.loads(read_bytes(path, "annotations in COCO's format"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON in COCO's format ({str(error).splitlines()[0]})") from error
    if not isinstance(document, dict) or not all(isinstance(document.get(name), list) for name in _LISTS):
        raise InputError(f"{path}: expected lists of {', '.join(_LISTS)}, as COCO's format has")
    if any(not isinstance(one, dict) for name in _LISTS for one in document[name]):
        raise InputError(f"{path}: expected objects in the lists of {', '.join(_LISTS)}")
    return document


def _whole(path: Path, entry: Mapping[str, Any], key: str) -> int:
    """Return the whole number that an entry has under a key."""
    value = entry.get(key)
    if not isinstance(value, int):
        raise InputError(f"{path}: expected a whole number as {key}, got {str(value)[:60]!r}")
    return value


def _painted_polygons(polygons: Any, shape: tuple[int, int]) -> Array:
    """Fill polygons [[x, y, x, y, ...], ...], whose whole coordinates are pixels' corners; those half inside count."""
    mask = np.zeros(shape, np.bool_)
    if not polygons:
        raise ValueError("no polygon")
    for polygon in polygons:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        if len(points) < 3 or not np.isfinite(points).all():
            raise ValueError("no polygon")
        points = points.clip(0, shape[::-1])
        (left, top), (right, low) = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
        if right > left and low > top:  # OpenCV's polygons hold their outlines, too, so they are filled larger
            fine = np.zeros((_FINE * (low - top), _FINE * (right - left)), np.uint8)
            cv2.fillPoly(fine, [np.round(_FINE * (points - (left, top)) - 0.5).astype(np.int32)], 255)
            inside = cv2.resize(fine, (right - left, low - top), interpolation=cv2.INTER_AREA)
            mask[top:low, left:right] |= inside > 127
    return mask


def _painted_runs(runs: Any, shape: tuple[int, int]) -> Array:
    """Paint runs of 0 and 1 in turns, down the columns."""
    counts = np.asarray(runs, np.int64)
    if counts.ndim != 1 or (counts < 0).any() or counts.sum() != shape[0] * shape[1]:
        raise ValueError("runs of another length than the picture's")
    values = np.arange(len(counts)) % 2 == 1
    mask: Array = np.repeat(values, counts).reshape(shape[::-1]).T
    return mask


def _unpacked(text: str) -> list[int]:
    """Unpack COCO's compressed runs.

    Each number stands in characters of six bits, from "0" on: five bits of it, the lowest first, and one that says that
    more follow. From the fourth number on it is the difference to the one two before.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts
