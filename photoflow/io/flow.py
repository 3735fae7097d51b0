"""Optical flow files: Middlebury .flo and KITTI 16-bit PNG."""

import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.atomic import write_bytes

_MAGIC = b"PIEH"  # the float 202021.25, which is also the file's check of byte order
_MAX_SIDE = 100_000
_KITTI_SCALE, _KITTI_ZERO = 64.0, 32768.0


def read_flow(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a flow file.

    Args:
        path: .flo (Middlebury) or .png (KITTI, 16 bits, third channel = valid).

    Returns:
        float32 (2, H, W), pixels, channel 0 = x right, 1 = y down. NaN where the flow is unknown: marked
        invalid in a KITTI file, above 1e9 in a Middlebury file.

    Raises:
        InputError: unknown suffix, missing file, wrong magic number, truncated data, not a 16-bit RGB PNG.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, and its flow
        code; Menze and Geiger, "Object Scene Flow for Autonomous Vehicles", CVPR 2015, development kit.
    """
    suffix = _suffix(path, "read")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return _decode_flo(data, path) if suffix == ".flo" else _decode_kitti(data, path)


def write_flow(path: str | os.PathLike[str], flow: NDArray[np.float32]) -> None:
    """Write a flow file; a pixel with a NaN is marked as unknown.

    Args:
        path: .flo (exact) or .png (KITTI: steps of 1/64 pixel, from -512 to +511.98 pixels).
        flow: float32 (2, H, W), pixels, channel 0 = x right, 1 = y down.

    Raises:
        InputError: unknown suffix, wrong shape, a value that KITTI's range cannot hold, a file that cannot be
            written.
    """
    suffix = _suffix(path, "write")
    if flow.ndim != 3 or flow.shape[0] != 2 or flow.size == 0:
        raise InputError(f"expected a flow (2, H, W), got {flow.shape}")
    known = np.asarray(np.isfinite(flow).all(axis=0))
    write_bytes(path, _encode_flo(flow, known) if suffix == ".flo" else _encode_kitti(flow, known))


def _decode_flo(data: bytes, path: str | os.PathLike[str]) -> NDArray[np.float32]:
    if data[:4] != _MAGIC:
        raise InputError(f"{path} is not a .flo file: expected the magic number {_MAGIC!r}, got {data[:4]!r}")
    if len(data) < 12:
        raise InputError(f"{path} is truncated: {len(data)} bytes")
    width, height = struct.unpack("<ii", data[4:12])
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise InputError(f"{path} is damaged: size {width}x{height}")
    expected = 12 + 8 * width * height
    if len(data) < expected:
        raise InputError(f"{path} is truncated: expected {expected} bytes, got {len(data)}")
    pixels = np.frombuffer(data, "<f4", 2 * width * height, offset=12).reshape(height, width, 2)
    flow = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
    flow[:, ~(np.abs(flow) < 1e9).all(axis=0)] = np.nan
    return flow


def _encode_flo(flow: NDArray[np.float32], known: NDArray[np.bool_]) -> bytes:
    height, width = known.shape
    pixels = np.where(known, flow, 1e10).astype("<f4").transpose(1, 2, 0)
    return b"".join([_MAGIC, struct.pack("<ii", width, height), pixels.tobytes()])


def _decode_kitti(data: bytes, path: str | os.PathLike[str]) -> NDArray[np.float32]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise InputError(f"{path} is not a PNG file, or is truncated")
    if image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{path} is not KITTI flow: expected 16-bit RGB, got {image.dtype} {image.shape}")
    valid, encoded = image[..., 0], image[..., :0:-1]  # OpenCV's order is B = valid, G = y, R = x
    flow = (np.ascontiguousarray(encoded.transpose(2, 0, 1)).astype(np.float32) - _KITTI_ZERO) / _KITTI_SCALE
    flow[:, valid == 0] = np.nan
    return flow.astype(np.float32, copy=False)


def _encode_kitti(flow: NDArray[np.float32], known: NDArray[np.bool_]) -> bytes:
    values = np.rint(np.where(known, flow, 0).astype(np.float64) * _KITTI_SCALE + _KITTI_ZERO)
    if values.min() < 0 or values.max() > 65535:
        largest = float(np.abs(flow[:, known]).max())
        raise InputError(f"KITTI flow holds -512 to 511.98 pixels, got {largest:g}; write .flo")
    encoded = np.where(known, values, 0).astype(np.uint16)
    data: Any = cv2.imencode(".png", np.dstack([known.astype(np.uint16), encoded[1], encoded[0]]))[1]
    return bytes(data)


def _suffix(path: str | os.PathLike[str], verb: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".flo", ".png"):
        raise InputError(f"cannot {verb} {path}: expected a suffix .flo or .png, got '{suffix}'")
    return suffix
