"""Guided filter: carry a map computed at a small size to the photo's size along the photo's own edges."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
_STRIP_ROWS = 256


def box_mean(values: Floats, radius: int) -> Floats:
    """Mean over the (2·radius + 1)² window, the picture mirrored at its border."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))


def inverse_covariance(guide: Floats, mean: Floats, radius: int, eps: float) -> Floats:
    """Inverse of Σ + eps·I, the colour covariance of each window, by cofactors.

    Args:
        guide: (H, W, 3) in [0, 1].
        mean: its `box_mean`.
        radius: of the window, pixels.
        eps: added to the variances, in units of squared colour.

    Returns:
        (H, W, 6): the entries rr, rg, rb, gg, gb, bb of the symmetric inverse.
    """
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    products = np.dstack([guide[..., i] * guide[..., j] for i, j in pairs[:3]])
    rest = np.dstack([guide[..., i] * guide[..., j] for i, j in pairs[3:]])
    second = np.dstack([box_mean(products, radius), box_mean(rest, radius)])
    rr, rg, rb, gg, gb, bb = (second[..., k] - mean[..., i] * mean[..., j] for k, (i, j) in enumerate(pairs))
    rr, gg, bb = rr + eps, gg + eps, bb + eps
    cofactors = np.dstack(
        [
            gg * bb - gb * gb,
            rb * gb - rg * bb,
            rg * gb - rb * gg,
            rr * bb - rb * rb,
            rb * rg - rr * gb,
            rr * gg - rg * rg,
        ]
    )
    determinant = rr * cofactors[..., 0] + rg * cofactors[..., 1] + rb * cofactors[..., 2]
    return np.asarray(cofactors / determinant[..., None])


def symmetric_product(matrix: Floats, vector: Floats) -> Floats:
    """The product of a symmetric 3 × 3 matrix, six entries a pixel, with a vector a pixel."""
    rr, rg, rb, gg, gb, bb = np.moveaxis(matrix, -1, 0)
    x, y, z = np.moveaxis(vector, -1, 0)
    return np.dstack([rr * x + rg * y + rb * z, rg * x + gg * y + gb * z, rb * x + gb * y + bb * z])


def guided_coefficients(
    guide: Floats, values: Floats, radius: int, eps: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Local affine model of `values` by the colours of `guide`: q = a · I + b.

    Args:
        guide: (H, W, 3) colours in [0, 1].
        values: (H, W).
        radius: of the window, pixels.
        eps: squared colour difference below which an edge is smoothed over.

    Returns:
        a (H, W, 3) and b (H, W), float32, averaged over the windows that hold the pixel.

    Source: He, Sun, Tang, "Guided image filtering", TPAMI 2013, eqs. 14 to 16.
    """
    guide, values = guide.astype(np.float64), values.astype(np.float64)
    mean, average = box_mean(guide, radius), box_mean(values, radius)
    covariance = box_mean(guide * values[..., None], radius) - mean * average[..., None]
    slope = symmetric_product(inverse_covariance(guide, mean, radius, eps), covariance)
    offset = average - np.sum(slope * mean, axis=-1)
    return box_mean(slope, radius).astype(np.float32), box_mean(offset, radius).astype(np.float32)


def resize_rows(values: Floats, size: tuple[int, int], first: int, last: int) -> npt.NDArray[np.float32]:
    """Rows `first` to `last` of `values` resized bilinearly to `size` = (H, W), pixel centres aligned as areas."""
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
        values: (h, w) map in [0, 1] at the small size.
        small_rgb: (h, w, 3) uint8, the photo at the small size.
        rgb: (H, W, 3) uint8, the photo.
        radius: of the window at the small size, pixels.
        eps: see `guided_coefficients`.

    Returns:
        (H, W) float32 in [0, 1].

    Source: He, Sun, "Fast guided filter", 2015: the coefficients are upsampled, not the map.
    """
    slope, offset = guided_coefficients(small_rgb / np.float64(255.0), values, radius, eps)
    coefficients = np.dstack([slope / np.float32(255.0), offset])
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
