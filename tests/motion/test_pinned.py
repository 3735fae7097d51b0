"""A subject that the picture's border cuts off is held there."""

import numpy as np
import torch

from photoflow import motion
from photoflow.motion.pinned import PinnedField, pin_weights


def test_what_no_border_cuts_off_is_not_held():
    alpha = np.zeros((60, 80), np.float32)
    alpha[20:40, 20:50] = 1
    assert pin_weights(alpha, 5) is None


def test_the_hold_gives_way_without_a_fold():
    alpha = np.zeros((100, 80), np.float32)
    alpha[40:, 30:50] = 1
    weights = pin_weights(alpha, 10)
    assert weights.dtype == np.float32 and (weights[-1, 30:50] == 0).all() and weights[40, 40] == 1
    column = weights[:, 40]
    assert (np.diff(column) <= 0).all() and -np.diff(column).min() * 10 < 0.6  # of a pixel from row to row


def test_a_mask_that_ends_just_before_the_border_is_held_too():
    alpha = np.zeros((60, 80), np.float32)
    alpha[20:58, 20:50] = 1
    assert pin_weights(alpha, 5)[-1, 30] == 0
    assert pin_weights(np.roll(alpha, -3, axis=0), 5) is None


def test_a_pinned_field_is_the_field_times_the_weights():
    mask = np.ones((4, 5), np.float32)
    field = motion.Translate(dx=8).field(motion.Scene(mask, seconds=2))
    weights = torch.rand(4, 5)
    pinned = PinnedField(field, weights)
    torch.testing.assert_close(pinned.flow(0.7), field.flow(0.7) * weights)
    torch.testing.assert_close(pinned.scaled(2.0).flow(0.7), 2 * pinned.flow(0.7))


def test_what_takes_the_subject_away_is_not_held():
    away, sway = motion.Translate(), motion.Sway()
    assert away.leaves and motion.Path(points=((0, 0), (9, 9))).leaves and not sway.leaves
    assert (sway + away).leaves and (0.5 * away).leaves and away.on(2).leaves and not (sway + sway).leaves
