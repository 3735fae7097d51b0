"""What stands on the ground keeps its contacts with it."""

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.motion.contact import LOWER, WIDTH, contact_weights, contacts
from photoflow.motion.scene import Scene, moments

FEET = ((40, 190), (70, 180), (120, 186), (150, 172))  # left column and lowest row of each


def four_legged(height=220, width=220, **facts):
    """A body on legs of four lengths, as an animal's are in a picture, and a tail that ends high above the ground."""
    mask = np.zeros((height, width), np.float32)
    mask[80:140, 36:164] = 1
    mask[84:126, 168:172] = 1
    mask[84:90, 160:172] = 1
    for left, lowest in FEET:
        mask[130 : lowest + 1, left : left + 10] = 1
    return Scene(mask, seconds=4.0, **facts)


def test_each_foot_is_a_contact_and_the_tail_is_none():
    found = contacts(four_legged())
    expected = np.zeros_like(found)
    for left, lowest in FEET:
        expected[lowest, left : left + 10] = True
    np.testing.assert_array_equal(found, expected)


def test_a_broad_thing_stands_on_its_whole_lower_edge():
    mask = np.zeros((100, 200), np.float32)
    mask[30:80, 20:180] = 1
    mask[79, 60:80] = 0  # a pixel's unevenness is none of the outline's
    found = contacts(Scene(mask))
    assert found.any(axis=0)[20:180].all() and not found.any(axis=0)[:20].any()


def test_nothing_stands_where_the_border_cuts_it_off():
    scene = four_legged(height=191, picture=(220, 191))  # the first foot ends at the border, the second 10 above it
    found = contacts(scene)
    assert not found[:, 40:50].any() and found[180, 70:80].all()
    assert contacts(four_legged(height=191)).any(axis=0)[40:50].all()  # without a picture no border is known


def test_a_subject_that_the_border_cuts_through_has_no_contacts():
    mask = np.zeros((100, 80), np.float32)
    mask[20:, 20:60] = 1
    assert contact_weights(Scene(mask, picture=(80, 100))) is None


def test_what_is_high_is_no_contact():
    scene = four_legged()
    bottom, height = scene.box[3], scene.box[3] - scene.box[1] + 1
    assert np.flatnonzero(contacts(scene).any(axis=1)).min() >= bottom - LOWER * height


def test_the_hold_gives_way_smoothly():
    scene = four_legged()
    weights = contact_weights(scene)
    height = scene.box[3] - scene.box[1] + 1
    assert weights.dtype == np.float32 and (weights[contacts(scene)] == 0).all()
    assert weights[80, 100] == 1 and (weights[: int(172 - WIDTH * height) - 1] == 1).all()
    assert np.abs(np.diff(weights, axis=0)).max() < 2 / (WIDTH * height)


@pytest.mark.parametrize("move", [motion.Sway(1), motion.Breathe(1), 2 * motion.Breathe() + motion.Sway()], ids=repr)
def test_feet_stay_where_they_are(move):
    scene = four_legged()
    field, feet = move.field(scene), torch.from_numpy(contacts(scene))
    moved = torch.stack([field.flow(float(t)).norm(dim=0) for t in moments(4, 8, 32)]).amax(dim=0)
    assert moved[feet].max() == 0 and moved[80, 36:164].min() > 1


@pytest.mark.parametrize("move", [motion.Float(1), motion.Sway(1, base="top"), motion.Bounce()], ids=repr)
def test_what_hovers_hangs_or_hops_is_not_held(move):
    scene = four_legged()
    field, feet = move.field(scene), torch.from_numpy(contacts(scene))
    assert max(float(field.flow(t).norm(dim=0)[feet].min()) for t in (0.6, 1.3, 2.7)) > 0.5
