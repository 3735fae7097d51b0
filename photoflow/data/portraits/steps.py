"""Arithmetic of the steps: scores of faces, the cut, squares about faces, masks on them, and the place of a class word.

Source: "Task-driven image and video generation", section 5.2.3; Li et al., "PhotoMaker", CVPR 2024, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photoflow.arrays import Array

Box = tuple[float, float, float, float]  # left, top, width, height, pixels


def sum_scores(embeddings: Array) -> npt.NDArray[np.float64]:
    """Return the sum of each embedding's similarities to all others.

    s_i = Σ_{j ≠ i} −‖e_i − e_j‖₂, with every e scaled to the length 1.

    Args:
        embeddings: (N, D) of any length but 0.

    Returns:
        (N,), at most 0; 0 for a single one.

    Source: section 5.2.3, "ID verification", which sums the "L2 similarity" of pairs and has no formula: taken for the
        L2 distance with its sign turned, which ranks pairs as the cosine does.
    """
    units = np.asarray(embeddings, np.float64)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    squares = 2 - 2 * units @ units.T
    np.fill_diagonal(squares, 0)
    return np.asarray(0 - np.sqrt(np.maximum(squares, 0)).sum(axis=1))


def best_of_each(scores: Array, pictures: Sequence[int]) -> list[int]:
    """Return the number of the face with the highest score in each picture; of equal ones the first.

    Args:
        scores: (N,), of the faces of an identity.
        pictures: N numbers of the pictures that they are in, from 0 on; no picture is without one.
    """
    best: dict[int, int] = {}
    for face, picture in enumerate(pictures):
        if picture not in best or scores[face] > scores[best[picture]]:
            best[picture] = face
    return [best[picture] for picture in sorted(best)]


def are_consistent(scores: Array, cut: float) -> npt.NDArray[np.bool_]:
    """Return which faces of an identity are the same person's: those with s_i ≥ mean − cut · δ.

    δ is the standard deviation of the group's scores, over N. A score above the mean is no sign of another person and
    is never cut. No value of N lies more than √(N − 1) deviations from their mean: a cut of 8 so needs an identity with
    at least 66 faces, and drops nothing in a smaller one.

    Args:
        scores: (N,), see `sum_scores`.
        cut: how many standard deviations; the paper's is 8.

    Returns:
        bool (N,).

    Source: section 5.2.3, "ID verification": "8δ as the threshold"; that it is counted from the mean, and to one side,
        is not said there.
    """
    scores = np.asarray(scores, np.float64)
    return np.asarray(scores >= scores.mean() - cut * scores.std() - 1e-9)


def square_about(face: Box, size: tuple[int, int], share: float) -> tuple[int, int, int]:
    """Return the largest square about a face within a picture in which the face takes more than a share of the area.

    The face is in its middle, or as near to that as the picture's borders let it.

    Args:
        face: its box, which may reach beyond the picture.
        size: (width, height) of the picture, pixels.
        share: of the area, 0 to 1; the paper's is 0.1.

    Returns:
        left, top and side, pixels; 0 as the side if the face lies outside of the picture.
    """
    left, top, width, height = within(face, size)
    area = width * height
    side = min(*size, math.ceil(math.sqrt(area / share)) - 1) if area > 0 else 0
    corners = (round(start + (extent - side) / 2) for start, extent in ((left, width), (top, height)))
    x, y = (min(max(corner, 0), whole - side) for corner, whole in zip(corners, size))
    return x, y, side


def within(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that lies within a picture of (width, height); without area where there is none."""
    left, top = (min(max(start, 0.0), float(whole)) for start, whole in zip(box, size))
    right, bottom = (min(max(box[axis] + box[axis + 2], 0.0), float(whole)) for axis, whole in enumerate(size))
    return left, top, right - left, bottom - top


def best_mask(masks: Array, face: Box) -> tuple[int, float]:
    """Return the number of the mask that covers most of a face, and the share of the face box that it covers.

    Args:
        masks: bool (N, H, W), N at least 1.
        face: its box.

    Returns:
        The number, of equal ones the first, and the share, 0 to 1.
    """
    left, top, width, height = within(face, (masks.shape[2], masks.shape[1]))
    rows, columns = (
        slice(math.floor(start), max(math.ceil(start + extent), math.floor(start) + 1))
        for start, extent in ((top, height), (left, width))
    )
    shares = [float(part.mean()) if part.size else 0.0 for part in masks[:, rows, columns]]
    best = int(np.argmax(shares))
    return best, shares[best]
