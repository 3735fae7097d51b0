"""Frames from the pyramid generator: one order for the whole clip, and nothing touched that does not move."""

import numpy as np
import pytest
import torch

from photoflow.models.pyramid import PyramidGenerator
from photoflow.render.pyramid import MOMENTS, PyramidRenderer


class Crossing:
    """Two squares on a wall pass each other: the upper left one comes from rest, the other one slows down.

    By the clip's mean, `first` moves more or less than the second; at time 1 both are at x = 24.
    """

    def __init__(self, first: float) -> None:
        self.first = first
        self.asked: list[float] = []

    def flow_planes(self, t: float) -> torch.Tensor:
        self.asked.append(t)
        flow = torch.zeros(2, 48, 64)
        flow[0, 16:28, 8:20] = 16 * t if t == 1 else self.first * t
        flow[0, 16:28, 40:52] = -16 * t if t == 1 else (8 - self.first) * t
        return flow

    def flow(self, t: float) -> np.ndarray:
        return self.flow_planes(t).numpy()

    def cutout_planes(self, t: float) -> torch.Tensor:
        return torch.full((4, 48, 64), 7, dtype=torch.uint8)


@pytest.fixture
def photo():
    photo = np.random.default_rng(3).integers(90, 110, (48, 64, 3), dtype=np.uint8)
    photo[16:28, 8:20] = (250, 20, 20)
    photo[16:28, 40:52] = (20, 20, 250)
    return photo


def moving(exact):
    return (exact.flow(0.5) != 0).any(0).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PyramidGenerator().eval()


@pytest.mark.parametrize(("first", "winner"), [(7.5, 0), (0.5, 2)])
def test_what_moves_more_over_the_clip_is_in_front(photo, network, first, winner):
    exact = Crossing(first)
    renderer = PyramidRenderer(exact, photo, moving(exact), network, times=[0.0, 0.25, 0.5, 0.75])
    frame = renderer.frame(1.0)
    # Both have moved 16 pixels, onto x = 24 to 36: the frame's own flow cannot tell which is in front.
    assert (frame[17:27, 25:35, winner] > 230).all() and (frame[17:27, 25:35, 2 - winner] < 50).all()


def test_the_weight_is_the_mean_motion(photo, network):
    exact = Crossing(6.0)
    mask = moving(exact)
    exact.asked.clear()
    renderer = PyramidRenderer(exact, photo, mask, network, times=[0.0, 0.25, 0.5, 0.75])
    assert exact.asked == [0.0, 0.25, 0.5, 0.75]
    mean = sum(np.hypot(*exact.flow(t)) for t in (0.0, 0.25, 0.5, 0.75)) / 4
    seen = []
    hook = network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    renderer.frame(0.5)
    hook.remove()
    np.testing.assert_allclose(seen[0][2][0, 0].numpy(), mean, rtol=1e-5)
    exact.asked.clear()
    PyramidRenderer(exact, photo, mask, network, times=[number / 400 for number in range(400)])
    assert len(exact.asked) == MOMENTS and exact.asked[-1] == pytest.approx(0.9375) and exact.asked[0] == 0


def test_a_rim_of_the_subjects_colour_does_not_stay_behind(network):
    """Masks are not exact: pixels around the subject show some of it."""
    photo = np.full((48, 64, 3), 90, np.uint8)
    photo[14:30, 38:54] = (255, 40, 40)  # two pixels more than what moves on each side
    exact = Crossing(8.0)
    exact.flow_planes = lambda t: torch.where(torch.arange(64) < 30, 0, Crossing.flow_planes(exact, 1))
    drawn = PyramidRenderer(exact, photo, moving(exact), network, times=[0.0]).frame(1.0)
    assert np.abs(drawn[16:28, 38:54][:, [0, 1, -2, -1]].astype(int) - 90).max() < 60
    assert np.abs(drawn[14:16, 40:52].astype(int) - 90).max() < 60


def test_what_does_not_move_is_the_photo_to_the_bit(photo, network, monkeypatch):
    exact = Crossing(6.0)
    renderer = PyramidRenderer(exact, photo, moving(exact), network, times=[0.0, 0.5])
    np.testing.assert_array_equal(renderer.frame(0.0), photo)
    monkeypatch.setattr(network, "forward", lambda image, flow, weight: torch.ones_like(image))
    drawn = renderer.frame(0.5)
    far = np.ones((48, 64), bool)
    far[10:34, 2:60] = False
    np.testing.assert_array_equal(drawn[far], photo[far])
    assert (drawn[16:28, 8:20] == 255).all()
    np.testing.assert_array_equal(renderer.flow(0.5), exact.flow(0.5))
    np.testing.assert_array_equal(renderer.cutout(0.5)[..., :3], drawn)
    assert (renderer.cutout(0.5)[..., 3] == 7).all()
