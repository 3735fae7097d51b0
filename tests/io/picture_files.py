"""Picture files of every kind of pixels, made by hand by the tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from photoflow.io import read_mask, read_photo
from photoflow.io.image import has_alpha

HEIGHT, WIDTH = 4, 6
RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
COLOURS = np.stack([RAMP, 1 - RAMP, RAMP**2], axis=2)
OPACITY = np.linspace(1, 0.25, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)


def whole(share: np.ndarray, bits: int) -> np.ndarray:
    """Levels of a number of bits."""
    return np.minimum(np.round(share * (2**bits - 1)), largest(bits)).astype(np.uint64)


def largest(bits: int) -> float:
    """The largest number of some bits that is no larger as a float."""
    return float(2**bits - 1) if bits <= 53 else float(2**bits - 2 ** (bits - 53))


def packed(values: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Rows of whole numbers, bit by bit; each row begins with a byte of its own."""
    if bits >= 8:
        return np.ascontiguousarray(values).astype(f"{order}u{bits // 8}").tobytes()
    rows = []
    for row in values.reshape(len(values), -1):
        text = "".join(format(int(value), f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: np.ndarray, bits: int, colour_type: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG file of whole numbers, (H, W) or (H, W, C), with more chunks before its pixels."""
    data = packed(values, bits)
    stride = len(data) // len(values)
    rows = b"".join(b"\0" + data[start : start + stride] for start in range(0, len(data), stride))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def tiff(
    data: bytes | Sequence[bytes], bits: int, photometric: int, samples: int = 1, *, form: int = 1, order: str = "<",
    planar: bool = False, extra: int | None = None, compress: bool = False, size: tuple[int, int] = (HEIGHT, WIDTH),
    **tags: Any,
) -> bytes:  # fmt: skip
    """A TIFF file of one strip a plane, by hand."""
    strips = [data] if isinstance(data, bytes) else list(data)
    strips = [zlib.compress(strip) for strip in strips] if compress else strips
    offsets = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    entries: dict[int, Sequence[int]] = {
        256: [size[1]], 257: [size[0]], 258: [bits] * samples, 259: [8 if compress else 1], 262: [photometric],
        273: offsets, 277: [samples], 278: [size[0]], 279: [len(strip) for strip in strips],
        284: [2 if planar else 1], 339: [form] * samples,
    }  # fmt: skip
    if extra is not None:
        entries[338] = [extra]
    entries |= {int(tag[1:]): values for tag, values in tags.items()}
    body = b"".join(strips) + bytes(sum(map(len, strips)) % 2)
    after = 8 + len(body) + 2 + 12 * len(entries) + 4
    table, long = struct.pack(order + "H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        kind, letter = (3, "H") if max(values) < 65536 else (4, "I")
        value = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(value) > 4:
            value, long = struct.pack(order + "I", after + len(long)), long + value
        table += struct.pack(order + "HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8 + len(body)) + body + table + bytes(4) + long


def stored(share: np.ndarray, bits: int, form: int, order: str = "<") -> bytes:
    """Samples as a TIFF file holds them: 1 = unsigned, 2 = signed, 3 = floating-point."""
    if form == 1:
        return packed(whole(share, bits), bits, order)
    if form == 2:
        most = largest(bits - 1)
        return np.minimum(np.round(share * most), most).astype(f"{order}i{bits // 8}").tobytes()
    return share.astype(f"{order}f{bits // 8}").tobytes()


def bmp(
    data: bytes, bits: int, palette: Sequence[int] = (), *, masks: Sequence[int] = (), size=(HEIGHT, WIDTH)
) -> bytes:
    """A BMP file with rows from the bottom to the top, each padded to 4 bytes."""
    table = bytes(palette) + struct.pack(f"<{len(masks)}I", *masks)
    header = 108 if len(masks) == 4 else 40
    start = 14 + 40 + len(table) + max(0, header - 40 - 4 * len(masks)) * bool(masks and header > 40)
    info = struct.pack(
        "<IiiHHIIiiII", header, size[1], size[0], 1, bits, 3 if masks else 0, len(data), 0, 0, len(palette) // 4, 0
    )
    rest = bytes(start - 14 - 40 - len(table))
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + table + rest + data


def from_below(rows: np.ndarray, bits: int) -> bytes:
    """Rows of a BMP file from the bottom to the top, each padded to 4 bytes."""
    lines = [packed(row[None], bits, "<") for row in rows[::-1]]
    return b"".join(line + bytes(-len(line) % 4) for line in lines)


def check(data: bytes, path: Path, rgb: np.ndarray, alpha: np.ndarray | None = None, tolerance: float = 1.01) -> None:
    """Compare the photo and the mask of a file with levels in [0, 1], grey (H, W) or (H, W, 3)."""
    path.write_bytes(data)
    photo, mask = read_photo(path), read_mask(path)
    wanted = np.repeat(rgb[..., None], 3, axis=2) if rgb.ndim == 2 else rgb
    visible = 1 if alpha is None else (alpha > 0)[..., None]
    np.testing.assert_allclose(photo.rgb * visible, wanted * 255 * visible, atol=tolerance)
    assert (photo.alpha is None) == (alpha is None)
    assert has_alpha(path) == (alpha is not None)
    if alpha is not None:
        np.testing.assert_allclose(photo.alpha, alpha * 255, atol=tolerance)
        np.testing.assert_allclose(mask, alpha, atol=0.005)
    elif rgb.ndim == 2:
        np.testing.assert_allclose(mask, rgb, atol=0.005)


def key_alpha(numbers: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """The opacity where one colour, in the numbers of the file, is transparent."""
    found = numbers == key[0] if numbers.ndim == 2 else (numbers == np.array(key)).all(axis=2)
    assert found.any() and not found.all()
    return 1.0 - found
