"""Two things that touch: the neck between them, and what keeps one thing whole."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.segment.parting import halves, parted


class Sees:
    """Stands in for the network: as sure of bright pixels as said, of the left half of the picture and of the right."""

    def __init__(self, *sure: float) -> None:
        self.sure = sure

    def __call__(self, rgb: np.ndarray, size: int) -> np.ndarray:
        on_the_right = rgb[..., 1].mean() > 128
        level = np.where(rgb[..., 0] > 128, self.sure[int(on_the_right)], 0.0).astype(np.float32)
        return cv2.resize(level, (size, size), interpolation=cv2.INTER_AREA)


def discs(*specs: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((200, 400), np.uint8)
    for x, radius in specs:
        cv2.circle(mask, (x, 100), radius, 1, -1)
    return mask > 0


def photo(mask: np.ndarray) -> np.ndarray:
    """Return a photo, bright in its red channel where the mask is, in its green one on the right."""
    right = np.arange(mask.shape[1]) >= mask.shape[1] // 2
    return np.stack([mask * 255, np.broadcast_to(right * 255, mask.shape), 0 * mask], axis=-1).astype(np.uint8)


def test_a_narrow_neck_joins_two_halves() -> None:
    mask = discs((140, 62), (260, 62))
    found = halves(mask)
    assert found is not None
    first, second = found
    assert np.array_equal(first | second, mask) and not (first & second).any()
    left, right = (first, second) if first[100, 140] else (second, first)
    assert left[100, 100] and right[100, 300] and not left[100, 230] and not right[100, 170]


def test_no_neck_no_halves() -> None:
    assert halves(discs((200, 60))) is None
    assert halves(discs((170, 70), (230, 70))) is None, "a wide waist"
    assert halves(discs((140, 70), (230, 26))) is None, "a small head on a body"
    assert halves(discs((120, 50), (260, 50))) is None, "two pieces that something in front parts"


def test_two_things_are_parted_where_both_are_seen_alone() -> None:
    mask = discs((140, 62), (260, 62))
    assert len(parted(Sees(0.95, 0.95), photo(mask), mask)) == 2
    for doubt in (Sees(0.95, 0.5), Sees(0.5, 0.95)):
        (one,) = parted(doubt, photo(mask), mask)
        assert np.array_equal(one, mask)


def test_a_wing_is_no_thing() -> None:
    mask = discs((130, 60)).astype(np.uint8)
    cv2.ellipse(mask, (265, 100), (78, 22), 0, 0, 360, 1, -1)
    assert halves(mask > 0) is not None
    assert len(parted(Sees(1.0, 1.0), photo(mask > 0), mask > 0)) == 1
