"""The optimisation of a flow on one photo."""

import threading

import cv2
import numpy as np
import pytest
import torch

from photoflow import InputError
from photoflow.errors import Cancelled
from photoflow.motion.optimised import Handles, LikeClip, SecondPicture, optimise
from photoflow.motion.optimised import canvas as canvases
from photoflow.motion.optimised.canvas import Canvas
from photoflow.motion.optimised.common_motion import common_motion
from photoflow.motion.optimised.networks import AlongEdges, FlowNetwork
from photoflow.motion.optimised.optimising import folding
from photoflow.motion.optimised.targets import modes
from photoflow.motion.spectral import SpectralVolume

SIDE = slice(12, 36), slice(18, 42)  # rows and columns of the disc's square


@pytest.fixture(scope="module")
def photo():
    """A bright disc before a dark gradient, 60x48."""
    y, x = np.mgrid[:48, :60].astype(np.float32)
    rgb = np.stack([40 + 0.5 * x, 30 + 0.5 * y, 60 + 0 * x], 2)
    disc = np.hypot(x - 30, y - 24) < 10
    rgb[disc] = np.stack([200 + 1.5 * (x - 30), 180 + 2 * (y - 24), 40 + 0 * x], 2)[disc]
    return rgb.astype(np.uint8)


@pytest.fixture(scope="module")
def pulled(photo):
    """The disc pulled to the right by a handle, with everything that was told of it."""
    told, seen = [], []
    found = optimise(
        photo, Handles([(30, 24, 6, 0)], [(4, 4), (56, 44)]), steps=90, report=told.append, preview=seen.append
    )
    return found, told, seen


def displacement(found, size=(48, 60)):
    """The flow at its farthest, pixels, (2, H, W)."""
    (grid,) = found.motion.grids
    return np.stack([cv2.resize(plane, size[::-1]) for plane in grid]) * max(size)


def test_a_handle_takes_its_thing_along_and_the_rest_stays(pulled):
    flow = displacement(pulled[0])
    assert np.hypot(*(flow[:, 24, 30] - (6, 0))) < 1.0
    assert flow[0, 19:29, 24:36].mean() > 3.5  # all of the disc
    assert np.abs(flow[:, :6, :6]).max() < 0.1
    assert np.abs(flow[0, :, :10]).mean() < 0.6


def test_it_is_better_than_the_guess_and_says_how_near(pulled):
    found, told, seen = pulled
    assert found.best > 0 and not found.interrupted and found.steps <= 90
    assert told[-1].startswith("step ") and "px from the handles" in told[-1]
    assert len(seen) == len(told) and seen[0].shape == (48, 60, 3) and seen[0].dtype == np.uint8


def test_the_generators_frames_begin_with_the_photo_and_fill_what_is_uncovered(pulled, photo):
    found = pulled[0]
    assert np.abs(found.frame([0.0]).astype(int) - photo).max() <= 1
    moved = found.frame([1.0]).astype(float)
    centre = lambda frame: (np.arange(60) * (frame[24, :, 0] > 150)).sum() / (frame[24, :, 0] > 150).sum()  # noqa: E731
    assert 3 < centre(moved) - centre(photo.astype(float)) < 8
    assert moved.min() > 10  # no hole is left black


def test_the_same_seed_gives_the_same_motion(photo):
    first, again = (optimise(photo, Handles([(30, 24, 5, 3)]), steps=4, seed=3).motion for _ in range(2))
    assert first == again


def test_without_steps_it_is_the_guess(photo):
    found = optimise(photo, Handles([(30, 24, 5, 3)]), steps=0)
    assert found.best == found.steps == 0 and not found.motion.grids.any()


def test_an_interrupt_keeps_the_best_so_far(photo):
    def interrupted(line):
        if line.startswith("step 20"):
            raise KeyboardInterrupt

    found = optimise(photo, Handles([(30, 24, 6, 0)]), steps=200, report=interrupted)
    assert found.interrupted and found.steps == 20 and found.best in (10, 20)


def test_it_is_cancelled_from_another_thread(photo):
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        optimise(photo, Handles([(30, 24, 6, 0)]), steps=5, report=lambda _: None, cancel=_set(cancel))


def _set(event):
    event.set()
    return event


def test_a_mask_bounds_what_the_generator_moves(photo):
    mask = np.zeros((48, 60), np.float32)
    mask[SIDE] = 1
    found = optimise(photo, Handles([(30, 24, 6, 0)]), mask, steps=20)
    assert not found.motion.whole
    moved = found.frame([1.0])
    assert np.abs(moved[:11].astype(int) - photo[:11]).max() <= 1
    assert (moved[24, 32:38] != photo[24, 32:38]).any()


def test_a_second_picture_is_come_nearer_to_and_never_left(photo):
    second = np.roll(photo, 2, 1)
    found = optimise(photo, SecondPicture(second), steps=20)
    assert "dB where it was not optimised for" in found.said
    centre = displacement(found)[:, 18:30, 24:36]
    assert abs(centre[0].mean() - 2) < 0.5 and abs(centre[1].mean()) < 0.3


def test_a_second_picture_of_another_size_is_refused(photo):
    with pytest.raises(InputError, match="to: expected a picture of 60x48 pixels, as the photo, got 44x48"):
        optimise(photo, SecondPicture(photo[:, :44]))


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (lambda: Handles([(30, 24, 0, 0)]), "handle: expected at least one that moves"),
        (lambda: Handles([]), "handle: expected at least one that moves"),
        (lambda: Handles([(90, 24, 1, 0)]), "handle: expected points within the 60x48 pixels, got 90,24"),
        (lambda: Handles([(30, 24, 1, 0)], [(1, -3)]), "handle: expected points within the 60x48 pixels, got 1,-3"),
        (lambda: LikeClip("nothing.mp4"), "nothing.mp4: no such file"),
    ],
)
def test_targets_that_do_not_fit_are_refused(photo, target, named):
    with pytest.raises(InputError, match=named):
        optimise(photo, target(), steps=1)


def test_like_a_clip_each_region_moves_as_far_and_that_way(photo, tmp_path):
    coefficients = np.zeros((3, 2, 12, 15), np.complex64)
    coefficients[1, 0, :, 8:] = 1.0  # the right half swings from side to side, by two pixels of the clip
    SpectralVolume(coefficients, 2.0).save(tmp_path / "clip.safetensors")
    found = optimise(photo, LikeClip(tmp_path / "clip.safetensors"), steps=30)
    assert found.motion.record == 2.0 and found.motion.courses
    (shape,) = found.motion.grids * 60
    amounts = np.array([found.motion.amounts(t, 2.0, False) for t in np.arange(16) / 8])
    swing = shape[:, :, :] * np.ptp(amounts) / 2
    assert np.abs(swing[0, :, 46:].mean()) == pytest.approx(2 * 4, rel=0.2)  # the photo is four times as wide
    assert np.abs(swing[0, :, :14]).mean() < 1.5 and np.abs(swing[1]).max() < 1


def test_modes_give_the_motion_back():
    t = np.arange(64) * 2 * np.pi / 64
    shapes = np.random.default_rng(1).normal(size=(2, 2, 4, 5))
    given = (
        np.cos(t)[:, None, None, None, None] * shapes[0] + 0.3 * np.sin(3 * t)[:, None, None, None, None] * shapes[1]
    )
    found, courses = modes(given.reshape(64, 2, 4, 5))
    again = [2 * (courses[:, k, None] * np.exp(1j * k * t)).real for k in range(1, courses.shape[1])]
    amounts = np.sum(again, axis=0)
    np.testing.assert_allclose(np.einsum("kt,kcyx->tcyx", amounts, found), given.reshape(64, 2, 4, 5), atol=1e-5)


def test_the_common_motion_is_what_half_of_the_points_share():
    places = torch.tensor([[0.0, 0], [60, 5], [8, 40], [55, 44], [30, 20], [12, 12], [40, 9], [20, 33]])
    wanted = 0.05 * places.flip(1) * torch.tensor([-1.0, 1.0]) + torch.tensor([3.0, -1.0])  # turned and shifted
    wanted[[4, 6]] = torch.tensor([[9.0, 9.0], [-8.0, 0.0]])  # things of their own
    flow = common_motion(places, wanted, (48, 64))
    torch.testing.assert_close(flow[0, :, 44, 55], wanted[3], atol=1e-3, rtol=0)
    assert not common_motion(places[:4], wanted[:4], (48, 64)).any()  # too few to tell


def test_flows_are_smoothed_up_to_edges():
    guide = torch.zeros(1, 3, 24, 32)
    guide[..., 16:] = 1
    flow = torch.zeros(1, 2, 24, 32)
    flow[:, 0, :, 16:] = torch.rand(24, 16, generator=torch.Generator().manual_seed(0)) + 1
    smooth = AlongEdges(guide, torch.zeros(0, 2))(flow)
    assert float(smooth[:, 0, :, :12].abs().max()) < 0.15
    right = smooth[0, 0, :, 20:]
    assert float(right.mean()) == pytest.approx(1.5, abs=0.15) and float(right.std()) < 0.1


def test_the_barrier_is_for_folds_alone():
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    alike = torch.ones(1, 1, 16, 15), torch.ones(1, 1, 15, 16)
    squeezed, turned_over = (torch.stack([share * (8 - x), 0 * y])[None] for share in (0.8, 1.5))
    assert float(folding(squeezed, alike)) == 0
    assert float(folding(turned_over, alike)) > 1
    assert float(folding(turned_over, tuple(0 * one for one in alike))) == 0  # at an edge one thing may hide another


def test_the_flow_points_everywhere_and_begins_at_the_guess():
    network = FlowNetwork(12, 2)
    assert not network(torch.rand(1, 12, 8, 10)).any()
    torch.nn.init.normal_(network.last.weight)
    flow = network(torch.randn(1, 12, 8, 10))
    assert flow.shape == (2, 2, 8, 10) and (flow < 0).any() and (flow > 0).any()


def test_features_of_vgg_are_taken_where_its_weights_are(photo, monkeypatch):
    from photoflow.models.vgg import VGG19Features

    plain = Canvas.of(photo, None).features
    monkeypatch.setattr(canvases, "locate", lambda name: "weights")
    monkeypatch.setattr(canvases, "VGG19Features", lambda found: VGG19Features())
    both = Canvas.of(photo, None).features
    assert both.shape == (1, plain.shape[1] + canvases.COMPONENTS, 24, 30)
    torch.testing.assert_close(both[:, : plain.shape[1]], plain)
    assert canvases.features_words() == canvases.WITH_VGG
