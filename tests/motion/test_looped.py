"""Motion that does not close is made to, in place and in speed; what closes is left alone."""

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.metrics import motion_steps, seam
from photoflow.motion.field import MotionField
from photoflow.motion.looped import LoopedField, closes, looped, with_closed_end
from photoflow.render.layered import SubjectLayer

SECONDS = 4.0


class Along(MotionField):
    """The whole region goes along a curve, t -> pixels to the right."""

    def __init__(self, curve):
        self.curve = curve

    def flow(self, t):
        return torch.tensor([self.curve(t), 0.0]).view(2, 1, 1).expand(2, 4, 5)

    def scaled(self, factor):
        return Along(lambda t: factor * self.curve(t))


def places(field, count=400, seconds=SECONDS):
    return np.array([float(field.flow(seconds * i / count)[0, 0, 0]) for i in range(count)])


CURVES = {
    "a straight way": lambda t: 3 * t,
    "an oscillation of another period": lambda t: 5 * np.sin(2 * np.pi * t / 3),
    "a bend where it closes": lambda t: 5 * abs(np.sin(np.pi * (t + 0.3) / 2.6)),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
def test_a_field_that_does_not_close_is_made_to(curve):
    field = looped(Along(curve), SECONDS)
    assert isinstance(field, LoopedField)
    way = places(field)
    steps = np.diff(np.append(way, way[0]))
    assert abs(steps[-1] - steps[0]) < 2e-3 * np.abs(steps).max() + 0.02  # neither place nor speed jumps
    assert abs(steps[-1]) <= np.abs(steps).max()
    np.testing.assert_allclose(way[:300], [curve(SECONDS * i / 400) for i in range(300)], rtol=1e-6)
    torch.testing.assert_close(field.flow(SECONDS + 0.7), field.flow(0.7))


def test_a_field_that_comes_back_at_another_speed_is_made_to_close():
    field = looped(Along(lambda t: 10 * np.sin(np.pi * (t % SECONDS if t > 0 else t) / SECONDS)), SECONDS)
    assert isinstance(field, LoopedField)


def test_a_field_that_closes_stays_itself():
    scene = motion.Scene(np.ones((30, 40), np.float32), seconds=SECONDS)
    for kind in (motion.Sway(), motion.Bounce(), motion.Path(((0, 0), (9, 9)), closed=True)):
        field = kind.field(scene)
        assert looped(field, SECONDS) is field


def test_a_looped_field_scales():
    field = LoopedField(Along(lambda t: 3 * t), SECONDS)
    torch.testing.assert_close(field.scaled(2).flow(3.7), 2 * field.flow(3.7))


def test_a_photo_is_animated_in_a_loop_by_a_motion_that_does_not_close():
    class Away(motion.Motion):
        def field(self, scene):
            shape = (2, *scene.mask.shape)
            field = Along(lambda t: 2 * t)
            field.flow = lambda t: torch.tensor([2 * t, 0.0]).view(2, 1, 1).expand(shape)
            return field

    alpha = np.zeros((40, 60), np.float32)
    alpha[10:30, 10:30] = 1
    timing = {"scale": 1.0, "seconds": SECONDS, "device": "cpu"}
    ends = []
    for loop in (True, False):
        layer = SubjectLayer(np.zeros((40, 60, 3), np.uint8), alpha, Away(), loop=loop, **timing)
        ends.append(float(layer.field.flow(SECONDS - 1e-4)[0].max()))
    assert ends == pytest.approx([0, 8], abs=1e-2)


def test_measured_trajectories_are_closed_and_kept_where_they_are_not_faded():
    t = np.arange(60, dtype=np.float32)[:, None, None, None]
    way = np.concatenate([0.2 * t + np.sin(t / 5), 0.1 * t], axis=1) * np.ones((1, 1, 3, 4), np.float32)
    assert not closes(way) and seam(motion_steps(way)) > 5
    closed = with_closed_end(way)
    assert closes(closed) and seam(motion_steps(closed)) < 1
    np.testing.assert_array_equal(closed[:46], way[:46])
    before, after = closed[0] - closed[-1], closed[1] - closed[0]
    assert np.abs(before - after).max() < 0.2  # way[0] - way[-1] is 12
    assert closed.dtype == np.float32 and not np.array_equal(closed[50:], way[50:])


def test_a_loop_with_small_errors_of_measurement_closes():
    angles = 2 * np.pi * np.arange(60) / 60
    way = np.stack([5 * np.sin(angles), np.cos(angles) - 1], 1)[:, :, None, None] * np.ones((2, 3, 4))
    noise = np.random.default_rng(0).normal(0, 0.05, way.shape)
    assert closes((way + noise).astype(np.float32))
