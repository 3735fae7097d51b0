"""The motion that an optimisation finds, as a motion like every other."""

import json

import numpy as np
import pytest
import torch

from photoflow import Animator, InputError, motion
from photoflow.motion import Optimised
from photoflow.motion.scene import Scene


def hill(rows=12, columns=16, right=0.05):
    y, x = np.mgrid[:rows, :columns]
    bump = np.exp(-(((x - columns / 2 + 0.5) / 3) ** 2) - ((y - rows / 2 + 0.5) / 3) ** 2)
    bump[bump < 0.05] = 0
    return np.stack([right * bump, 0 * bump])[None].astype(np.float32)


COURSES = np.array([[0.25, 0.5 - 0.25j, 0.1j]])


@pytest.mark.parametrize("made", [Optimised.of(hill()), Optimised.of(hill(), COURSES, 2.5, whole=False)])
def test_a_motion_file_holds_it(made, tmp_path):
    made.on("cat").save(tmp_path / "m.json")
    assert motion.load(tmp_path / "m.json") == made.on("cat")
    np.testing.assert_allclose(made.grids, hill(), atol=1e-4)


def test_displacements_are_shares_of_the_longer_side_wherever_the_region_lies():
    made = Optimised.of(hill())
    whole = made.field(Scene(np.ones((96, 128), np.float32), seconds=2)).flow(1.0)
    assert float(whole[0].max()) == pytest.approx(0.05 * 128, rel=0.06)  # between two cells it is the mean of them
    part = Scene(np.ones((40, 50), np.float32), (30, 20), seconds=2, picture=(128.0, 96.0))
    torch.testing.assert_close(made.field(part).flow(1.0), whole[:, 20:60, 30:80], atol=1e-3, rtol=0)


def test_one_shape_is_reached_and_left_again_or_reached_in_the_end():
    made = Optimised.of(hill())
    assert [made.amounts(t, 4, True)[0] for t in (0, 2, 4)] == [0, 1, 0]
    assert [made.amounts(t, 4, False)[0] for t in (0, 4, 9)] == [0, 1, 1]


@pytest.mark.parametrize("seconds", [2.0, 2.5, 7.0])
def test_courses_begin_with_the_photo_and_close_a_loop(seconds):
    made = Optimised.of(hill(), COURSES, 2.5)
    assert made.amounts(0, seconds, True) == [0]
    np.testing.assert_allclose(made.amounts(seconds, seconds, True), 0, atol=1e-9)
    assert abs(made.amounts(seconds / 4, seconds, True)[0]) > 0.1


def test_without_a_loop_courses_are_the_fourier_series_itself():
    t = 0.7
    turn = np.exp(2j * np.pi * np.arange(3) * t / 2.5)
    series = np.array([1, 2, 2]) * (COURSES[0] * (turn - 1)).real
    assert Optimised.of(hill(), COURSES, 2.5).amounts(t, 9, False)[0] == pytest.approx(series.sum(), abs=1e-5)


def test_scaled_it_goes_twice_as_far():
    scene = Scene(np.ones((24, 32), np.float32))
    once, twice = (one.field(scene).flow(2.0) for one in (Optimised.of(hill()), 2 * Optimised.of(hill())))
    torch.testing.assert_close(twice, 2 * once)


def test_for_the_whole_picture_nothing_is_looked_for(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    clip = Animator(offline=True).animate(rgb, Optimised.of(hill()), seconds=1, fps=8)
    assert (clip[0] == rgb).all()
    moved = (clip[4] != rgb).any(2)
    assert moved[20:28, 28:36].mean() > 0.9 and not moved[:, :6].any()


def test_words_do_not_hold_it():
    assert "optimised" not in motion.MOTIONS
    with pytest.raises(InputError, match="expected a motion that words can say, got one of a motion file"):
        motion.words(Optimised.of(hill()))
    with pytest.raises(InputError, match="unknown motion 'optimised'"):
        motion.parse("optimised shapes=eJ size=2,2")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"shapes": "no"}, "shapes expects up to 8 of 16x12 cells as base 64"),
        ({"shapes": 3}, "shapes expects"),
        ({"size": [16, 13]}, "shapes expects up to 8 of 16x13"),
        ({"size": [16]}, "size expects two whole numbers from 2 to 512"),
        ({"size": [1e9, 2]}, "size expects two whole numbers"),
        ({"courses": [[1, 2], [3, 4]], "record": 1}, "expected 1 courses, one for each shape"),
        ({"courses": [[1, 2, 3]], "record": 1}, "courses expects up to 8 rows"),
        ({"courses": [[1, float("nan")]], "record": 1}, "courses expects"),
        ({"courses": [[1, 2]]}, "record expects a number from 0.001"),
        ({"record": 2}, "expected a record of 0 without courses"),
        ({"whole": 1}, "whole expects true or false"),
    ],
)
def test_bad_files_are_refused_in_one_line(changed, named, tmp_path):
    values = {"type": "optimised", **Optimised.of(hill()).to_dict(), **changed}
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"photoflow": "motion", "version": 1, "motion": values}))
    with pytest.raises(InputError, match=named):
        motion.load(path)


def test_numbers_that_are_not_finite_are_refused():
    grids = hill()
    grids[0, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match="expects finite numbers"):
        Optimised.of(grids)
