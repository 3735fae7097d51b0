"""Frames from layers: what stays to the bit, what moves and where to."""

import numpy as np
import pytest

from photoflow import motion
from photoflow.render.layered import LayeredRenderer, SubjectLayer

TIMING = {"scale": 1.0, "seconds": 2.0, "loop": True, "device": "cpu"}


def picture(height=48, width=64):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def square(height=48, width=64, left=20, top=16, size=12):
    alpha = np.zeros((height, width), np.float32)
    alpha[top : top + size, left : left + size] = 1
    return alpha


def renderer(move, background, alpha, colour=(250, 10, 20), **timing):
    rgb = np.broadcast_to(np.array(colour, np.uint8), (*alpha.shape, 3))
    return LayeredRenderer(background, [SubjectLayer(rgb, alpha, move, **(TIMING | timing))])


def test_a_whole_pixel_shift_is_exact():
    background, alpha = picture(), square()
    drawn = renderer(motion.Translate(dx=9, dy=-5), background, alpha, loop=False).frame(2.0)
    expected = background.copy()
    expected[11:23, 29:41] = (250, 10, 20)
    np.testing.assert_array_equal(drawn, expected)


def test_the_first_frame_is_the_subject_in_its_place():
    photo = picture()
    layer = SubjectLayer(photo, square(), motion.Sway(), **TIMING)
    drawn = LayeredRenderer(np.zeros_like(photo), [layer]).frame(0)
    np.testing.assert_array_equal(drawn[16:28, 20:32], photo[16:28, 20:32])


@pytest.mark.parametrize("move", [motion.Sway(2), motion.Float(2), motion.Bounce(1), motion.Swing(40)], ids=repr)
def test_the_background_outside_the_sweep_is_the_input_to_the_bit(move):
    background, alpha = picture(), square()
    drawn = renderer(move, background, alpha)
    for t in np.linspace(0, 2, 9):
        frame, shown = drawn.frame(t), drawn.cutout(t)[..., 3] > 0
        np.testing.assert_array_equal(frame[~shown], background[~shown])
        assert shown.sum() > 50


def test_the_whole_path_is_inside_the_layer():
    """Nothing of the subject is cut off at the edge of the region that the layer works on."""
    alpha = square()
    drawn = renderer(motion.Swing(angle=60), picture(), alpha)
    areas = [drawn.cutout(t)[..., 3].sum() / 255 for t in np.linspace(0, 2, 17)]
    assert min(areas) > 0.97 * alpha.sum() and max(areas) < 1.03 * alpha.sum()


def test_a_motion_in_step_with_the_clip_is_not_taken_for_rest():
    """Looked at once a second it never moves."""
    alpha = square()
    for seconds in (24.0, 47.0, 48.0):
        drawn = renderer(motion.Bounce(height=1, period=1), picture(), alpha, seconds=seconds)
        assert drawn.cutout(0.25)[..., 3].sum() / 255 > 0.97 * alpha.sum()


def test_a_subject_cut_by_the_border_does_not_tear_off_from_it():
    alpha = square(top=36, size=12)  # touches the lower border
    drawn = renderer(motion.Translate(dx=0, dy=-8), np.zeros((48, 64, 3), np.uint8), alpha, loop=False).frame(2.0)
    assert (drawn[28:48, 20:32] == (250, 10, 20)).all()
    assert (drawn[:28] == 0).all()


def test_only_what_touches_the_border_is_continued_beyond_it():
    """A subject that touches the left border at its foot alone brings no mirror image of its head into the picture."""
    alpha = np.zeros((48, 64), np.float32)
    alpha[30:40, 0:20] = 1
    alpha[10:30, 4:20] = 1
    drawn = renderer(motion.Translate(dx=14), np.zeros((48, 64, 3), np.uint8), alpha, loop=False).frame(2.0)
    assert (drawn[32:38, 0:34] == (250, 10, 20)).all()
    assert (drawn[12:28, 0:17] == 0).all()


@pytest.mark.parametrize(("width", "height"), [(1, 30), (30, 1), (1, 1), (3, 2)])
def test_thin_subjects_move_too(width, height):
    alpha = np.zeros((48, 64), np.float32)
    alpha[9 : 9 + height, 21 : 21 + width] = 1
    drawn = renderer(motion.Translate(dx=5), np.zeros((48, 64, 3), np.uint8), alpha, loop=False).frame(2.0)
    expected = np.roll(alpha, 5, axis=1) > 0
    assert (drawn[expected] == (250, 10, 20)).all() and (drawn[~expected] == 0).all()


def test_two_subjects_keep_their_order():
    background, behind, front = picture(), square(left=18), square(left=24)
    layers = [
        SubjectLayer(np.full_like(background, value), alpha, motion.Translate(dx=1), **TIMING)
        for value, alpha in ((40, behind), (200, front))
    ]
    drawn = LayeredRenderer(background, layers).frame(0.0)
    assert (drawn[16:28, 24:36] == 200).all() and (drawn[16:28, 18:24] == 40).all()


def test_half_transparent_pixels_blend():
    alpha = 0.5 * square()
    drawn = renderer(motion.Sway(0.001), np.full((48, 64, 3), 100, np.uint8), alpha, colour=(200, 200, 200)).frame(0)
    assert (drawn[20:24, 22:30] == 150).all()


def test_flow_is_that_of_the_subject_alone():
    flow = renderer(motion.Translate(dx=9, dy=-5), picture(), square(), loop=False).flow(2.0)
    assert flow.shape == (2, 48, 64)
    np.testing.assert_allclose(flow[:, 20, 25], (9, -5), atol=1e-4)
    assert (flow[:, :10] == 0).all()


def test_sharpness_does_not_pulse_with_the_motion():
    """Half a pixel of shift keeps more of the detail than a bilinear lookup, which averages neighbours."""
    columns = np.sin(np.arange(64) * 1.6)
    photo = np.broadcast_to((127 + 120 * columns)[None, :, None], (48, 64, 3)).astype(np.uint8)
    layer = SubjectLayer(photo, np.ones((48, 64), np.float32), motion.Translate(dx=0.5), **TIMING | {"loop": False})
    drawn = LayeredRenderer(photo, [layer]).frame(2.0)[:, 8:56].astype(float)
    bilinear = (photo[:, 8:56].astype(float) + photo[:, 7:55]) / 2
    assert drawn.std() > 1.1 * bilinear.std()


def test_frames_are_repeatable_and_independent():
    drawn = renderer(motion.Sway(), picture(), square())
    first, second = drawn.frame(0.4), drawn.frame(0.4)
    assert first is not second
    np.testing.assert_array_equal(first, second)


def test_weights_multiply_displacements_and_what_the_border_holds():
    weights = np.where(np.arange(64) < 26, 0.25, 1).astype(np.float32) * np.ones((48, 1), np.float32)
    plain = SubjectLayer(picture(), square(), motion.Float(1), **TIMING)
    held = SubjectLayer(picture(), square(), motion.Float(1), weights=weights, **TIMING)
    cut = SubjectLayer(picture(), square(top=36), motion.Float(1), weights=weights, **TIMING)
    flows = [renderer_of.flow(0.7) for renderer_of in (LayeredRenderer(picture(), [one]) for one in (plain, held, cut))]
    for x, factor in {21: 0.25, 24: 0.25, 27: 1.0, 31: 1.0}.items():
        np.testing.assert_allclose(flows[1][:, 20, x], factor * flows[0][:, 20, x], atol=0.04)
    assert np.abs(flows[0][:, 20, 21]).max() > 0.3
    assert np.abs(flows[2][:, 47]).max() < 0.01 < np.abs(flows[2][:, 38, 22]).max() < np.abs(flows[2][:, 38, 30]).max()
