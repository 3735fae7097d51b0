"""Headers of safetensors files, checked before anything of the file is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from photoflow.errors import InputError, shown

MOST_HEADER = 1 << 24  # bytes: more than 100,000 tensors take
BYTES = {
    "BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8,
    "F16": 2, "BF16": 2, "F32": 4, "F64": 8,
}  # fmt: skip
_MOST_AXES = 16
_LENGTH = 8  # bytes of the header's length


@dataclass(frozen=True)
class Entry:
    """A tensor in the file.

    Args:
        dtype: key in `BYTES`.
        shape: of the tensor.
        start: of its bytes in the file.
        end: of its bytes in the file.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file.

    Args:
        tensors: by name.
        about: the texts that stand in it.
    """

    tensors: Mapping[str, Entry]
    about: Mapping[str, str]


def header_of(head: bytes, size: int) -> Header:
    """Read and check the header of a safetensors file.

    Args:
        head: the file, or its beginning: at least `header_bytes` of it.
        size: bytes of the whole file.

    Raises:
        InputError: truncated or corrupted, without the file's name.

    Source: https://huggingface.co/docs/safetensors, "Format".
    """
    end = header_bytes(head)
    if end > size:
        raise InputError(f"truncated: expected {end} bytes, got {size}")
    values = _values(head[_LENGTH:end])
    about = values.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise InputError("corrupted: its metadata are not texts")
    tensors = {name: _entry(name, entry, end) for name, entry in values.items()}
    at = end
    for entry in sorted(tensors.values(), key=lambda one: (one.start, one.end)):
        if entry.start != at:
            raise InputError("corrupted: its tensors overlap, or there is something between them")
        at = entry.end
    if size < at:
        raise InputError(f"truncated: expected {at} bytes, got {size}")
    if size > at:
        raise InputError(f"corrupted: expected {at} bytes, got {size}")
    return Header(tensors, about)


def header_bytes(head: bytes) -> int:
    """Return how many bytes of a safetensors file its header takes, from the first eight of them.

    Raises:
        InputError: it takes more than `MOST_HEADER`, or the file is shorter than that number.
    """
    if len(head) < _LENGTH:
        raise InputError(f"truncated: expected at least {_LENGTH} bytes, got {len(head)}")
    length = int.from_bytes(head[:_LENGTH], "little")
    if length > MOST_HEADER:
        raise InputError(f"corrupted: expected a header of at most {MOST_HEADER} bytes, got {length}")
    return _LENGTH + length


def _values(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"corrupted: its header is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise InputError("corrupted: its header has no names")
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError("corrupted: a name stands twice in its header")
    return values


def _entry(name: str, values: Any, start: int) -> Entry:
    if not isinstance(values, dict) or values.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"corrupted: its header has no type, shape and place of {shown(name)}")
    dtype, shape, offsets = values["dtype"], values["shape"], values["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise InputError(f"{shown(name)} is of type {shown(dtype)}; expected one of {', '.join(BYTES)}")
    if not (_are_counts(shape) and len(shape) <= _MOST_AXES and _are_counts(offsets) and len(offsets) == 2):
        raise InputError(f"corrupted: the shape or the place of {shown(name)} is not made of whole numbers")
    expected, got = math.prod(shape) * BYTES[dtype], offsets[1] - offsets[0]
    if expected != got:
        raise InputError(f"corrupted: {shown(name)} of shape {shown(tuple(shape))} has {got} bytes")
    return Entry(dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in values)
