"""Motions within a region that stays in place."""

import numpy as np
import pytest
import torch

from photoflow import Animator, motion, ops
from photoflow.motion import Scene
from photoflow.motion.within import WithinField


def region(height=80, width=120):
    mask = np.zeros((height, width), np.float32)
    mask[:, 10:-10] = 1
    return mask


def within(what, loop=True):
    return WithinField.of(what, Scene(region(), (5, 3), 1.0, 4.0, loop, picture=(200, 150)))


def test_each_pixel_shows_what_moved_there():
    field = within(motion.Spectral("foliage", wind=1.0, strength=3.0))
    flow, ((source, weight),) = field.flow(1.3), field.sources(1.3)
    assert weight == 1.0 and flow.abs().max() > 1.5
    there = ops.backward_warp(flow[None], source[None], padding="border")[0]
    assert (source + there).abs().max() < 0.2  # it came from where it went to here, but for the grid


def test_it_fades_towards_the_edge_and_begins_at_rest():
    field = within(motion.Spectral("foliage", wind=1.0))
    flow = field.flow(1.3)
    assert not flow[:, :, :8].any() and flow[:, 40, 60].abs().sum() > 0.3
    assert field.sources(0.0)[0][0].abs().max() == 0
    assert field.sources(4.0)[0][0].abs().max() < 0.05  # the loop closes


def test_displacements_are_those_of_the_motion_in_pixels_of_the_region():
    flow = within(motion.Translate(dx=8, dy=0), loop=False).flow(4.0)
    assert flow[0, 40, 60] == pytest.approx(8, abs=0.01) and flow[1].abs().max() < 1e-4
    assert torch.equal(within(motion.Translate(dx=8, dy=0), loop=False).scaled(0.5).flow(4.0), 0.5 * flow)


def test_leaves_stir_and_nothing_around_them():
    random = np.random.default_rng(0)
    photo = random.integers(0, 255, (100, 160, 3), dtype=np.uint8)
    mask = np.zeros((100, 160), np.uint8)
    mask[30:, 40:] = 255
    layers = {"hedge": {"mask": mask, "kind": "plant", "region": True}}
    wind = {"hedge": motion.Spectral("foliage")}
    clip = Animator(device="cpu", offline=True).animate(photo, wind, layers=layers, seconds=2, fps=4)
    np.testing.assert_array_equal(clip[0], photo)
    changed = np.abs(clip[3].astype(int) - photo).max(axis=2)
    assert changed[45:, 60:].mean() > 5 and changed[:25].max() == changed[:, :35].max() == 0
