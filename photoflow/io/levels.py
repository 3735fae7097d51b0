"""Numbers of pixels of any type, as levels from 0 to 255."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError


def to_uint8(array: NDArray[Any], name: str = "") -> NDArray[np.uint8]:
    """Scale uint8, uint16, bool or float in [0, 1] to a new contiguous uint8 array, rounded.

    Args:
        array: of any shape.
        name: of the file, for the error.

    Raises:
        InputError: another type, or floats that are out of range.
    """
    if array.dtype == np.uint8:
        return np.array(array, np.uint8, order="C")
    if array.dtype == np.uint16:
        return np.ascontiguousarray((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype == np.bool_:
        return np.where(array, 255, 0).astype(np.uint8, order="C")
    if array.dtype.kind != "f":
        raise InputError(f"expected pixels of dtype uint8, uint16, bool or float, got {array.dtype}")
    _check_range(array, name)
    scaled: NDArray[Any] = np.clip(array * np.float32(255) + np.float32(0.5), 0, 255)
    return np.asarray(scaled, np.uint8, order="C")


def fitted(numbers: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a file's numbers as uint8, uint16 or float in [0, 1].

    Whole numbers of 16 bits with a sign, or of more bits, are read by their largest: up to 255 they are 8 bits kept in
    a wider picture, up to 65535 they are 16 bits, and else the largest number of their type is white.

    Raises:
        InputError: numbers below zero, or floats that are out of range.
    """
    kind, bits = numbers.dtype.kind, 8 * numbers.dtype.itemsize
    if kind == "f":
        _check_range(numbers, name)
        return np.clip(numbers.astype(np.float32), 0, 1)
    if kind == "b" or (kind == "u" and bits <= 16):
        return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    if numbers.min() < 0:
        raise InputError(f"{name}: expected numbers from 0 on, got {numbers.min()}")
    most, full = int(numbers.max()), np.iinfo(numbers.dtype).max
    if bits > 8 and most <= 255:
        return numbers.astype(np.uint8)
    if bits > 16 and most <= 65535:
        return numbers.astype(np.uint16)
    if most < full >> 8:
        raise InputError(f"{name}: expected whole numbers of 8, 16 or {bits} bits, got values up to {most}")
    return (numbers / full).astype(np.float32)


def narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as uint8 or uint16 where those hold them; floats and larger ones as they are."""
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() > 65535:
        return numbers
    return numbers.astype(np.uint8 if numbers.dtype.itemsize > 2 and numbers.max() <= 255 else np.uint16)


def curved(values: NDArray[Any], curve: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """Return `values` as uint8, looked up between the 256 levels of a curve."""
    if curve is None:
        return to_uint8(values)
    share = values if values.dtype.kind == "f" else values / np.float32(np.iinfo(values.dtype).max)
    levels = np.interp(share, np.linspace(0, 1, 256), curve)
    return np.asarray(levels + 0.5, np.uint8)


def inverted(values: NDArray[Any]) -> NDArray[Any]:
    """Return `values` with black and white exchanged."""
    return 1 - values if values.dtype.kind == "f" else np.invert(values)


def divided(values: NDArray[Any], opacity: NDArray[Any]) -> NDArray[np.float32]:
    """Return colours that were multiplied by their opacity, (H, W, C) and (H, W), as float in [0, 1] without it."""
    top = [1.0 if part.dtype.kind == "f" else float(np.iinfo(part.dtype).max) for part in (values, opacity)]
    alpha = np.maximum(opacity.astype(np.float32) / np.float32(top[1]), np.float32(1e-6))
    share = values.astype(np.float32) / np.float32(top[0])
    return np.asarray(np.clip(share / alpha[..., None], 0, 1), np.float32)


def _check_range(array: NDArray[Any], name: str) -> None:
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also catches NaN
        where = f"{name}: " if name else ""
        raise InputError(f"{where}expected float pixels in [0, 1], got values from {low:g} to {high:g}")
