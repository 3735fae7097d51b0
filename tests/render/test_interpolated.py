"""Frames between keyframes: which keyframes, how often they are drawn, and what stands still."""

import numpy as np
import pytest
import torch
from torch import nn

from photoflow.models.dis import DISInterpolation, dis_interpolation, flow_candidates
from photoflow.models.frame_pair import Interpolated
from photoflow.models.networks import load_network
from photoflow.render.interpolated import FrameMaker, InterpolatedRenderer


class Ramp:
    """A picture whose left half brightens with time and whose right half stands still; every drawing is noted."""

    def __init__(self):
        self.drawn = []

    def planes(self, t):
        self.drawn.append(t)
        picture = torch.full((3, 8, 12), 77, dtype=torch.uint8)
        picture[:, :, :6] = round(100 * t)
        return picture

    def cutout_planes(self, t):
        colours = torch.tensor([200, 100, 50, round(100 * t)], dtype=torch.uint8)
        rgba = torch.zeros((4, 8, 12), dtype=torch.uint8)
        rgba[:, :, :6] = colours[:, None, None]
        return rgba

    def flow(self, t):
        return np.full((2, 8, 12), t, np.float32)


class Blend(nn.Module):
    """Mixes two pictures in their places; `change` is done to the result."""

    def __init__(self, change=lambda frame: frame):
        super().__init__()
        self.change = change

    def forward(self, img0, img1, t, details=False):
        assert img0.shape == img1.shape == (1, 3, 8, 12) and 0 < t < 1
        assert img0.dtype == torch.float32 and img0.min() >= 0 and img1.max() <= 1
        frame = self.change(torch.lerp(img0, img1, t))
        still = torch.zeros_like(img0[:, :2])
        return Interpolated(frame, still, still, torch.full_like(img0[:, :1], 1 - t)) if details else frame


class Unwanted(nn.Module):
    def forward(self, *inputs, **options):
        raise AssertionError("no frame lies between")


def test_frames_lie_between_the_keyframes_around_them():
    renderer = InterpolatedRenderer(Ramp(), Blend(), seconds=2.0, rate=2.0)
    for t in np.linspace(0, 1.95, 40):
        np.testing.assert_allclose(renderer.frame(t)[:, :6].astype(float), 100 * t, atol=1)
    assert renderer.flow(0.3)[0, 0, 0] == np.float32(0.3)


def test_each_keyframe_is_drawn_once():
    ramp = Ramp()
    renderer = InterpolatedRenderer(ramp, Blend(), seconds=2.0, rate=2.0)
    for t in np.linspace(0, 2, 31)[:-1]:
        renderer.frame(float(t))
    np.testing.assert_allclose(ramp.drawn, [0, 0.5, 1.0, 1.5, 2.0])


@pytest.mark.parametrize(("rate", "count"), [(1.9, 4), (2.2, 4), (0.1, 1)])
def test_keyframes_fit_into_the_clip(rate, count):
    ramp = Ramp()
    InterpolatedRenderer(ramp, Blend(), seconds=2.0, rate=rate).frame(1.99)
    np.testing.assert_allclose(ramp.drawn, [2.0 - 2.0 / count, 2.0])


def test_what_stands_still_stays_to_the_bit_though_the_network_is_not_exact():
    inexact = Blend(lambda frame: frame + 2 / 255)
    drawn = InterpolatedRenderer(Ramp(), inexact, seconds=2.0, rate=1.0).frame(0.5)
    assert (drawn[:, 6:] == 77).all() and (drawn[:, :6] == 52).all()


def test_what_passes_between_two_equal_keyframes_is_shown():
    """A pixel that is the same in both keyframes may be something else between them."""

    def flash(frame):
        frame[..., 4, 9] = 1
        return frame

    assert (InterpolatedRenderer(Ramp(), Blend(flash), seconds=2.0, rate=1.0).frame(0.5)[4, 9] == 255).all()


def test_a_keyframe_is_not_touched_by_the_network():
    renderer = InterpolatedRenderer(Ramp(), Unwanted(), seconds=2.0, rate=2.0)
    assert (renderer.frame(0.5)[:, :6] == 50).all()


def test_cutouts_are_interpolated_with_their_opacity():
    drawn = InterpolatedRenderer(Ramp(), Blend(), seconds=2.0, rate=1.0).cutout(1.5)
    np.testing.assert_allclose(drawn[:, :6, 3], 150, atol=1)
    np.testing.assert_allclose(drawn[:, :6, :3].reshape(-1, 3), np.tile([200, 100, 50], (48, 1)), atol=2)
    assert (drawn[:, 6:, 3] == 0).all()


def test_frames_and_cutouts_are_not_mixed_up():
    renderer = InterpolatedRenderer(Ramp(), Blend(), seconds=2.0, rate=1.0)
    assert renderer.frame(1.0).shape == (8, 12, 3) and renderer.cutout(1.0).shape == (8, 12, 4)


def test_a_picture_is_sent_to_the_device_once():
    maker, seen = FrameMaker(Blend(), "cpu"), []
    original = maker._network.forward
    maker._network.forward = lambda *inputs, **options: (
        seen.append(inputs[0].data_ptr()) or original(*inputs, **options)
    )
    first, second = (np.full((8, 12, 3), value, np.uint8) for value in (10, 20))
    for t in (0.25, 0.5, 0.75):
        maker(first, second, t)
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    ("network", "measurer"),
    [(DISInterpolation(), dis_interpolation), (load_network("refined", None), flow_candidates)],
    ids=["dis", "refined"],
)
def test_motion_that_frames_start_from_is_measured_once_between_two_pictures(network, measurer, monkeypatch):
    measured, plainly = [], measurer.measured

    def measure(img0, img1):
        measured.append((img0, img1))
        return plainly(img0, img1)

    monkeypatch.setattr(measurer, "measured", measure)
    rng = np.random.default_rng(0)
    first, second, third = (rng.integers(0, 256, (40, 56, 3), np.uint8) for _ in range(3))
    maker = FrameMaker(network, "cpu")
    early, late = maker(first, second, 0.25), maker(first, second, 0.75)
    assert len(measured) == 1
    maker(second, third, 0.5)
    turned = maker(second, first, 0.5)  # with the same first picture as before
    assert len(measured) == 3
    np.testing.assert_array_equal(turned, FrameMaker(network, "cpu")(second, first, 0.5))
    measured.clear()
    alone = FrameMaker(network, "cpu")
    np.testing.assert_array_equal(alone(first, second, 0.75), late)
    assert (early != late).any()
