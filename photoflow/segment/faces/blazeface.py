"""BlazeFace: a small network that finds faces, run by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.segment.faces.face import Face, without_doubles
from photoflow.segment.faces.network import LiteNetwork

SIDE = 128  # of the square that the network sees
SURE = 0.7  # score from which on something is a face
LEVELS = (1, 2, 4)  # squares along the photo's longest side
MOUTH = 0.35  # of the distance between the eyes: half the width of a common mouth
_GRIDS = ((16, 2), (8, 6))  # cells along a side of the square, and how many answers each gives


class BlazeFace:
    """Faces of a photo with their eyes, nose and mouth. Threads may share it.

    The network sees faces that fill some part of its square. So it looks at the whole photo, at overlapping squares of
    it, and, until there is a face, at smaller ones.

    Args:
        path: `weights.fetch("blazeface")`.

    Source: Bazarevsky et al., "BlazeFace: Sub-millisecond neural face detection on mobile GPUs", 2019.
    """

    def __init__(self, path: Path) -> None:
        self._network = LiteNetwork(path, ("regressors", "classificators"))

    def __call__(self, photo: Array) -> list[Face]:
        """Find faces in a photo, uint8 (H, W, 3); the largest and most certain first.

        The corners of a mouth, of which the network knows the middle alone, are put where a common face has them.
        """
        found: list[Face] = []
        for level in LEVELS:
            if found and level > 2:
                break
            found += self._seen(photo, level)
        return without_doubles(found)

    def _seen(self, photo: Array, level: int) -> Iterator[Face]:
        """Yield what is found in the photo at so many squares along its longest side."""
        scale = max(photo.shape[:2]) / (SIDE * level)
        height, width = (max(1, round(side / scale)) for side in photo.shape[:2])
        small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
        filled = cv2.copyMakeBorder(
            small, 0, max(0, SIDE - height), 0, max(0, SIDE - width), cv2.BORDER_CONSTANT, value=(128, 128, 128)
        )
        for top in _starts(filled.shape[0]):
            for left in _starts(filled.shape[1]):
                rows, logits = self._network(filled[top : top + SIDE, left : left + SIDE] / np.float32(127.5) - 1)
                scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -30, 30)))
                for number in np.flatnonzero(scores >= SURE):
                    centre, size, *points = rows.reshape(-1, 8, 2)[number]
                    places = np.stack([centre - size / 2, *points[:4]]) + _CENTRES[number] + (left, top)
                    yield _face(places * scale - 0.5, size * scale, float(scores[number]))


def _starts(length: int) -> list[int]:
    """Return where squares along a side begin: each half over the one before, the last at the end."""
    return [*range(0, length - SIDE, SIDE // 2), length - SIDE]


def _face(places: Array, size: Array, score: float) -> Face:
    """Return a face from its corner, right eye, left eye, nose tip and middle of the mouth, and its size; pixels."""
    corner, right, left, nose, mouth = places
    half = MOUTH * (left - right)
    box = tuple(round(float(v)) for v in (*corner, *size))
    points = np.stack([right, left, nose, mouth - half, mouth + half]).astype(np.float32)
    return Face((box[0], box[1], box[2], box[3]), points, score)


def _centres() -> Array:
    """Return the middle of the cell of each answer, (896, 2) float32, pixels of the square."""
    parts = []
    for cells, answers in _GRIDS:
        along = (np.arange(cells, dtype=np.float32) + 0.5) * SIDE / cells
        x, y = np.meshgrid(along, along)
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), answers, axis=0))
    return np.concatenate(parts)


_CENTRES = _centres()
