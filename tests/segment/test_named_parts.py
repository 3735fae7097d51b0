"""Hair and flames: the part of a thing that moves, and what of it stays."""

import sys
from pathlib import Path

import cv2
import numpy as np
import skimage.data

sys.path.insert(0, str(Path(__file__).parent / "kinds"))
import scenes

from photoflow.segment.named_parts import UPPER, part_of


def astronaut():
    """The picture and about where she is."""
    rgb = skimage.data.astronaut()
    mask = np.zeros(rgb.shape[:2], np.float32)
    cv2.ellipse(mask, (224, 105), (72, 92), 0, 0, 360, 1.0, -1)
    cv2.ellipse(mask, (215, 420), (190, 220), 0, 0, 360, 1.0, -1)
    return rgb, mask


def test_hair_moves_and_neither_face_nor_suit():
    rgb, mask = astronaut()
    weights = part_of(rgb, mask, "hair")
    assert weights.dtype == np.float32 and weights.shape == mask.shape
    face, suit = weights[95:170, 205:245], weights[240:] * mask[240:]
    assert face.max() == 0 and suit.max() < 0.02
    assert weights[25:50, 190:250].mean() > 0.9  # the crown
    assert weights[80:110, 158:168].mean() > 0.25 and weights[80:110, 284:294].mean() > 0.25  # beside the face
    steps = max(np.abs(np.diff(weights, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.15


def test_without_a_face_the_upper_third_is_free():
    rgb = np.full((120, 90, 3), 90, np.uint8)
    mask = np.zeros((120, 90), np.float32)
    mask[15:105, 30:60] = 1
    weights = part_of(rgb, mask, "hair")
    edge = round(15 + UPPER * 90)
    assert weights[16, 45] == 1 and (weights[edge + 2 : 105, 45] == 0).all()
    assert (np.diff(weights[15:105, 45]) <= 0).all() and 0.02 < weights[edge - 3, 45] < 0.9


def test_a_flame_moves_and_not_its_wax():
    rgb, flame, candle = scenes.candle()
    weights = part_of(rgb, candle.astype(np.float32), "candle")
    rows = np.flatnonzero(flame.any(axis=1))
    column = int(np.nonzero(flame[rows[len(rows) // 2]])[0].mean())
    assert weights[rows[len(rows) // 2], column] > 0.95
    beside = cv2.dilate(flame.astype(np.uint8), np.ones((15, 15), np.uint8)) == 0
    assert weights[candle & beside].max() < 0.1


def test_what_has_no_such_part_moves_as_a_whole():
    rgb, flame, candle = scenes.candle()
    assert part_of(rgb, flame.astype(np.float32), "candle") is None  # all of it is flame
    assert part_of(np.full_like(rgb, 60), candle.astype(np.float32), "candle") is None
    assert part_of(rgb, candle.astype(np.float32), "flag") is None
