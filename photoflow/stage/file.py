"""Stage files: one zip of PNG pictures and a JSON document, read without running anything."""

from __future__ import annotations

import io
import json
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.io.atomic import write_bytes
from photoflow.io.origin import GENERATED
from photoflow.io.photo import MAX_MEGAPIXELS
from photoflow.io.reading import name_of, read_bytes
from photoflow.motion.motion import NAME

VERSION = 1
SUFFIX = ".stage"
MAX_BYTES = 1 << 30  # of a file, and of all that is in it
MAX_PICTURES = 1 << 32  # bytes of all pixels: forty layers of a photo of 12 megapixels
MAX_DOCUMENT = 1 << 20  # bytes of the JSON document
MAX_LAYERS = 256
_DOCUMENT = "stage.json"
_DEPTH = "depth"  # the one picture of 16 bits
# What the zip format can make Python's reader raise on bytes that were changed.
_DAMAGE = (
    OSError, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OverflowError, MemoryError, LookupError,
)  # fmt: skip
_DATE = (1980, 1, 1, 0, 0, 0)  # the same stage gives the same bytes
_LAYER: dict[str, Any] = {"name": str, "source": str, "kind": (str, type(None)), "region": bool, "given": bool}
_LAYER_TOO: dict[str, Any] = {  # since version 1 was written first
    "label": (str, type(None)), "sure": (int, float, type(None)), "why": (str, type(None)),
    "direction": (list, type(None)), "free": list, "pinned": list,
}  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """The contents of a stage file.

    Args:
        document: its JSON document, checked.
        pictures: by name, uint8 (H, W) or (H, W, 3); the depth is uint16 (H, W).
    """

    document: Mapping[str, Any]
    pictures: Mapping[str, Array]


def is_stage_file(photo: Any) -> bool:
    """Return whether a photo is given as the path of a stage file."""
    return isinstance(photo, str | os.PathLike) and Path(photo).suffix.lower() == SUFFIX


def write(path: str | os.PathLike[str], document: Mapping[str, Any], pictures: Mapping[str, Array]) -> None:
    """Write a stage file, beside its target first and then renamed over it.

    Raises:
        InputError: the suffix is not .stage, the folder does not exist or cannot be written to, or there is more in the
            stage than `read` reads.
    """
    if Path(path).suffix.lower() != SUFFIX:
        raise InputError(f"cannot write {path}: a stage is expected to end in {SUFFIX}")
    try:
        data = packed(document, pictures)
    except InputError as error:
        raise InputError(f"cannot write {path}: {error}") from error
    write_bytes(path, data)


def packed(document: Mapping[str, Any], pictures: Mapping[str, Array]) -> bytes:
    """Return the bytes of a stage file.

    Raises:
        InputError: there is more in the stage than `read` reads.
    """
    if sum(picture.nbytes for picture in pictures.values()) > MAX_PICTURES:
        raise InputError(f"expected at most {MAX_PICTURES >> 20} MiB of pixels in a stage")
    whole = {"photoflow": "stage", "version": VERSION, **document}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        archive.writestr(zipfile.ZipInfo(_DOCUMENT, _DATE), json.dumps(whole, indent=1) + "\n")
        for name, picture in pictures.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.png", _DATE), _encoded(picture))
    return out.getvalue()


def read(path: str | os.PathLike[str]) -> Contents:
    """Read and check a stage file.

    Raises:
        InputError: in one line: no such file, not a stage, damaged, too large, or of another version.
    """
    return unpacked(read_bytes(path, "a stage of `photoflow prepare`", MAX_BYTES), name_of(path))


def unpacked(data: bytes, name: str, most_pixels: int | None = None) -> Contents:
    """Read and check the bytes of a stage file.

    Args:
        data: all of it.
        name: of the file, for messages.
        most_pixels: bytes of all pixels in it, counted before any is decoded; None: `MAX_PICTURES`.

    Raises:
        InputError: in one line: not a stage, damaged, too large, or of another version.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, MAX_PICTURES if most_pixels is None else most_pixels)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{name}: not a stage, or a damaged one; expected a file of `photoflow prepare`") from error
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{name}: a damaged stage ({reason}); expected a file of `photoflow prepare`") from error


def _read(archive: zipfile.ZipFile, most_pixels: int) -> Contents:
    members = archive.infolist()
    names = [member.filename for member in members]
    if _DOCUMENT not in names:
        raise InputError(f"not a stage: expected {_DOCUMENT} in it")
    if len(set(names)) < len(names):
        raise InputError("a damaged stage: something is in it twice")
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise InputError("a damaged stage: it is packed by another method")
    if sum(member.file_size for member in members) > MAX_BYTES or archive.getinfo(_DOCUMENT).file_size > MAX_DOCUMENT:
        raise InputError("a stage with too much in it")
    document = _document(archive.read(_DOCUMENT))
    width, height = document["size"]
    count = len(document["layers"])
    shapes: dict[str, tuple[int, ...]] = {"photo": (height, width, 3)}
    if document["look"] is not None:
        shapes["look"] = (*document["look"][::-1], 3)
    shapes |= {f"mask-{number}": (height, width) for number in range(1, count + 1)}
    optional: dict[str, tuple[int, ...]] = {_DEPTH: (height, width)}
    optional |= {"plate": (height, width, 3), "plate-known": (height, width)}
    for number in range(1, count + 1):
        optional |= {f"alpha-{number}": (height, width), f"colours-{number}": (height, width, 3)}
    optional |= {f"fill-{number}": (height, width, 3) for number in range(1, len(document["fills"]) + 1)}
    there = [shape for name, shape in (shapes | optional).items() if f"{name}.png" in names]
    if sum(math.prod(shape) for shape in there) > most_pixels:
        raise InputError("a stage with too much in it")
    pictures = {}
    for name, shape in (shapes | optional).items():
        if f"{name}.png" in names:
            pictures[name] = _decoded(archive.read(f"{name}.png"), name, shape)
        elif name in shapes:
            raise InputError(f"a damaged stage: {name}.png is missing")
    return Contents(document, pictures)


def _document(text: bytes) -> dict[str, Any]:
    """Return the checked document.

    Raises:
        InputError: it is not a stage's, or of another version, or a value is not what it should be.
    """
    try:
        document = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"a damaged stage: {_DOCUMENT} is not JSON") from error
    if not isinstance(document, dict) or document.get("photoflow") != "stage":
        raise InputError(f'not a stage: expected "photoflow": "stage" in {_DOCUMENT}')
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(f"a stage of version {shown(version)[:40]}; this photoflow reads version {VERSION}")
    look = document.get("look")
    _expect(_is_size(document.get("size")), "size")
    _expect(_is_size(document.get("photo")), "photo")
    _expect(look is None or _is_size(look), "look")
    _expect(isinstance(document.get("note"), str), "note")
    _expect(document.get("source_type") in (None, *GENERATED), "source_type")
    for name in ("scale", "look_scale"):
        _expect(type(document.get(name)) in (int, float) and 0 < document[name] < 1e4, name)
    layers, fills = document.get("layers"), document.get("fills")
    _expect(isinstance(layers, list) and len(layers) <= MAX_LAYERS, "layers")
    _expect(all(_is_layer(layer, document["size"]) for layer in document["layers"]), "layers")
    _expect(len({layer["name"] for layer in document["layers"]}) == len(document["layers"]), "layers")
    _expect(isinstance(fills, list) and len(fills) <= MAX_LAYERS, "fills")
    for fill in document["fills"]:
        _expect(isinstance(fill, dict) and {"moving", "others"} == fill.keys(), "fills")
        _expect(all(_are_numbers(numbers, len(document["layers"])) for numbers in fill.values()), "fills")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name stands twice")
    return values


def _expect(condition: bool, name: str) -> None:
    if not condition:
        raise InputError(f"a damaged stage: {name!r} in {_DOCUMENT} is not what it should be")


def _is_size(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == 2 and all(type(v) is int and v >= 1 for v in value)
    return bool(whole and value[0] * value[1] <= MAX_MEGAPIXELS * 1_000_000)


def _is_layer(value: Any, size: Sequence[int]) -> bool:
    return (
        isinstance(value, dict)
        and _LAYER.keys() <= value.keys() <= _LAYER.keys() | _LAYER_TOO.keys()
        and all(isinstance(value[key], kind) for key, kind in (_LAYER | _LAYER_TOO).items() if key in value)
        and NAME.fullmatch(value["name"]) is not None
        and _is_share(value.get("sure"))
        and _is_direction(value.get("direction"))
        and all(_are_strokes(value.get(key, []), size) for key in ("free", "pinned"))
    )


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= 1)


def _is_direction(value: Any) -> bool:
    return value is None or (
        len(value) == 2 and all(type(v) in (int, float) and -1 <= v <= 1 for v in value) and any(value)
    )


def _are_strokes(value: Any, size: Sequence[int]) -> bool:
    """Say whether strokes are lists of points (x, y) inside a picture (width, height)."""
    return all(
        isinstance(stroke, list) and stroke and all(_is_point(point, size) for point in stroke) for stroke in value
    )


def _is_point(value: Any, size: Sequence[int]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(v) in (int, float) and 0 <= v <= side - 1 for v, side in zip(value, size))
    )


def _are_numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < count for v in value)


def _encoded(picture: Array) -> bytes:
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    data: bytes = encoded.tobytes()
    return data


def _decoded(data: bytes, name: str, shape: Sequence[int]) -> Array:
    """Return a picture of exactly this shape; the size in its header is looked at before anything is decoded.

    Raises:
        InputError: it is no PNG of that shape.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a large picture: its size is looked at here
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                mode, kind = ("I;16", np.uint16) if name == _DEPTH else ("RGB" if len(shape) == 3 else "L", np.uint8)
                if image.size == (shape[1], shape[0]) and image.mode == mode:
                    return np.array(image, kind)
    except Exception as error:  # a damaged PNG raises OSError, SyntaxError, ValueError, struct.error, zlib.error, ...
        raise InputError(f"a damaged stage: {name}.png cannot be read") from error
    raise InputError(f"a damaged stage: {name}.png is not a PNG of {shape[1]}x{shape[0]}")
