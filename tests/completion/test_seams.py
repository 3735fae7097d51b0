"""Seams: differences are kept, and a change of light on the way is not seen."""

import numpy as np
import pytest
from clips import HEIGHT, WIDTH, hole, texture

from photoflow.completion.seams import joined, joined_parts


def differences(picture):
    return np.roll(picture, -1, 1) - picture, np.roll(picture, -1, 0) - picture


@pytest.mark.parametrize("mask", [hole(), hole(left=WIDTH - 30, width=30), hole(top=0, height=HEIGHT, width=40)])
def test_true_differences_give_the_true_picture(mask):
    true = texture(0, HEIGHT, WIDTH).astype(np.float32)
    start = np.where(mask[..., None], 0, true).astype(np.float32)
    found = joined(start, mask, *differences(true), 1e4)
    assert (found[~mask] == true[~mask]).all()
    assert np.abs(found - true).max() < 0.5


def test_a_change_of_light_makes_no_edge():
    true, mask = texture(0, HEIGHT, WIDTH).astype(np.float32), hole(width=40, height=40)
    lighter = true + 30
    start = np.where(mask[..., None], lighter, true)
    assert np.abs(joined(start, mask, *differences(lighter), 1e4) - true).max() < 0.5
    added = joined(start, mask, *differences(lighter), 4.0) - true
    assert np.abs(np.diff(added, axis=0)).max() < 9 and np.abs(np.diff(added, axis=1)).max() < 9
    assert added[44, 70].min() > 25  # far from the edge what was drawn keeps its own light


def test_parts_that_lie_apart_are_joined_alike():
    true = texture(0, HEIGHT, WIDTH).astype(np.float32)
    mask = hole(left=10) | hole(left=80, top=5)
    start = np.where(mask[..., None], 0, true).astype(np.float32)
    assert np.abs(joined_parts(start, mask, *differences(true), 1e4) - true).max() < 0.5
    nothing = np.zeros_like(mask)
    assert (joined_parts(start, nothing, *differences(true), 1e4) == start).all()
