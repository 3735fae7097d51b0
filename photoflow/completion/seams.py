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


def joined_parts(image: Array, hole: Array, right: Array, down: Array) -> Array:
    """Join each part of a hole by itself, see `joined`: a part is what lies apart from the rest."""
    result: Array = image.copy()
    near = np.ones((_TOGETHER, _TOGETHER), np.uint8)
    count, numbered, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(hole.astype(np.uint8), near))
    for number in range(1, count):
        x, y, width, height = (int(value) for value in boxes[number, :4])
        window = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
        part = hole[window] & (numbered[window] == number)
        result[window] = joined(result[window], part, right[window], down[window])
    return result


def joined(image: Array, hole: Array, right: Array, down: Array) -> Array:
    """Find the colours of a hole whose differences are nearest to those given, and that join its surroundings.

    Minimises sum over pairs of neighbours (p, q), of which at least one is in the hole, of
    (u(q) - u(p) - difference(p, q))^2.

    Args:
        image: float32 (h, w, C), known outside of the hole; in it, where the search begins.
        hole: bool (h, w); something must be outside of it.
        right: float32 (h, w, C), the difference wanted between each pixel and the one to its right.
        down: the same to the one below it.

    Returns:
        float32 (h, w, C), equal to `image` outside of the hole.

    Source: Perez et al., "Poisson image editing", SIGGRAPH 2003, equation 7; solved by multigrid.
    """
    wanted = np.zeros_like(image)
    wanted[:, :-1] -= right[:, :-1]
    wanted[:, 1:] += right[:, :-1]
    wanted[:-1] -= down[:-1]
    wanted[1:] += down[:-1]
    inside = hole.astype(np.float32)[..., None]
    degree = _sum_around(np.ones((*hole.shape, 1), np.float32))
    solution = image.copy()
    rest = (wanted - degree * solution + _sum_around(solution)) * inside
    correction = np.zeros_like(image)
    for _ in range(_CYCLES):
        correction = _cycle(correction, rest, inside, degree)
    return np.where(hole[..., None], solution + correction, image)


def _cycle(guess: Array, wanted: Array, inside: Array, degree: Array) -> Array:
    """Improve the solution of `degree u - sum of neighbours = wanted`, u = 0 outside, by one V-cycle."""
    guess = _smoothed(guess, wanted, inside, degree)
    if min(guess.shape[:2]) >= 4:
        coarse_inside = _halved(inside, np.min)
        if coarse_inside.any():
            rest = (wanted - degree * guess + _sum_around(guess)) * inside
            coarse_rest = 4 * _halved(rest, np.mean) * coarse_inside
            coarse_degree = _sum_around(np.ones_like(coarse_inside))
            coarse = _cycle(np.zeros_like(coarse_rest), coarse_rest, coarse_inside, coarse_degree)
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
