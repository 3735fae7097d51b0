"""Soft alpha and the subject's own colours, from a photo and a hard mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.segment.foreground import foreground_colours
from photoflow.segment.guided import (
    Floats,
    box_mean,
    fitting,
    guided_upsample,
    inner_product,
    inverse_covariance,
    planes,
    resize_rows,
    shrunk,
    symmetric_product,
)
from photoflow.segment.subject import Bits, Mask, bounding_box, padded

_SOLVE_SIDE = 640
_RADIUS, _EPS = 2, 3e-6
_PRIOR = 0.01
_COARSE_STEPS, _FINE_STEPS = 30, 12
_INWARD, _OUTWARD = 0.020, 0.030
_VEIL = 0.06


def matte(rgb: npt.NDArray[np.uint8], mask: Mask) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return a subject's alpha at hair, fur and petals, and its colours without the background's.

    I = alpha · F + (1 − alpha) · B at each pixel. Alpha is solved in a band around the mask's outline, at
    a reduced size, by closed-form matting; guided upsampling brings it to the photo's size. It is exactly
    0 outside the band and exactly 1 inside.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) in [0, 1], the subject above one half.

    Returns:
        alpha, (H, W) float32 in [0, 1], and the foreground F, (H, W, 3) uint8: the photo where alpha is
        1, the subject's colours carried outwards in the band, the photo again far outside.

    Raises:
        InputError: the mask has another shape than the photo, or no subject.
    """
    alpha = soft_alpha(rgb, mask)
    return alpha, own_colours(rgb, alpha)


def soft_alpha(rgb: npt.NDArray[np.uint8], mask: Mask) -> npt.NDArray[np.float32]:
    """Return the alpha of `matte`, with its arguments and errors."""
    if mask.shape != rgb.shape[:2]:
        raise InputError(f"mask: expected shape {rgb.shape[:2]} as the photo, got {mask.shape}")
    if not (mask > 0.5).any():
        raise InputError("mask: expected a subject, got an empty mask")
    window = _window(mask > 0.05)
    alpha = np.zeros((rgb.shape[0], rgb.shape[1]), np.float32)
    alpha[window] = _alpha(rgb[window], mask[window])
    return alpha


def own_colours(rgb: npt.NDArray[np.uint8], alpha: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the foreground of `matte` for an alpha, (H, W) float32 in [0, 1], of which something is above 0."""
    window = _window(alpha > 0)
    foreground: npt.NDArray[np.uint8] = rgb.copy()
    foreground[window] = foreground_colours(rgb[window], alpha[window])
    return foreground


def _window(bits: Bits) -> tuple[slice, slice]:
    """Return the rows and columns around a mask, with as much beside it as matting looks at."""
    left, top, width, height = padded(bounding_box(bits), 0.15, (bits.shape[0], bits.shape[1]))
    return slice(top, top + height), slice(left, left + width)


def _alpha(rgb: npt.NDArray[np.uint8], mask: Mask) -> Mask:
    """Return the alpha of a crop: solved small, upsampled along the photo's edges, clamped where it is known."""
    shape = (mask.shape[0], mask.shape[1])
    size = fitting(shape, _SOLVE_SIDE)
    small, coarse = shrunk(rgb, size), shrunk(mask, size)
    unknown = unknown_band(coarse)
    solved = closed_form_alpha(np.divide(small, np.float32(255)), coarse, unknown)
    alpha = guided_upsample(solved, small, rgb, radius=1, eps=1e-4) if size != shape else solved
    return _clamped(alpha, coarse, unknown)


def _clamped(alpha: Mask, coarse: Mask, unknown: Bits) -> Mask:
    """Make alpha exactly 0 and 1 where the trimap knows it, and stretch it a little to reach both ends."""
    shape = (alpha.shape[0], alpha.shape[1])
    alpha = np.clip((alpha - np.float32(_VEIL)) / np.float32(0.96 - _VEIL), 0.0, 1.0)
    band = resize_rows(unknown.astype(np.float32), shape, 0, shape[0]) > 0
    subject = resize_rows((coarse > 0.5).astype(np.float32), shape, 0, shape[0]) > 0.5
    return np.where(band, alpha, subject.astype(np.float32))


def unknown_band(mask: Mask) -> Bits:
    """Return the band of unknown alpha: a ring around the outline, wider where the mask itself is unsure.

    The ring reaches 3 % of the subject's size outwards, as hair stands off (5 to 14 pixels), and 2 % inwards
    (3 to 8); size is the square root of the area.

    Args:
        mask: (H, W) in [0, 1].

    Returns:
        (H, W) bool.
    """
    bits = mask > 0.5
    extent = float(np.sqrt(bits.sum()))
    inward = float(np.clip(_INWARD * extent, 3.0, 8.0))
    outward = float(np.clip(_OUTWARD * extent, 5.0, 14.0))
    inside = cv2.distanceTransform(_bordered(bits), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform((~bits).astype(np.uint8), cv2.DIST_L2, 5)
    unsure = ((mask > 0.1) & (mask < 0.9)).astype(np.uint8)
    near = (inside <= 2 * inward) & (outside <= 2 * outward)
    ring = (inside <= inward) & (outside <= outward)
    return np.asarray(ring | (near & (cv2.dilate(unsure, np.ones((3, 3), np.uint8)) > 0)))


def _bordered(bits: Bits) -> npt.NDArray[np.uint8]:
    """Continue the mask one pixel past the picture's border: a subject cut by the border has no outline there."""
    return np.asarray(cv2.copyMakeBorder(bits.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE))


@dataclass(frozen=True)
class _Laplacian:
    """The matting Laplacian of a picture as an operator; it is never built as a matrix."""

    guide: Floats
    mean: Floats
    inverse: Floats
    radius: int

    def __call__(self, alpha: Floats) -> Floats:
        """Return L alpha per pixel, divided by the window's size: alpha minus the mean of its local affine fits."""
        average = box_mean(alpha, self.radius)
        covariance = box_mean(self.guide * alpha, self.radius) - self.mean * average
        slope = symmetric_product(self.inverse, covariance)
        offset = average - inner_product(slope, self.mean)
        fitted = inner_product(box_mean(slope, self.radius), self.guide)
        return np.asarray(alpha - fitted - box_mean(offset, self.radius))


def _laplacian(rgb: Floats, radius: int, eps: float) -> _Laplacian:
    """Build the matting Laplacian of a picture.

    Its covariances are inverted in float64: eps is far below what float32 keeps of a variance.
    """
    guide = planes(rgb, np.float64)
    mean = box_mean(guide, radius)
    inverse = inverse_covariance(guide, mean, radius, eps)
    guide, mean, inverse = (part.astype(np.float32) for part in (guide, mean, inverse))
    return _Laplacian(guide, mean, inverse, radius)


def closed_form_alpha(rgb: npt.NDArray[np.float32], mask: Mask, unknown: Bits) -> Mask:
    """Solve alpha in the unknown band, its surroundings held at 0 and 1.

    minimise alphaᵀ L alpha + prior · |alpha − mask|² over the band. A small prior decides where the colours
    say nothing (texture alike on both sides), and leaves hair to the Laplacian.

    Args:
        rgb: (H, W, 3) float32 in [0, 1].
        mask: (H, W) float32 in [0, 1].
        unknown: (H, W) bool.

    Returns:
        (H, W) float32 in [0, 1].

    Source: Levin, Lischinski, Weiss, "A closed-form solution to natural image matting", TPAMI 2008; the
    product L · alpha by box filters from He, Sun, Tang, "Fast matting using large kernel matting Laplacian
    matrices", CVPR 2010. Solved from coarse to fine by conjugate gradients.
    """
    known = (mask > 0.5).astype(np.float32)
    start = np.where(unknown, mask, known).astype(np.float32)
    if min(mask.shape) >= 64:
        size = (mask.shape[0] // 2, mask.shape[1] // 2)
        half = shrunk(start, size)
        band = shrunk(unknown.astype(np.float32), size) > 0
        coarse = _conjugate_gradients(shrunk(rgb, size), half, half, band, _COARSE_STEPS)
        first = np.where(unknown, resize_rows(coarse, mask.shape, 0, mask.shape[0]), known)
    else:
        first = start
    return np.clip(_conjugate_gradients(rgb, start, first, unknown, _FINE_STEPS), 0.0, 1.0)


def _conjugate_gradients(rgb: Floats, prior: Mask, start: Mask, unknown: Bits, steps: int) -> Mask:
    """Solve (L + prior weight) alpha = prior weight · prior on the unknown pixels, from `start`."""
    laplacian = _laplacian(rgb, _RADIUS, _EPS)
    weight = np.float32(_PRIOR)
    alpha = start.astype(np.float32)
    residual = np.where(unknown, weight * (prior - alpha) - laplacian(alpha), np.float32(0))
    direction, energy = residual, _dot(residual, residual)
    for _ in range(steps):
        if energy < 1e-8 * residual.size:
            break
        product = np.where(unknown, laplacian(direction) + weight * direction, np.float32(0))
        step = np.float32(energy / max(_dot(direction, product), 1e-30))
        alpha = np.add(alpha, step * direction)
        residual = np.subtract(residual, step * product)
        previous, energy = energy, _dot(residual, residual)
        direction = residual + np.float32(energy / previous) * direction
    return alpha


def _dot(a: Floats, b: Floats) -> float:
    return float(np.dot(a.ravel(), b.ravel()))
