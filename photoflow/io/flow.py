"""Optical flow files: Middlebury .flo and KITTI 16-bit PNG."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.atomic import write_bytes
from photoflow.io.photo import MAX_MEGAPIXELS
from photoflow.io.reading import name_of, read_bytes

_MAGIC = b"PIEH"  # the float 202021.25, which is also the file's check of byte order
_MAX_SIDE = 100_000
_UNKNOWN = 1e9  # pixels: a larger value in a .flo file marks a pixel as unknown
_KITTI_SCALE, _KITTI_ZERO = 64.0, 32768.0
_MOST_BYTES = 12 + 8 * MAX_MEGAPIXELS * 1_000_000  # of a .flo file; a PNG of that many pixels has fewer
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD, _MOST_CHUNKS = _PNG + struct.pack(">I", 13) + b"IHDR", 1_000_000
_PACKED = 1032  # times the smallest that deflate makes of anything (zlib's technical details, "Maximum compression")
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def read_flow(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a flow file.

    Args:
        path: .flo (Middlebury) or .png (KITTI, 16 bits, third channel = valid).

    Returns:
        float32 (2, H, W), pixels, channel 0 = x right, 1 = y down. NaN where the flow is unknown: marked
        invalid in a KITTI file, above 1e9 in a Middlebury file.

    Raises:
        InputError: unknown suffix, missing file, wrong magic number, truncated or damaged data, not a 16-bit RGB PNG,
            more than `MAX_MEGAPIXELS`.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, and its flow
        code; Menze and Geiger, "Object Scene Flow for Autonomous Vehicles", CVPR 2015, development kit.
    """
    suffix, name = _suffix(path, "read"), name_of(path)
    data = read_bytes(path, "a flow file (.flo or .png)", _MOST_BYTES)
    return _decode_flo(data, name) if suffix == ".flo" else _decode_kitti(data, name)


def write_flow(path: str | os.PathLike[str], flow: NDArray[np.float32]) -> None:
    """Write a flow file; a pixel with a NaN or an infinity is marked as unknown.

    Args:
        path: .flo (exact, below 1e9 pixels) or .png (KITTI: steps of 1/64 pixel, from -512 to +511.98 pixels).
        flow: float32 (2, H, W), pixels, channel 0 = x right, 1 = y down.

    Raises:
        InputError: unknown suffix, wrong shape, a value that KITTI's range or .flo cannot hold, a file that cannot
            be written.
    """
    suffix = _suffix(path, "write")
    if flow.ndim != 3 or flow.shape[0] != 2 or flow.size == 0:
        raise InputError(f"expected a flow (2, H, W), got {flow.shape}")
    if flow.dtype.kind not in "fiu":
        raise InputError(f"expected a flow of numbers, got {flow.dtype}")
    known = np.asarray(np.isfinite(flow).all(axis=0))
    write_bytes(path, _encode_flo(flow, known) if suffix == ".flo" else _encode_kitti(flow, known))


def _decode_flo(data: bytes, name: str) -> NDArray[np.float32]:
    if data[:4] != _MAGIC:
        raise InputError(f"{name} is not a .flo file: expected the magic number {_MAGIC!r}, got {data[:4]!r}")
    if len(data) < 12:
        raise InputError(f"{name} is truncated: {len(data)} bytes")
    width, height = struct.unpack("<ii", data[4:12])
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise InputError(f"{name} is damaged: size {width}x{height}")
    _check_size(width, height, name)
    expected = 12 + 8 * width * height
    if len(data) < expected:
        raise InputError(f"{name} is truncated: expected {expected} bytes, got {len(data)}")
    pixels = np.frombuffer(data, "<f4", 2 * width * height, offset=12).reshape(height, width, 2)
    flow = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
    flow[:, ~(np.abs(flow) < _UNKNOWN).all(axis=0)] = np.nan
    return flow


def _encode_flo(flow: NDArray[np.float32], known: NDArray[np.bool_]) -> bytes:
    height, width = known.shape
    largest = _largest(flow, known)
    if largest >= _UNKNOWN:
        raise InputError(f".flo holds less than {_UNKNOWN:g} pixels, got {largest:g}")
    pixels = np.where(known, flow, 1e10).astype("<f4").transpose(1, 2, 0)
    return b"".join([_MAGIC, struct.pack("<ii", width, height), pixels.tobytes()])


def _decode_kitti(data: bytes, name: str) -> NDArray[np.float32]:
    image = cv2.imdecode(np.frombuffer(_checked_png(data, name), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{name} is truncated or damaged")
    valid, encoded = image[..., 0], image[..., :0:-1]  # OpenCV's order is B = valid, G = y, R = x
    flow = (np.ascontiguousarray(encoded.transpose(2, 0, 1)).astype(np.float32) - _KITTI_ZERO) / _KITTI_SCALE
    flow[:, valid == 0] = np.nan
    return flow.astype(np.float32, copy=False)


def _checked_png(data: bytes, name: str) -> bytes:
    """Return a PNG with the chunks of its pixels alone, after a check that they are whole.

    The decoder would make room for any size that the header claims, and writes to standard error what it finds.

    Raises:
        InputError: not a PNG, not of 16-bit RGB, too large, truncated or damaged.

    Source: PNG specification (third edition), sections 5, 7 and 11.
    """
    if not data.startswith(_HEAD) or len(data) < 33:
        raise InputError(f"{name} is not a PNG file, or is truncated")
    width, height, depth, colour, *methods, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 16 or colour != 2:
        raise InputError(
            f"{name} is not KITTI flow: expected 16-bit RGB, got {depth} bits of PNG's colour type {colour}"
        )
    _check_size(width, height, name)
    rows = list(_rows(width, height, interlace == 1))
    size = sum(count * length for count, length in rows)
    if 0 in (width, height) or any(methods) or interlace > 1 or size > _PACKED * len(data):
        raise InputError(f"{name} is damaged: {width}x{height} pixels in {len(data)} bytes")
    kept = [chunk for chunk in _chunks(data, name) if chunk[4:8] in (b"IDAT", b"IEND")]
    _check_pixels(b"".join(chunk[8:-4] for chunk in kept if chunk[4:8] == b"IDAT"), rows, name)
    return b"".join([data[:33], *kept])


def _rows(width: int, height: int, interlaced: bool) -> Iterator[tuple[int, int]]:
    """Yield (number of rows, bytes of each) of every pass: six bytes a pixel, and one for the row's filter."""
    for x, y, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        across, rows = -((x - width) // right), -((y - height) // down)
        if across > 0 and rows > 0:
            yield rows, 1 + 6 * across


def _chunks(data: bytes, name: str) -> Iterator[bytes]:
    """Yield the chunks of a PNG to its end: length, kind, content and checksum."""
    at = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        chunk = data[at:end]
        if end > len(data) or len(chunk) < 12:
            raise InputError(f"{name} is truncated: expected at least {end} bytes, got {len(data)}")
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise InputError(f"{name} is damaged: a checksum is wrong")
        yield chunk
        if chunk[4:8] == b"IEND":
            return
        at = end
    raise InputError(f"{name} is damaged: it has more than {_MOST_CHUNKS} chunks")


def _check_pixels(packed: bytes, rows: list[tuple[int, int]], name: str) -> None:
    size, unpack = sum(count * length for count, length in rows), zlib.decompressobj()
    try:
        raw = unpack.decompress(packed, size + 1)  # no more is unpacked, whatever there is
    except zlib.error as error:
        raise InputError(f"{name} is damaged: {error}") from error
    if len(raw) != size or not unpack.eof:
        raise InputError(f"{name} is truncated or damaged: its pixels do not take {size} bytes")
    at = 0
    for count, length in rows:
        if np.frombuffer(raw, np.uint8, count * length, at)[::length].max() > 4:
            raise InputError(f"{name} is damaged: a row has an unknown filter")
        at += count * length


def _encode_kitti(flow: NDArray[np.float32], known: NDArray[np.bool_]) -> bytes:
    largest = _largest(flow, known)
    values = (
        np.rint(np.where(known, flow, 0).astype(np.float64) * _KITTI_SCALE + _KITTI_ZERO) if largest < 1e3 else None
    )
    if values is None or values.min() < 0 or values.max() > 65535:
        raise InputError(f"KITTI flow holds -512 to 511.98 pixels, got {largest:g}; write .flo")
    encoded = np.where(known, values, 0).astype(np.uint16)
    data: Any = cv2.imencode(".png", np.dstack([known.astype(np.uint16), encoded[1], encoded[0]]))[1]
    return bytes(data)


def _largest(flow: NDArray[np.float32], known: NDArray[np.bool_]) -> float:
    """Return the largest size of a known value, pixels; in float64, as the smallest whole number has no opposite."""
    return float(np.abs(np.where(known, flow, 0).astype(np.float64)).max())


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise InputError(f"{name} is {width}x{height}, more than {MAX_MEGAPIXELS} megapixels")


def _suffix(path: str | os.PathLike[str], verb: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".flo", ".png"):
        raise InputError(f"cannot {verb} {path}: expected a suffix .flo or .png, got '{suffix}'")
    return suffix
