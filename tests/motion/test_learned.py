"""Motion that the prior draws for a photo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from priors import swaying, tiny

from photoflow.data.spectral_volumes import WindVolumes
from photoflow.errors import InputError
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import SpectralPrior
from photoflow.motion.learned import sample_volume


@pytest.fixture
def network() -> SpectralPrior:
    with tiny():
        made = SpectralPrior("small").eval()
    for parameter in made.parameters():
        if parameter.dim() > 1 and parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.1)
    return made


def test_a_volume_is_as_large_as_the_photo_and_repeats_by_its_seed(network: SpectralPrior) -> None:
    image = swaying(1, (40, 60))["image"]
    first, again, other = (sample_volume(network, image, seconds=4.0, seed=seed, steps=3) for seed in (1, 1, 2))
    assert first.size == (40, 60) and first.count == 4 and first.seconds == 4
    np.testing.assert_array_equal(first.coefficients, again.coefficients)
    assert np.abs(first.coefficients - other.coefficients).max() > 1e-3
    assert np.abs(first.coefficients[0].imag).max() == 0


def test_displacements_grow_with_the_photo(network: SpectralPrior) -> None:
    image = swaying(1)["image"]
    larger = torch.nn.functional.interpolate(image, scale_factor=3, mode="nearest")
    small, large = (sample_volume(network, one, steps=2).power.sum() for one in (image, larger))
    assert large == pytest.approx(9 * small, rel=0.4)


def test_a_loop_is_steered_to_its_seconds(network: SpectralPrior) -> None:
    image = swaying(1)["image"]
    free = sample_volume(network, image, steps=4)
    steered = sample_volume(network, image, steps=4, loop=3.0, guidance=1.75)
    assert np.abs(free.coefficients - steered.coefficients).max() > 1e-3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seconds": 0.0}, "expected above 0 to 120 seconds, got 0.0"),
        ({"loop": 5.0}, "expected a loop of less than the record's 5 seconds, got 5.0"),
        ({"steps": 0}, "expected 1 to 1000 steps, got 0"),
        ({"steps": 2000}, "expected 1 to 1000 steps, got 2000"),
        ({"guidance": -1.0}, "expected a guidance from 0 to 100, got -1.0"),
        ({"seed": -1}, "expected a seed that is a whole number"),
        ({"image": torch.rand(2, 3, 16, 24)}, r"expected an image \(1, 3, H, W\), got \(2, 3, 16, 24\)"),
    ],
)
def test_what_is_wrong_is_said(network: SpectralPrior, given: dict, message: str) -> None:
    arguments = {"image": torch.rand(1, 3, 16, 24), "steps": 1} | given
    with pytest.raises(InputError, match=message):
        sample_volume(network, **arguments)


def test_the_weights_that_ship_move_what_the_wind_moves() -> None:
    network = load_network("spectral", None)
    batch = WindVolumes(None, (48, 64), seed=5).batch(0, 4)
    with torch.no_grad():
        drawn = network(batch["image"], 12, chance=torch.Generator().manual_seed(0))
    power, true = (volume[:, 1:].square().sum((1, 2)).flatten(1) for volume in (drawn, batch["volume"]))
    moves = true > true.median(1, keepdim=True).values
    assert ((power * moves).sum(1) / power.sum(1)).mean() > 0.8  # half of it by chance
