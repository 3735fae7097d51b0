"""Regions that flow: the photo at first, sharp at all times, and nothing in them that travels."""

import cv2
import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.render.flowing import BLOCK, FlowingLayer, dissolved, ranked_noise, without
from photoflow.render.layered import LayeredRenderer

TIMING = {"scale": 1.0, "seconds": 2.0, "loop": True, "device": "cpu"}
MOVES = [motion.Drift(direction=0, speed=0.05), motion.Drift(arrows=((40, 48, 48, 48),)), motion.Water(strength=2)]


def picture(height=48, width=64):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def cloudy(height=128, width=160):
    """A picture with detail of all sizes."""
    noise = np.random.default_rng(5).normal(size=(3, height, width)).astype(np.float32)
    waves = sum(cv2.GaussianBlur(plane, (0, 0), s) * s for plane, s in zip(noise, (1, 3, 9)))
    grey = np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def sharpness(rgb):
    return float(np.abs(cv2.Laplacian(np.ascontiguousarray(rgb, np.float32), cv2.CV_32F)).mean())


@pytest.mark.parametrize("move", MOVES, ids=repr)
def test_the_first_frame_is_the_photo_and_the_loop_closes(move):
    photo = cloudy()
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[30:] = 1
    drawn = LayeredRenderer(photo, [FlowingLayer(photo, mask, move, **TIMING)])
    np.testing.assert_array_equal(drawn.frame(0.0), photo)
    frames = [drawn.frame(t).astype(int) for t in (0.0, 0.02, 0.5, 1.98, 2.0)]
    assert np.abs(frames[4] - frames[0]).max() <= 1
    assert np.abs(frames[2] - frames[0])[60:].mean() > 2 * np.abs(frames[3] - frames[0])[60:].mean() > 0
    np.testing.assert_array_equal(frames[2][mask == 0], photo[mask == 0])


def test_flowing_region_moves_inside_and_nowhere_else():
    photo, mask = picture(96, 96), np.zeros((96, 96), np.float32)
    mask[20:76, 20:76] = 1
    move = motion.Drift(arrows=((40, 48, 44, 48),), period=2)
    drawn = LayeredRenderer(photo, [FlowingLayer(photo, mask, move, **TIMING)])
    np.testing.assert_array_equal(drawn.frame(0.0), photo)
    later = drawn.frame(0.5)
    np.testing.assert_array_equal(later[mask == 0], photo[mask == 0])
    assert np.abs(later[40:56, 40:56].astype(int) - photo[40:56, 40:56]).mean() > 10


def test_it_stays_nearly_as_sharp_as_one_pass_alone():
    photo = cloudy()
    layer = FlowingLayer(photo, np.ones(photo.shape[:2], np.float32), MOVES[0], **TIMING)
    ratios, blends = [], []
    for t in np.arange(0, 2, 0.1):
        passes = [(layer._read(flow), weight) for flow, weight in layer.field.sources(float(t))]
        alone = sum(weight * sharpness(shown[0]) for shown, weight in passes)
        blends.append(sharpness(sum(weight * shown for shown, weight in passes)[0]) / alone)
        ratios.append(sharpness(layer.render(float(t))[0][0]) / alone)
    assert min(blends) < 0.85  # what is not so
    assert min(ratios) > 0.93


def test_what_stands_in_a_region_does_not_travel_and_colours_nothing():
    """A red rock in grey water stays where it is, and no red is read into the water around it."""
    photo = cloudy()
    standing = np.zeros(photo.shape[:2], np.float32)
    standing[50:80, 60:100] = 1
    photo[standing > 0] = (250, 0, 0)
    drawn = LayeredRenderer(photo, [FlowingLayer(photo, np.ones_like(standing), MOVES[0], standing=standing, **TIMING)])
    for t in (0.3, 0.7, 1.6):
        frame = drawn.frame(t).astype(int)
        np.testing.assert_array_equal(frame[standing > 0], photo[standing > 0])
        assert np.abs(frame[standing == 0][:, 0] - frame[standing == 0][:, 2]).max() <= 8
        assert np.abs(frame[:30] - photo[:30]).mean() > 2


def test_a_region_of_which_nothing_would_be_left_stays_whole():
    alpha = np.ones((20, 20), np.float32)
    assert without(alpha, alpha) is alpha
    assert without(alpha, np.zeros_like(alpha)).min() == 1


def test_patches_are_evenly_early_and_late():
    noise = ranked_noise((396, 635), 80.0)
    assert noise.shape == (50, 80) and noise.min() >= -0.5 and noise.max() <= 0.5
    assert np.abs(np.histogram(noise, 4, (-0.5, 0.5))[0] / noise.size - 0.25).max() < 0.05
    assert np.abs(np.diff(noise)).max() < 0.25


def test_dissolving_ends_in_either_picture_and_keeps_equal_ones():
    first, second = (torch.from_numpy(cloudy()[:, :, 0] / np.float32(255))[None].repeat(3, 1, 1) for _ in range(2))
    second = second.roll(40, dims=2)
    ahead = torch.full((16, 20), 0.2)
    torch.testing.assert_close(dissolved(first, second, ahead), first)
    torch.testing.assert_close(dissolved(first, second, -ahead), second)
    torch.testing.assert_close(dissolved(first, first, 0 * ahead), first)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (BLOCK, 3), (17, BLOCK + 1)])
def test_regions_of_any_size_flow(size):
    photo = picture(*size)
    layer = FlowingLayer(photo, np.ones(size, np.float32), motion.Drift(direction=0, speed=1), **TIMING)
    assert layer.render(0.5)[0].shape == (4, *size) and layer.flow(0.5)[0].shape == (2, *size)
    ripples = FlowingLayer(photo, np.ones(size, np.float32), motion.Water(), **TIMING)
    assert ripples.render(0.5)[0].isfinite().all()


def test_what_flows_is_as_sharp_between_pixels_as_at_them():
    """So that its sharpness does not pulse: linear reading loses two fifths of it half way."""
    alpha = np.ones((48, 64), np.float32)
    flowing = motion.Drift(arrows=((20, 24, 40, 24),), period=100.0)
    layer = FlowingLayer(cv2.GaussianBlur(picture(), (0, 0), 0.8), alpha, flowing, **(TIMING | {"loop": False}))
    speed = float(layer.field.flow(0.1)[0, 24, 32]) / 0.1
    sharp = [layer.render(pixels / speed)[0][:3, 12:36, 16:48].diff(dim=2).std() for pixels in (4, 4.5, 5)]
    assert sharp[1] > 0.8 * min(sharp[0], sharp[2])
