"""Motions that begin at rest."""

import numpy as np
import pytest
import torch

from photoflow.motion import AffineField, Scene, Spectral
from photoflow.motion.field import affine
from photoflow.motion.resting import RestingField
from photoflow.motion.wind import PRESETS


def scene(loop=True):
    mask = np.zeros((60, 40), np.float32)
    mask[5:55, 10:30] = 1
    return Scene(mask, seconds=4.0, loop=loop)


def shifting(loop):
    """A shift by cos t, which is 1 at the beginning."""
    field = AffineField(scene(loop), lambda t: affine((0, 0), shift=(float(np.cos(np.pi * t)), 0.0)))
    return RestingField(field, 4.0, loop)


@pytest.mark.parametrize("loop", [True, False])
def test_it_begins_at_rest_and_is_the_motion_later(loop):
    field = shifting(loop)
    assert not field.flow(0.0).any() and field.flow(2.0)[0].mean() == pytest.approx(1.0)
    steps = np.diff([float(field.flow(t)[0].mean()) for t in np.linspace(0, 4, 161)])
    assert np.abs(steps).max() < 2.2 * np.pi / 40  # without a jump
    assert bool(field.flow(4.0).any()) is not loop


@pytest.mark.parametrize("kind", PRESETS)
def test_a_wind_begins_with_the_photo_and_closes(kind):
    field = Spectral(kind).field(scene())
    assert not field.flow(0.0).any() and field.flow(1.7).abs().max() > 0.1
    torch.testing.assert_close(field.flow(4.0), torch.zeros_like(field.flow(0.0)))


def test_scaling_scales_the_rest_too():
    field = shifting(True)
    torch.testing.assert_close(field.scaled(3.0).flow(0.2), 3 * field.flow(0.2))
