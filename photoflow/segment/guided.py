"""Guided filter: carry a map computed at a small size to the photo's size along the photo's own edges."""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
_Kind = TypeVar("_Kind", np.uint8, np.float32)
_STRIP_ROWS = 256


def box_mean(values: Floats, radius: int) -> Floats:
    """Return the mean over the (2·radius + 1)² window of each plane of (..., H, W), mirrored at the border."""
    side = 2 * radius + 1
    out = np.empty_like(values)
    planes, means = values.reshape(-1, *values.shape[-2:]), out.reshape(-1, *values.shape[-2:])
    for plane, mean in zip(planes, means, strict=True):
        cv2.blur(plane, (side, side), dst=mean, borderType=cv2.BORDER_REFLECT)
    return out


def planes(rgb: npt.NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> Floats:
    """Return a picture (H, W, 3) as contiguous planes (3, H, W); bytes become [0, 1]."""
    out = np.ascontiguousarray(rgb.transpose(2, 0, 1)).astype(dtype)
    if rgb.dtype == np.uint8:
        out /= 255
    return out


def inverse_covariance(guide: Floats, mean: Floats, radius: int, eps: float) -> Floats:
    """Return the inverse of Σ + eps·I, the colour covariance of each window, by cofactors.

    Args:
        guide: (3, H, W) in [0, 1].
        mean: its `box_mean`.
        radius: of the window, pixels.
        eps: added to the variances, in units of squared colour.

    Returns:
        (6, H, W): the entries rr, rg, rb, gg, gb, bb of the symmetric inverse.
    """
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rr, rg, rb, gg, gb, bb = (box_mean(guide[i] * guide[j], radius) - mean[i] * mean[j] for i, j in pairs)
    for variance in (rr, gg, bb):
        variance += eps
    out = np.stack(
        [
            gg * bb - gb * gb,
            rb * gb - rg * bb,
            rg * gb - rb * gg,
            rr * bb - rb * rb,
            rb * rg - rr * gb,
            rr * gg - rg * rg,
        ]
    )
    out /= rr * out[0] + rg * out[1] + rb * out[2]
    return out


def symmetric_product(matrix: Floats, vector: Floats) -> Floats:
    """Multiply a symmetric 3 × 3 matrix (6, H, W) by a vector (3, H, W) at each pixel."""
    rr, rg, rb, gg, gb, bb = matrix
    x, y, z = vector
    return np.stack([rr * x + rg * y + rb * z, rg * x + gg * y + gb * z, rb * x + gb * y + bb * z])


def inner_product(a: Floats, b: Floats) -> Floats:
    """Return Σ a · b over the three planes, at each pixel."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def guided_coefficients(guide: Floats, values: Floats, radius: int, eps: float) -> tuple[Floats, Floats]:
    """Fit a local affine model of `values` by the colours of `guide`: q = a · I + b.

    Args:
        guide: (3, H, W) colours in [0, 1], float32; `eps` of 1e-4 or more keeps that precise enough.
        values: (H, W).
        radius: of the window, pixels.
        eps: squared colour difference below which an edge is smoothed over.

    Returns:
        a (3, H, W) and b (H, W), averaged over the windows that hold the pixel.

    Source: He, Sun, Tang, "Guided image filtering", TPAMI 2013, eqs. 14 to 16.
    """
    mean, average = box_mean(guide, radius), box_mean(values, radius)
    covariance = box_mean(guide * values, radius) - mean * average
    slope = symmetric_product(inverse_covariance(guide, mean, radius, eps), covariance)
    offset = average - inner_product(slope, mean)
    return box_mean(slope, radius), box_mean(offset, radius)


def fitting(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Return `shape` = (H, W) reduced so that the longer side is at most `side`."""
    scale = min(1.0, side / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def shrunk(values: npt.NDArray[_Kind], size: tuple[int, int]) -> npt.NDArray[_Kind]:
    """Average a picture or map down to `size` = (H, W)."""
    if values.shape[:2] == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA), values.dtype)


def resize_rows(values: Floats, size: tuple[int, int], first: int, last: int) -> npt.NDArray[np.float32]:
    """Resize `values` bilinearly to `size` = (H, W), aligned as areas, and return rows `first` to `last`."""
    height, width = size
    down, across = values.shape[0] / height, values.shape[1] / width
    move = np.array([[across, 0, 0.5 * across - 0.5], [0, down, (first + 0.5) * down - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = (width, last - first)
    return np.asarray(
        cv2.warpAffine(values.astype(np.float32), move, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def guided_upsample(
    values: Floats, small_rgb: npt.NDArray[np.uint8], rgb: npt.NDArray[np.uint8], radius: int, eps: float
) -> npt.NDArray[np.float32]:
    """Upsample a map along the edges of the photo, strip by strip so that memory stays near the result's own.

    Args:
        values: (h, w) float32 map in [0, 1] at the small size.
        small_rgb: (h, w, 3) uint8, the photo at the small size.
        rgb: (H, W, 3) uint8, the photo.
        radius: of the window at the small size, pixels.
        eps: see `guided_coefficients`.

    Returns:
        (H, W) float32 in [0, 1].

    Source: He, Sun, "Fast guided filter", 2015: the coefficients are upsampled, not the map.
    """
    slope, offset = guided_coefficients(planes(small_rgb), values, radius, eps)
    coefficients = np.dstack([*(slope / np.float32(255.0)), offset])
    size = (rgb.shape[0], rgb.shape[1])
    out = np.empty(size, np.float32)
    for first in range(0, size[0], _STRIP_ROWS):
        last = min(first + _STRIP_ROWS, size[0])
        local = resize_rows(coefficients, size, first, last)
        strip = local[..., 3]
        for channel in range(3):
            strip = strip + local[..., channel] * rgb[first:last, :, channel]
        np.clip(strip, 0.0, 1.0, out=out[first:last])
    return out
