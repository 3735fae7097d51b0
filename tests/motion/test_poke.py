"""A drag and release, replayed: where the pulled point is, how it rings down, and what is refused."""

import math

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.errors import InputError
from photoflow.motion.poke import pulled_volumes
from photoflow.motion.scene import Scene
from photoflow.motion.spectral import SpectralVolume

WIDTH, HEIGHT = 60, 80
TIP = (30.0, 12.0)


def stem_mask():
    """A stalk with a round head, float32."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((np.hypot(x - 30, y - 20) < 14) | ((abs(x - 30) < 3) & (y >= 20))).astype(np.float32)


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A file with the volume of a photo in which all bends to the side, twice as large as the scene."""
    height = np.linspace(1, 0, 2 * HEIGHT, dtype=np.float32)[:, None] * np.ones(2 * WIDTH, np.float32)
    coefficients = np.zeros((3, 2, 2 * HEIGHT, 2 * WIDTH), np.complex64)
    coefficients[1, 0], coefficients[1, 1] = height**2, 0.3 * height**2
    coefficients[2] = 0.2 * np.sin(5 * height) * np.array([1, 1j])[:, None, None]
    path = tmp_path_factory.mktemp("volumes") / "bend.safetensors"
    SpectralVolume(coefficients, 1.2).save(path)
    return str(path)


def scene(seconds=6.0, loop=False, scale=1.0, origin=(0, 0), mask=None):
    mask = stem_mask() if mask is None else mask
    return Scene(mask, origin, scale, seconds, loop, picture=(WIDTH, HEIGHT))


def poke(volume, dx=9.0, dy=-4.0, at=0.5, hold=0.8, **values):
    return motion.Poke(*TIP, dx, dy, at=at, hold=hold, like=volume, **values)


def at_tip(field, t):
    return field.flow(t)[:, int(TIP[1]), int(TIP[0])]


def test_still_then_pulled_then_let_go_then_at_rest(volume):
    field, pull = poke(volume).field(scene()), torch.tensor([9.0, -4.0])
    for t in (-1.0, 0.0, 0.5):
        assert field.flow(t).shape == (2, HEIGHT, WIDTH) and field.flow(t).dtype == torch.float32
        assert field.flow(t).abs().max() == 0
    way = [float((at_tip(field, 0.5 + 0.08 * i) @ pull) / (pull @ pull)) for i in range(11)]
    assert np.all(np.diff(way) > 0) and way[1] < 0.35  # it starts softly and does not go back
    for t in (1.0, 1.2, 1.299):
        assert (at_tip(field, t) - pull).norm() < 0.05 * pull.norm()
    after = [float((at_tip(field, 1.3 + 0.05 * i) @ pull) / (pull @ pull)) for i in range(100)]
    assert min(after) < -0.15 and max(after[15:]) > 0.05  # it swings to the other side and back
    assert max(abs(v) for v in after[80:]) < 0.02
    assert field.flow(30.0).abs().max() < 1e-3


def test_nothing_jumps_and_any_time_can_be_asked_for_in_any_order(volume):
    times = np.linspace(0, 3, 91)
    forward, backward = poke(volume).field(scene()), poke(volume).field(scene())
    flows = torch.stack([forward.flow(float(t)) for t in times])
    again = torch.stack([backward.flow(float(t)) for t in times[::-1]]).flip(0)
    torch.testing.assert_close(again, flows)
    assert (flows[1:] - flows[:-1]).norm(dim=1).max() < 0.5 * math.hypot(9, 4)
    # Across the release at 1.3 s the pixel goes on with the speed that it had: none.
    assert (forward.flow(1.3 + 1e-3) - forward.flow(1.3 - 1e-3)).abs().max() < 0.05


@pytest.mark.parametrize("seconds", [1.6, 2.5, 5.0])
def test_a_loop_closes_at_rest(volume, seconds):
    field, count = poke(volume).field(scene(seconds, loop=True)), 60
    flows = [field.flow(seconds * i / count) for i in range(count)]
    steps = [float((b - a).norm(dim=0).mean()) for a, b in zip(flows, flows[1:] + flows[:1], strict=True)]
    assert steps[-1] <= max(steps[:-1]) and flows[-1].abs().max() < 0.5
    assert field.flow(seconds).abs().max() == 0
    torch.testing.assert_close(field.flow(seconds + 1.1), field.flow(1.1))
    torch.testing.assert_close(field.flow(1.29), poke(volume).field(scene()).flow(1.29))


def test_scaling_and_adding(volume):
    field = poke(volume).field(scene())
    torch.testing.assert_close(field.scaled(3).scaled(0.5).flow(1.4), 1.5 * field.flow(1.4))
    torch.testing.assert_close((2 * poke(volume)).field(scene()).flow(1.4), 2 * field.flow(1.4))
    both = poke(volume) + poke(volume, at=1.0)
    expected = field.flow(1.4) + poke(volume, at=1.0).field(scene()).flow(1.4)
    torch.testing.assert_close(both.field(scene()).flow(1.4), expected)


def test_point_and_pull_are_the_photos_pixels(volume):
    plain = poke(volume).field(scene()).flow(1.2)
    half = motion.Poke(60, 24, 18, -8, like=volume).field(scene(scale=0.5)).flow(1.2)
    torch.testing.assert_close(half, plain)
    mask = np.pad(stem_mask(), ((5, 5), (7, 7)))
    moved = poke(volume).field(scene(origin=(-7, -5), mask=mask)).flow(1.2)[:, 5:-5, 7:-7]
    torch.testing.assert_close(moved, plain, atol=0.02, rtol=0)


def test_a_large_picture_has_the_same_motion_from_fewer_nodes(volume):
    mask = np.kron(stem_mask(), np.ones((5, 5), np.float32))[:-1, :-3]
    large = Scene(mask, (0, 0), 5.0, 6.0, False, picture=(5 * WIDTH, 5 * HEIGHT))
    field, small = poke(volume).field(large), poke(volume).field(scene())
    assert field._step == 2 and field.flow(0.7).shape == (2, *mask.shape)
    torch.testing.assert_close(field.flow(1.29)[:, 60, 150], torch.tensor([45.0, -20.0]), atol=1.0, rtol=0)
    for t in (0.7, 1.29, 1.5, 2.0):
        expected = 5 * small.flow(t)[:, 2:-1, 2:-1]
        assert (field.flow(t)[:, 10:-5:5, 10:-5:5] - expected).norm(dim=0).mean() < 0.1 * expected.norm(dim=0).mean()


@pytest.fixture(scope="module")
def plants():
    """Fields of a plant that is pulled to the side and down; its winds are computed once."""
    winds = pulled_volumes(scene(), "plant")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photoflow.motion.poke.pulled_volumes", lambda *_: winds)
        return {pull: motion.Poke(*TIP, *pull).field(scene()) for pull in [(9, 0), (-2, 8)]}


@pytest.mark.parametrize("pull", [(9, 0), (-2, 8)])
def test_a_plant_goes_where_it_is_pulled_with_its_head_and_its_foot_holds(plants, pull):
    wanted, held = torch.tensor(pull, dtype=torch.float32), plants[pull].flow(1.29)
    assert (held[:, int(TIP[1]), int(TIP[0])] - wanted).norm() < 0.05 * wanted.norm()
    subject = torch.from_numpy(stem_mask()) > 0.5
    lengths = held.norm(dim=0)[subject] / wanted.norm()
    assert lengths.max() < 1.6 and lengths.median() > 0.2
    assert held[:, -1, 28:33].norm(dim=0).max() < 0.1 * wanted.norm()
    across, down = torch.gradient(held, dim=(2, 1))
    area = (1 + across[0]) * (1 + down[1]) - across[1] * down[0]
    assert area[subject].min() > 0.05  # nothing folds over


def test_a_plant_swings_back_beyond_its_place(plants):
    swing = [float(at_tip(plants[9, 0], 1.3 + 0.05 * i)[0]) / 9 for i in range(80)]
    assert -0.6 < min(swing) < -0.2 and max(swing[swing.index(min(swing)) :]) > 0.05
    assert max(abs(v) for v in swing[-10:]) < 0.05


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"x": 5, "y": 5}, "expected a point on the subject, got 5,5"),
        ({"x": 500, "y": 5}, "expected a point on the subject, got 500,5"),
        ({"x": 30, "y": 79}, "nothing moves at 30,79"),
        ({"x": math.nan}, "x expects a number"),
        ({"dx": "far"}, "dx expects a number"),
        ({"at": -1}, "at expects a number from 0"),
        ({"hold": 0}, "hold expects a number from 0.05"),
        ({"like": "stone"}, "like expects plant, "),
        ({"like": 3}, "like expects plant, "),
        ({"like": [1]}, "like expects plant, "),
        ({"like": "nowhere.safetensors"}, "nowhere.safetensors"),
    ],
)
def test_bad_pokes_are_refused_in_one_line(values, named, volume):
    given = {"x": 30.0, "y": 12.0, "dx": 5.0, "dy": 0.0, "like": volume} | values
    with pytest.raises(InputError, match=named) as caught:
        motion.Poke(**given).field(scene())
    assert "\n" not in str(caught.value)


def test_a_loop_that_ends_before_the_release_is_refused(volume):
    with pytest.raises(InputError, match=r"let go after 1.3 s; expected a loop longer than that, got 1 s"):
        poke(volume).field(scene(1.0, loop=True))
    assert poke(volume).field(scene(1.0)).flow(0.9).abs().max() > 1
