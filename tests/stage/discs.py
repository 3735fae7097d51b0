"""Two discs, and what finds them."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment import NoSubjectError, Segmentation, Segmenter, Subject


def disc(x: int, radius: int = 20) -> np.ndarray:
    """The mask of a disc, uint8 (100, 200)."""
    return cv2.circle(np.zeros((100, 200), np.uint8), (x, 50), radius, 255, -1, cv2.LINE_AA)


class Discs(Segmenter):
    """Finds both discs, the left one first; counts how often it looks."""

    looks = 0

    def __call__(self, rgb, **_):
        self.looks += 1
        if rgb.std() < 1:
            raise NoSubjectError("nothing in the photo stands out")
        masks = [disc(x) / np.float32(255) for x in (50, 140)]
        return Segmentation(tuple(Subject(mask, (0, 0, 0, 0), "disc", 1.0) for mask in masks), "known")
