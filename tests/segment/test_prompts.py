"""Masks, boxes and points are taken if they fit the photo and refused with one line if they do not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.segment.prompts import checked_box, checked_mask, checked_points

SHAPE = (40, 60)


def half() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :30] = 255
    return mask


@pytest.mark.parametrize(
    "mask",
    [half(), half() > 0, half() / 255.0, (half() > 0).astype(np.uint8), half()[..., None]],
    ids=["bytes", "bool", "float", "labels", "channel"],
)
def test_mask_arrays(mask: np.ndarray) -> None:
    values = checked_mask(mask, SHAPE)
    assert values.dtype == np.float32
    assert np.array_equal(values, (half() > 0).astype(np.float32))


@pytest.mark.parametrize(
    "picture",
    [
        half(),
        half() // 255,
        half().astype(np.uint16) * 257,
        np.dstack([half()] * 3),
        np.dstack([np.full(SHAPE, 90, np.uint8)] * 3 + [half()]),
    ],
    ids=["grey", "labels", "16 bit", "colour", "opacity"],
)
def test_mask_files(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), picture)
    assert np.array_equal(checked_mask(path, SHAPE), (half() > 0).astype(np.float32))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((5, 5), bool), "expected 60x40 as the photo, got 5x5"),
        (np.zeros(SHAPE, bool), "got an empty mask"),
        (np.ones(SHAPE, bool), "covers all"),
        (np.full(SHAPE, np.nan), r"expected float values in \[0, 1\]"),
        (np.full(SHAPE, 7.0), r"expected float values in \[0, 1\]"),
        (np.ones(SHAPE, np.int64), "got int64"),
    ],
)
def test_mask_that_does_not_fit(mask: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_mask(mask, SHAPE)


def test_mask_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    for content in (None, b"", b"text"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"mask\.png"):
            checked_mask(path, SHAPE)


def test_box_inside() -> None:
    assert checked_box((0, 0, 60, 40), SHAPE) == (0, 0, 60, 40)
    assert checked_box([1.4, 2.6, 10.0, 5.0], SHAPE) == (1, 3, 10, 5)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 0, 5), "at least 1, got 0,0,0,5"),
        ((50, 0, 11, 5), "inside the 60x40 picture, got 50,0,11,5"),
        ((-1, 0, 5, 5), "inside the 60x40 picture"),
        ((0, 0, 5), "expected X,Y,W,H"),
        ((0, 0, float("nan"), 5), "expected X,Y,W,H"),
        ("abcd", "expected X,Y,W,H"),
    ],
)
def test_box_outside(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_box(box, SHAPE)


def test_points() -> None:
    assert checked_points([(0, 0), (59, 39)], SHAPE) == [(0, 0), (59, 39)]
    for points in ([(60, 0)], [(0, -1)], [(1, 2, 3)], [(float("inf"), 0)], []):
        with pytest.raises(InputError, match=r"^point: expected"):
            checked_points(points, SHAPE)


def test_a_mask_may_be_a_tensor_that_learns() -> None:
    torch = pytest.importorskip("torch")
    mask = torch.zeros(4, 6, requires_grad=True)
    with torch.no_grad():
        mask[1:3, 2:5] = 1
    assert checked_mask(mask, (4, 6)).sum() == 6
