"""Cords and flames that belong to a thing beside its mask."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "kinds"))
import scenes

from photoflow.segment.attached import cord_above, flames_on


def hanging(colour=220, begin=(196, 0), end=(200, 120), thickness=2, ground=70):
    """A box that hangs from a line before a mottled wall."""
    draw = np.random.default_rng(2)
    wall = cv2.resize(draw.integers(ground - 12, ground + 12, (20, 27), dtype=np.uint8), (400, 300)).astype(np.int16)
    wall += draw.integers(-2, 3, wall.shape, dtype=np.int16)
    rgb = np.repeat(wall.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    line = cv2.line(np.zeros(wall.shape, np.uint8), begin, end, 255, thickness, cv2.LINE_AA)
    rgb = np.where(line[..., None] > 100, np.uint8(colour), rgb)
    mask = np.zeros(wall.shape, np.float32)
    mask[120:220, 150:250] = 1
    rgb[mask > 0] = (180, 60, 60)
    return rgb, mask, line > 100


@pytest.mark.parametrize(
    "said",
    [{}, {"colour": 10}, {"thickness": 6}, {"begin": (188, 30)}, {"colour": 30, "begin": (210, 55)}],
    ids=["light", "dark", "thick", "tied below the border", "short"],
)
def test_a_cord_is_found_to_its_upper_end(said):
    rgb, mask, line = hanging(**said)
    cord = cord_above(rgb, mask) > 0.5
    near = cv2.dilate(line.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (cord & line).sum() > 0.8 * line.sum() and (cord & ~near & (mask == 0)).sum() < 0.1 * line.sum()
    assert abs(np.nonzero(cord)[0][0] - np.nonzero(line)[0][0]) <= 8
    assert (cord & (mask > 0)).any()  # it leads into the thing


@pytest.mark.parametrize(
    "said",
    [{"colour": 70}, {"begin": (120, 0), "end": (120, 120)}, {"begin": (60, 60), "end": (200, 120)},
     {"begin": (200, 0), "end": (200, 60)}, {"thickness": 40}],
    ids=["none", "beside it", "slanting", "not down to it", "a post"],
)  # fmt: skip
def test_what_is_no_cord_of_it(said):
    rgb, mask, _ = hanging(**said)
    assert cord_above(rgb, mask) is None


def test_nothing_is_above_what_reaches_the_border():
    rgb, mask, _ = hanging()
    mask[:220, 150:250] = 1
    assert cord_above(rgb, mask) is None and cord_above(rgb, np.zeros_like(mask)) is None


def test_a_flame_on_its_wax_is_found_and_none_elsewhere():
    rgb, flame, candle = scenes.candle()
    wax = (candle & ~flame).astype(np.float32)
    found = flames_on(rgb, wax) > 0.5
    assert scenes.iou(found, flame) > 0.5
    assert flames_on(rgb, candle.astype(np.float32)) is None  # it is in the mask already
    aside = np.zeros_like(wax)
    aside[-40:, :40] = 1
    assert flames_on(rgb, aside) is None
