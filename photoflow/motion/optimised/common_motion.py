"""The motion that most handles share, as a camera's: what is far from the others moves by it."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

NEAR = 0.004  # of the picture's longer side: points within it of a motion move by it
FEWEST = 6  # points that make a common motion, where they are half of all
MOST_TRIPLES = 2000
_AMONG = 60  # points that triples are made of
_WIDE = 0.02  # of the picture's area: the least parallelogram of three points that say an affine motion


def common_motion(places: Tensor, wanted: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the affine motion that at least half of the points share; else rest.

    Args:
        places: (N, 2) x and y.
        wanted: (N, 2), their displacements.
        size: height and width of the result.

    Returns:
        (1, 2, H, W) float32.

    Source: Fischler and Bolles, "Random sample consensus", CACM 1981; every three points are tried, or `MOST_TRIPLES`.
    """
    height, width = size
    matrix = _fitted(places.cpu().numpy(), wanted.cpu().numpy(), size)
    down, across = np.mgrid[:height, :width]
    grid = np.stack([across, down, np.ones_like(down)], 2)
    flow = np.ascontiguousarray((grid @ matrix).transpose(2, 0, 1), np.float32)
    return torch.from_numpy(flow)[None].to(places.device)


def _fitted(places: np.ndarray, wanted: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the shared motion as a matrix (3, 2): (x, y, 1) times it is the displacement."""
    rest = np.zeros((3, 2))
    if len(places) < FEWEST:
        return rest
    points = np.column_stack([places, np.ones(len(places))]).astype(np.float64)
    triples = np.array(list(itertools.combinations(range(min(len(points), _AMONG)), 3)))
    triples = triples[np.random.default_rng(0).permutation(len(triples))[:MOST_TRIPLES]]
    corners = points[triples]
    triples = triples[np.abs(np.linalg.det(corners)) > _WIDE * size[0] * size[1]]
    if not len(triples):
        return rest
    maps = np.linalg.solve(points[triples], wanted[triples].astype(np.float64))
    apart = np.linalg.norm(points @ maps - wanted, axis=2)
    near = NEAR * max(size)
    best = int(np.minimum(apart, 3 * near).sum(1).argmin())
    agree = apart[best] < 2 * near
    if agree.sum() < max(FEWEST, len(points) / 2):
        return rest
    return np.asarray(np.linalg.lstsq(points[agree], wanted[agree], rcond=None)[0])
