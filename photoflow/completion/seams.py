"""Seams: a hole filled from several frames takes their gradients, and joins what is around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array

_CYCLES, _SMOOTHINGS = 8, 3
_TOGETHER = 8  # pixels between parts of a hole that are joined at once
_RELAXED = 0.8  # of a Jacobi step
_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)


def joined_parts(image: Array, hole: Array, right: Array, down: Array, reach: float) -> Array:
    """Join each part of a hole by itself, see `joined`: a part is what lies apart from the rest."""
    result: Array = image.copy()
    near = np.ones((_TOGETHER, _TOGETHER), np.uint8)
    count, numbered, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(hole.astype(np.uint8), near))
    for number in range(1, count):
        x, y, width, height = (int(value) for value in boxes[number, :4])
        window = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
        part = hole[window] & (numbered[window] == number)
        result[window] = joined(result[window], part, right[window], down[window], reach)
    return result


def joined(image: Array, hole: Array, right: Array, down: Array, reach: float) -> Array:
    """Find the colours of a hole whose differences are nearest to those given, and that join its surroundings.

    Minimises the sum of (u(q) - u(p) - difference(p, q))^2 over pairs of neighbours (p, q), of which at least one is in
    the hole, and of (u(p) - image(p))^2 / reach^2 over the hole: its own colours return with the distance from its
    edge, as else all that does not fit along the edge, a shadow for instance, would fill it.

    Args:
        image: float32 (h, w, C), known outside of the hole; in it, the colours that were drawn.
        hole: bool (h, w); something must be outside of it.
        right: float32 (h, w, C), the difference wanted between each pixel and the one to its right.
        down: the same to the one below it.
        reach: how far the surroundings change what is joined to them, pixels; infinite: all of it.

    Returns:
        float32 (h, w, C), equal to `image` outside of the hole.

    Source: Bhat et al., "GradientShop", TOG 2010, section 3: differences beside colours; solved by multigrid.
    """
    wanted = np.zeros_like(image)
    wanted[:, :-1] -= right[:, :-1]
    wanted[:, 1:] += right[:, :-1]
    wanted[:-1] -= down[:-1]
    wanted[1:] += down[:-1]
    inside = hole.astype(np.float32)[..., None]
    degree = _sum_around(np.ones((*hole.shape, 1), np.float32))
    rest = (wanted - degree * image + _sum_around(image)) * inside
    correction = np.zeros_like(image)
    for _ in range(_CYCLES):
        correction = _cycle(correction, rest, inside, reach**-2)
    return np.where(hole[..., None], image + correction, image)


def _cycle(guess: Array, wanted: Array, inside: Array, faith: float) -> Array:
    """Improve the solution of `(neighbours + faith) u - sum of neighbours = wanted`, u = 0 outside, by one V-cycle."""
    degree = _sum_around(np.ones_like(inside)) + np.float32(faith)
    guess = _smoothed(guess, wanted, inside, degree)
    if min(guess.shape[:2]) >= 4:
        coarse_inside = _halved(inside, np.min)
        if coarse_inside.any():
            rest = (wanted - degree * guess + _sum_around(guess)) * inside
            coarse_rest = 4 * _halved(rest, np.mean) * coarse_inside
            coarse = _cycle(np.zeros_like(coarse_rest), coarse_rest, coarse_inside, 4 * faith)
            twice = cv2.resize(coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]))
            guess = guess + twice.reshape(*twice.shape[:2], -1)[: guess.shape[0], : guess.shape[1]] * inside
    return _smoothed(guess, wanted, inside, degree)


def _smoothed(guess: Array, wanted: Array, inside: Array, degree: Array) -> Array:
    for _ in range(_SMOOTHINGS):
        step = (wanted + _sum_around(guess)) / degree - guess
        guess = guess + np.float32(_RELAXED) * step * inside
    return guess


def _sum_around(planes: Array) -> Array:
    """Sum the four neighbours of each pixel; beyond the border there is nothing."""
    summed = cv2.filter2D(planes, -1, _CROSS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed.reshape(planes.shape), np.float32)


def _halved(planes: Array, of: Callable[..., Any]) -> Array:
    """Reduce squares of 2 x 2 pixels to one; an odd last row or column is repeated."""
    height, width = planes.shape[:2]
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, -1)
    return np.asarray(of(blocks, axis=(1, 3)), np.float32)
