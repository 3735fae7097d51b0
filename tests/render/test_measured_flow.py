"""A flow that is measured between the subject and its moved copy."""

import numpy as np
import torch

from photoflow import motion
from photoflow.render.layered import LayeredRenderer, SubjectLayer

TIMING = {"scale": 1.0, "seconds": 2.0, "loop": False, "device": "cpu"}


def scene():
    photo = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    alpha = np.zeros((48, 64), np.float32)
    alpha[16:28, 20:32] = 1
    return photo, alpha


def best_shift(image1, image2):
    """A flow network for shifts: the whole shift that matches best, the same for every pixel."""
    shifts = [(dx, dy) for dx in range(-2, 14) for dy in range(-6, 3)]
    errors = [(torch.roll(image1, (dy, dx), (2, 3)) - image2).abs().mean() for dx, dy in shifts]
    shift = shifts[int(torch.stack(errors).argmin())]
    return torch.tensor(shift, dtype=torch.float32)[None, :, None, None].expand(-1, -1, *image1.shape[2:])


def drawn(blueprint, t=2.0):
    photo, alpha = scene()
    layer = SubjectLayer(photo, alpha, motion.Translate(dx=9, dy=-5), **TIMING, blueprint=blueprint)
    renderer = LayeredRenderer(np.zeros_like(photo), [layer])
    return renderer.frame(t), renderer.flow(t), photo


def test_a_measured_shift_is_rendered_like_the_planned_one():
    frame, flow, photo = drawn(best_shift)
    np.testing.assert_array_equal(frame, drawn(None)[0])
    np.testing.assert_array_equal(frame[12:22, 30:40], photo[17:27, 21:31])
    assert (flow[:, 17:27, 21:31] == np.array([9, -5])[:, None, None]).all()


def test_the_measured_flow_is_what_is_rendered():
    """A network that finds another flow than the planned one moves the subject there."""

    def other(image1, image2):
        return torch.tensor([4.0, 2.0])[None, :, None, None].expand(-1, -1, *image1.shape[2:])

    frame, flow, photo = drawn(other)
    np.testing.assert_array_equal(frame[20:28, 26:34], photo[18:26, 22:30])
    assert (flow[:, 18:26, 22:30] == np.array([4, 2])[:, None, None]).all()


def test_nothing_is_measured_while_nothing_moves():
    def broken(image1, image2):
        raise AssertionError("the subject stands still")

    np.testing.assert_array_equal(drawn(broken, t=0.0)[0], drawn(None, t=0.0)[0])
