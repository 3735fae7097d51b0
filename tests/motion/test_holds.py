"""Between what is free and what is pinned, a subject gives way smoothly, and only along itself."""

import numpy as np
import pytest

from photoflow.motion.holds import FADED_AT, FREE_FROM, harmonic, hold_weights, touches


def bar(width=200, height=20):
    mask = np.zeros((60, 240), np.float32)
    mask[20 : 20 + height, 20 : 20 + width] = 1
    return mask


def test_what_nobody_said_anything_of_has_no_weights():
    assert hold_weights(bar(), (), ()) is None


def test_the_solution_between_two_ends_is_a_straight_line():
    inside = np.ones((4, 41), bool)
    loose, held = np.zeros_like(inside), np.zeros_like(inside)
    loose[:, 0], held[:, -1] = True, True
    np.testing.assert_allclose(
        harmonic(inside, loose, held), np.broadcast_to(np.linspace(1, 0, 41), (4, 41)), atol=5e-3
    )


def test_weights_are_one_at_what_is_free_and_fall_smoothly_to_what_is_pinned():
    weights = hold_weights(bar(), [[(25, 30)]], [[(210, 24), (210, 36)]])
    row = weights[30, 20:220]
    assert weights.dtype == np.float32 and row[4] == 1 and row[190] == 0
    assert (np.diff(row) <= 1e-4).all() and np.abs(np.diff(row)).max() < 0.012
    assert row[95] == pytest.approx(0.5, abs=0.08)


def test_an_arm_does_not_loosen_the_body_beside_it():
    mask = np.zeros((200, 200), np.float32)
    mask[20:180, 40:100] = 1
    mask[20:180, 103:123] = 1  # the arm hangs beside the body, three pixels away,
    mask[20:30, 40:123] = 1  # from its shoulder
    weights = hold_weights(mask, [[(113, 175)]], [[(112, 25)], [(70, 100)]])
    assert weights[150, 113] > 0.8 and weights[150, 98] < 0.02


def test_far_from_pins_all_is_free_and_far_from_free_strokes_nothing_is():
    mask, extent = bar(), np.sqrt(200 * 20)
    pins, free = (hold_weights(mask, *said)[30, 20:220] for said in (((), [[(22, 30)]]), ([[(22, 30)]], ())))
    for row, far, share in ((pins, 1, FREE_FROM), (free, 0, FADED_AT)):
        assert row[2] == 1 - far and (row[round(share * extent) + 8 :] == far).all()
        assert (np.abs(row[8 : round(share * extent) - 6] - far) > 1e-3).all()


def test_a_part_that_no_stroke_touches_does_as_the_nearest_one():
    mask = np.zeros((60, 240), np.float32)
    mask[20:40, 20:100] = 1
    mask[20:40, 110:130] = 1
    weights = hold_weights(mask, [[(95, 30)]], [[(25, 30)]])
    assert (weights[22:38, 114:128] > 0.95).all()


def test_a_way_round_corners_is_solved_to_its_end():
    mask = np.zeros((165, 165), np.float32)
    for number in range(8):  # a snake of 8 rows, far longer than it is wide
        mask[20 * number : 20 * number + 12, :160] = 1
        mask[20 * number : 20 * number + 32, slice(148, 160) if number % 2 == 0 else slice(0, 12)] = 1
    weights = hold_weights(mask, [[(4, 6)]], [[(4, 160)]])
    middles = [weights[20 * number + 6, 80] for number in range(8)]
    assert (np.diff(middles) < -0.01).all() and middles[0] > 0.9 and middles[-1] < 0.1


def test_a_pin_wins_where_both_are_said_and_strokes_are_on_the_subject_or_not():
    weights = hold_weights(bar(), [[(25, 30), (210, 30)]], [[(210, 30)]])
    assert weights[30, 210] == 0 and weights[30, 30] == 1
    assert touches(bar(), [(25, 30)]) and touches(bar(), [(0, 0), (239, 59)]) and not touches(bar(), [(5, 5)])
