"""Changes to valid files and documents, drawn from a random generator."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

HEAD = 400  # bytes at the start, where headers are: half of all changes are made there
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
# What stands in place of a value of JSON.
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e300, -1e300, 1e-320, float("nan"), float("inf"), 10**30, 10**5000, "",
    "a" * 5000, "٣", "\ud800", "\0", "../../x", [], {}, [[]], [0] * 300, {"a": {"b": []}}, [1, 2], "sway",
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to eight changes: bits, numbers, and pieces that are cut, doubled or inserted."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        rng.choice(_CHANGES)(changed, _place(changed, rng), rng)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(min(HEAD, len(data)) if rng.random() < 0.5 else len(data))


def _flip(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] ^= 1 << rng.randrange(8)


def _set(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] = rng.randrange(256)


def _number(data: bytearray, at: int, rng: random.Random) -> None:
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    value = rng.choice(_NUMBERS) & (2 ** (8 * size) - 1)
    data[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]


def _cut(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + 1 + rng.randrange(64)]


def _cut_off(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at:]


def _double(data: bytearray, at: int, rng: random.Random) -> None:
    piece = data[at : at + 1 + rng.randrange(256)]
    data[at:at] = piece * rng.choice((1, 1, 2, 30))


def _insert(data: bytearray, at: int, rng: random.Random) -> None:
    data[at:at] = bytes(rng.randrange(256) for _ in range(1 + rng.randrange(16)))


def _copy(data: bytearray, at: int, rng: random.Random) -> None:
    start, size = rng.randrange(len(data)), 1 + rng.randrange(32)
    data[at : at + size] = data[start : start + size]


_CHANGES: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    _flip, _flip, _set, _set, _number, _number, _cut, _cut_off, _double, _insert, _copy,
)  # fmt: skip


def mended_png(data: bytes) -> bytes:
    """Return a PNG whose chunks have right checksums again, as far as its chunks can be told."""
    changed, at = bytearray(data), 8
    while at + 12 <= len(changed):
        (length,) = struct.unpack_from(">I", changed, at)
        end = at + 8 + length
        if end + 4 > len(changed):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(changed[at + 4 : end]))
        at = end + 4
    return bytes(changed)


def mutated_document(document: Any, rng: random.Random) -> Any:
    """Return a JSON document in which one to four values are others, are left out, repeated or nested deeply."""
    changed = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(changed))
        if not places:
            return copy.deepcopy(rng.choice(_VALUES))
        holder, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            for _ in range(rng.choice((1, 1, 40, 400))):
                holder[key] = [holder[key]] if rng.random() < 0.5 else {"type": "scaled", "motion": holder[key]}
        elif kind == 2 and isinstance(holder, dict):
            holder[rng.choice(("x", "type", "motion", "a" * 300))] = holder[key]
        elif kind == 3:
            holder[key] = [holder[key]] * rng.choice((0, 2, 60))
        else:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))
    return changed


def _places(value: Any) -> Any:
    """Yield (list or dict, index or key) of everything in a document, as far down as 50 levels."""
    pending = [(value, 0)]
    while pending:
        one, depth = pending.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else []
        for key in keys:
            yield one, key
            if depth < 50:
                pending.append((one[key], depth + 1))


def written(document: Any) -> bytes:
    """Return a document as JSON that may hold what Python's writer refuses: lone surrogates, numbers of any length."""
    import sys

    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(document).encode()
    except RecursionError:
        return b"[" * 100_000
    finally:
        sys.set_int_max_str_digits(before)
