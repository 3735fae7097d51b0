"""Trails: straight to a frame that shows a pixel, and on through frames that do not."""

import numpy as np

from photoflow.completion.trails import Hole, Trails, followed


def holes(*columns):
    mask = np.zeros((1, 12), bool)
    mask[0, list(columns)] = True
    return Hole(mask)


def shifts(hole, by):
    return np.tile(np.array([[by, 0]], np.float32), (len(hole), 1))


def test_a_trail_ends_where_the_next_frame_shows_the_pixel():
    here, beside = holes(3, 4), holes(5, 6)
    trails = followed(here, shifts(here, 2.0), beside, ~beside.mask, Trails.none(2), 7)
    assert (trails.frame == [-1, -1]).all() and not trails.found.any()  # both come to the other hole
    trails = followed(here, shifts(here, 3.25), beside, ~beside.mask, Trails.none(2), 7)
    assert (trails.frame == [-1, 7]).all()
    np.testing.assert_allclose(trails.place[1], [7.25, 0])
    assert trails.steps[1] == 1


def test_steps_add_up_without_rounding():
    trails, beside = Trails.none(0), holes()
    for number in (3, 2, 1):
        here = holes(4)
        trails = followed(here, shifts(here, 0.4), beside, ~beside.mask, trails, number)
        beside = here
    # From 4 to 4.4, on from there to 4.8, and to 5.2, which is the first frame that shows it.
    assert trails.frame[0] == 3 and trails.steps[0] == 3
    np.testing.assert_allclose(trails.place[0], [5.2, 0], rtol=1e-6)


def test_what_leaves_the_picture_is_not_found():
    here, beside = holes(10), holes()
    assert not followed(here, shifts(here, 2.0), beside, ~beside.mask, Trails.none(0), 1).found.any()
    assert followed(here, shifts(here, 1.4), beside, ~beside.mask, Trails.none(0), 1).found.all()


def test_a_hole_is_packed_and_unpacked():
    mask = np.random.default_rng(0).random((5, 7)) > 0.5
    hole = Hole.of(np.packbits(mask), np.array(mask.shape))
    assert (hole.mask == mask).all() and (hole.numbers()[mask] == np.arange(len(hole))).all()
    assert (mask[hole.pixels[:, 1], hole.pixels[:, 0]]).all()
