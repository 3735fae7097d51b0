"""A subject's build from its mask: anchors, paths, lengths."""

import cv2
import numpy as np
import pytest

from photoflow.motion.wind.subject_shape import CELLS, MARGIN, subject_shape


def hook_shape():
    """A stem that rises on the left, turns, and comes down on the right to just above its own foot."""
    mask = np.zeros((100, 100), np.float32)
    mask[5:95, 10:22] = mask[5:17, 10:90] = mask[5:75, 78:90] = 1
    return mask


def at(build, x, y):
    """The cell of a pixel, as (row, column)."""
    return round((y - build.origin[1]) / build.cell[1]), round((x - build.origin[0]) / build.cell[0])


def test_the_way_goes_through_the_subject():
    build = subject_shape(hook_shape(), "foot")
    assert max(build.mask.shape) == CELLS + 2 * MARGIN
    pixels = build.distance * build.cell[0]
    assert pixels[at(build, 16, 94)] < 3
    assert pixels[at(build, 16, 50)] == pytest.approx(44, abs=4)
    assert pixels[at(build, 84, 74)] > 160  # though it is near the foot
    assert build.height[at(build, 84, 74)] > 0.95
    assert build.heading[at(build, 16, 50)][1] < -0.95 and build.heading[at(build, 84, 50)][1] > 0.95
    roots = build.roots[build.mask > 0.9] - build.places[build.held].mean(axis=0)
    assert np.abs(roots).max() < 8  # all paths begin at the foot


def test_distance_in_the_open_is_euclidean():
    mask = np.ones((120, 120), np.float32)
    build = subject_shape(mask, "hook")
    row, column = np.argwhere(build.held)[0]
    inside = build.mask > 0.5
    true = np.hypot(build.places[..., 0] - column, build.places[..., 1] - row)
    assert np.abs(build.distance - true)[inside].max() < 0.04 * true[inside].max()


def test_turning_every_piece_turns_the_whole():
    build = subject_shape(hook_shape(), "hook")
    angle, foot = 0.3, build.places[build.held][0]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = build.along_paths((build.pieces @ turn.T - build.pieces).astype(np.float64))
    expected = (build.places - foot) @ turn.T - (build.places - foot)
    np.testing.assert_allclose(moved, expected, atol=1e-3)


@pytest.mark.parametrize(("hold", "where"), [("foot", (50, 89)), ("top", (50, 10)), ("upwind", (20, 50))])
def test_anchors_lie_where_the_subject_is_held(hold, where):
    mask = np.zeros((100, 100), np.float32)
    mask[10:90, 20:80] = 1
    build = subject_shape(mask, hold)
    near = build.places[build.held] * build.cell + build.origin
    axis = 0 if hold == "upwind" else 1
    assert np.abs(near[:, axis] - where[axis]).max() < 3
    assert np.ptp(near[:, 1 - axis]) > 50


def test_things_apart_have_anchors_and_lengths_of_their_own():
    mask = np.zeros((80, 160), np.float32)
    cv2.ellipse(mask, (40, 40), (12, 30), 0, 0, 360, 1, -1)
    cv2.ellipse(mask, (120, 50), (10, 15), 0, 0, 360, 1, -1)
    build = subject_shape(mask, "hook", least=0.05)
    left, right = build.parts[at(build, 40, 60)], build.parts[at(build, 120, 60)]
    assert {int(left), int(right)} == {0, 1}
    assert build.lengths[left] / build.lengths[right] == pytest.approx(2, rel=0.1)
    assert len(subject_shape(mask, "hook", least=0.5).lengths) == 1


def test_a_stem_thinner_than_a_cell_carries_its_head():
    mask = np.zeros((1200, 900), np.float32)
    cv2.circle(mask, (450, 250), 180, 1, -1)
    mask[400:1150, 448:452] = 1
    build = subject_shape(mask, "foot")
    assert len(build.lengths) == 1
    assert build.distance[at(build, 450, 100)] * build.cell[0] == pytest.approx(1050, rel=0.06)


def test_thickness():
    mask = np.zeros((200, 200), np.float32)
    cv2.circle(mask, (100, 60), 50, 1, -1)
    mask[100:190, 97:104] = 1
    build = subject_shape(mask, "foot")
    assert build.thickness[at(build, 100, 60)] > 5 * build.thickness[at(build, 100, 160)]
