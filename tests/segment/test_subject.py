"""How a mask becomes subjects: parts, their order, what belongs together."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment.subject import bounding_box, overlap, padded, prominence, split, touching


def circles(*specs: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((200, 300), np.uint8)
    for x, y, radius in specs:
        cv2.circle(mask, (x, y), radius, 1, -1)
    return mask > 0


def test_box_of_a_mask_and_its_padding() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:9, 10:20] = True
    assert bounding_box(mask) == (10, 5, 10, 4)
    assert bounding_box(~mask & mask) == (0, 0, 0, 0)
    assert padded((10, 5, 10, 4), 0.5, (20, 30)) == (5, 3, 20, 8)
    assert padded((0, 0, 30, 20), 0.5, (20, 30)) == (0, 0, 30, 20)
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == 50 / 150
    assert overlap((0, 0, 5, 5), (10, 10, 5, 5)) == 0.0


def test_separate_big_parts_are_subjects_and_the_central_one_is_first() -> None:
    parts = split(circles((40, 100, 30), (160, 100, 28)))
    assert len(parts) == 2
    assert parts[0][100, 160] and not parts[0][100, 40]
    assert prominence(parts[0]) > prominence(parts[1])


def test_near_and_middling_parts_join_and_specks_go() -> None:
    parts = split(circles((150, 100, 40), (150, 145, 4), (230, 100, 14), (20, 20, 2)))
    assert len(parts) == 1
    assert parts[0][145, 150] and parts[0][100, 230] and not parts[0][20, 20]


def test_nothing_splits_into_nothing() -> None:
    assert split(np.zeros((10, 10), bool)) == []


def test_touching_keeps_what_holds_a_point_and_what_lies_beside_it() -> None:
    mask = circles((100, 100, 20), (200, 100, 20))
    mask[:, 99:101] = False  # a pole in front
    kept = touching(mask, [(90.0, 100.0)])
    assert kept[100, 90] and kept[100, 110] and not kept[100, 200]
    assert not touching(mask, [(5.0, 5.0)]).any()
