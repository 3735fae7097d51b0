"""What a strength of 1 is: a share of the subject's size."""

import math

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.motion.scene import Scene, moments

LEFT, TOP, RIGHT, BOTTOM = 60, 40, 99, 279  # of the subject, ends included
LENGTH, WIDTH = BOTTOM - TOP + 1, RIGHT - LEFT + 1


def scene(seconds=4.0):
    mask = np.zeros((300, 160), np.float32)
    mask[TOP : BOTTOM + 1, LEFT : RIGHT + 1] = 1
    return Scene(mask, seconds=seconds)


def flows(move, seconds=4.0, count=240):
    """The displacements at evenly spaced moments of a loop, (count, 2, h, w) over the subject."""
    field = move.field(scene(seconds))
    times = np.arange(count) * seconds / count
    return torch.stack([field.flow(float(t))[:, TOP : BOTTOM + 1, LEFT : RIGHT + 1] for t in times])


@pytest.mark.parametrize("seconds", [2.0, 4.0, 6.0, 8.0, 10.0])
def test_sway_swings_about_rest_by_a_tenth_of_its_length(seconds):
    tip = flows(motion.Sway(strength=1), seconds)[:, 0, 0] / LENGTH
    right, left = float(tip.max()), -float(tip.min())
    assert min(right, left) >= 0.10 and max(right, left) <= 0.12
    assert max(right, left) / min(right, left) < 1.1
    assert abs(float(tip.mean())) < 0.001
    assert (tip[0] == 0).all()


@pytest.mark.parametrize("base", ["bottom", "top", "left", "right"])
def test_sway_reaches_as_far_from_every_base(base):
    across = 1 if base in ("left", "right") else 0
    length = WIDTH if across else LENGTH
    assert 0.10 <= float(flows(motion.Sway(strength=1, base=base))[:, across].abs().max()) / length <= 0.12


def test_sway_is_gentle_where_nobody_says_how_strong():
    assert 0.03 <= float(flows(motion.Sway()).norm(dim=1).max()) / LENGTH <= 0.04


def test_float_rises_and_sinks_by_a_share_of_the_size():
    size = math.sqrt(LENGTH * WIDTH)
    centre = flows(motion.Float(strength=1))[:, 1].mean(dim=(1, 2)) / size
    np.testing.assert_allclose((float(centre.min()), float(centre.max())), (-0.08, 0.08), atol=0.001)
    assert abs(float(centre.mean())) < 1e-3


def test_breathe_grows_by_a_share_of_the_height():
    top = flows(motion.Breathe(strength=1))[:, 1, 0]
    assert abs(float(top.min()) / LENGTH + 0.04) < 0.0005 and float(top.max()) < 1e-3


def test_breathe_moves_a_person_by_at_most_a_fiftieth_of_the_height():
    largest = flows(motion.Breathe()).norm(dim=1).max()
    assert 0.005 <= float(largest) / LENGTH <= 0.02


def test_swing_goes_by_its_angle_to_either_side():
    foot = flows(motion.Swing(angle=6))[:, 0, -1].mean(dim=1) / LENGTH
    np.testing.assert_allclose(float(foot.max()), math.sin(math.radians(6)), rtol=0.01)
    np.testing.assert_allclose(float(foot.min()), -float(foot.max()), rtol=0.01)


def test_bounce_hops_by_its_height():
    foot = flows(motion.Bounce(height=0.2))[:, 1, -1]
    np.testing.assert_allclose(float(foot.min()) / LENGTH, -0.2, rtol=0.01)


# Largest displacement at a wind of 0.5, shares of the size: what the presets' documentation says.
REACHES = {
    "plant": (0.04, 0.10), "tree": (0.04, 0.10), "foliage": (0.01, 0.04), "vine": (0.05, 0.12), "flag": (0.04, 0.10),
    "cloth": (0.05, 0.12), "hair": (0.04, 0.10), "candle": (0.08, 0.20), "lantern": (0.10, 0.20),
}  # fmt: skip


@pytest.mark.parametrize("preset", REACHES)
def test_presets_of_wind_keep_to_their_shares(preset):
    mask = np.zeros((120, 160), np.float32)
    mask[30:90, 50:110] = 1
    place = Scene(mask, picture=(160, 120))
    field = motion.Spectral(preset).field(place)
    largest = max(float(field.flow(float(t)).norm(dim=0)[30:90, 50:110].max()) for t in moments(4, 16, 64))
    low, high = REACHES[preset]
    assert low <= largest / place.extent <= high
