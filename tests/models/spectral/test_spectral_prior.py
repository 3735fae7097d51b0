"""The prior's parts: autoencoder, noise predictor, coordination, and samples that are repeatable and steered."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from priors import TINY, swaying, tiny

from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import (
    FRAMES,
    VERSIONS,
    Guidance,
    SpectralPrior,
    amplitudes,
    displacement,
    fitting,
    loop_loss,
    velocity,
)
from photoflow.models.spectral.unet import FrequencyAttention, energies, sinusoids
from photoflow.motion.spectral import SpectralVolume, denormalised, normalised
from photoflow.train.checkpoint import write_weights
from photoflow.weights.registry import WeightsError


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prior(awake: bool = False) -> SpectralPrior:
    """A tiny prior; `awake`: its layers that start at 0 do not."""
    with tiny():
        network = SpectralPrior("small").eval()
    network.vae.scales.copy_(torch.tensor([2.0, 1.0, 0.5, 0.25]))
    if awake:
        for parameter in network.parameters():
            if parameter.abs().max() == 0 and parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    return network


def untouched(tensor: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return tensor


def noise_in(network: SpectralPrior, numbers: torch.Tensor | None = None) -> torch.Tensor:
    batch = swaying(2, seed=1)
    features = network.unet.encoded(batch["image"])
    latents = torch.randn(2, 4, 4, 8, 12, generator=chance())
    with torch.no_grad():
        return network.noise_of(latents, torch.tensor([3, 700]), features, numbers)


def test_parts_are_normalised_as_spectral_volumes_are() -> None:
    network, volume = prior(), torch.randn(1, 4, 4, 5, 6)
    parts = network.vae.normalised(volume)
    coefficients = (volume[0, :, 0::2] + 1j * volume[0, :, 1::2]).numpy()
    scales = network.vae.scales.numpy()
    np.testing.assert_allclose(parts[0].numpy(), normalised(coefficients, scales), atol=1e-6)
    back = network.vae.denormalised(parts)
    np.testing.assert_allclose(back.numpy(), volume.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        (back[0, :, 0::2] + 1j * back[0, :, 1::2]).numpy(), denormalised(parts[0].numpy(), scales), atol=1e-5
    )


def test_denormalising_has_a_gradient_at_rest_too() -> None:
    parts = torch.zeros(1, 4, 4, 2, 2, requires_grad=True)
    prior().vae.denormalised(parts).sum().backward()
    assert parts.grad is not None and torch.isfinite(parts.grad).all()


def test_latents_of_any_size_come_back_as_large() -> None:
    network = prior()
    for size in ((16, 24), (17, 23)):
        volume = swaying(2, size)["volume"]
        latents = network.latents(volume)
        assert latents.shape == (2, 4, 4, -(-size[0] // 2), -(-size[1] // 2))
        assert network.volume(latents, size).shape == volume.shape


def test_latents_are_standardised_on_the_way_in_and_out() -> None:
    network, volume = prior(), swaying(2)["volume"]
    plain, decoded = network.latents(volume), network.volume(network.latents(volume))
    network.unet.latent_mean.copy_(torch.tensor([1.0, -1.0, 0.5, 0.0]))
    network.unet.latent_spread.copy_(torch.tensor([2.0, 0.5, 1.0, 3.0]))
    standard = network.latents(volume)
    assert torch.allclose(standard[:, :, 0], (plain[:, :, 0] - 1) / 2, atol=1e-6)
    assert torch.allclose(network.volume(standard), decoded, atol=1e-4)


def test_the_mean_displacement_is_real() -> None:
    volume = prior(awake=True).volume(torch.randn(1, 4, 4, 8, 12))
    assert volume[:, 0, 1::2].abs().max() == 0 < volume[:, 0, 0::2].abs().max()
    assert volume[:, 1, 1::2].abs().max() > 0


def test_untrained_coordination_changes_nothing() -> None:
    network = prior(awake=True)
    for layer in network.coordination.layers:
        torch.nn.init.zeros_(layer.attention.out.weight)
    every = torch.arange(4).expand(2, 4)
    assert torch.equal(noise_in(network), noise_in(network, every))


def test_coordination_lets_frequencies_see_each_other_and_no_other_sample() -> None:
    layer = FrequencyAttention(8, 2)
    torch.nn.init.normal_(layer.attention.out.weight)
    x = torch.randn(6, 8, 3, 2)  # two samples of three frequencies
    other = x.clone()
    other[1, :, 2, 1] = torch.randn(8)
    changed = (layer(other, 3) - layer(x, 3)).abs().amax(1) > 1e-6
    wanted = torch.zeros(6, 3, 2, dtype=torch.bool)
    wanted[:3, 2, 1] = True  # all frequencies of that sample, at that place
    assert torch.equal(changed, wanted)


def test_each_frequency_alone_sees_neither_the_others_nor_another_number() -> None:
    network = prior(awake=True)
    batch = swaying(1)
    features = network.unet.encoded(batch["image"])
    latents, step = torch.randn(1, 2, 4, 8, 12), torch.tensor([400])
    with torch.no_grad():
        both = network.noise_of(latents, step, features, torch.tensor([[1, 3]]))
        alone = network.noise_of(latents[:, 1:], step, features, torch.tensor([[3]]))
        renamed = network.noise_of(latents[:, 1:], step, features, torch.tensor([[2]]))
        later = network.noise_of(latents[:, 1:], step + 300, features, torch.tensor([[3]]))
        unseen = network.noise_of(latents[:, 1:], step, 0 * features, torch.tensor([[3]]))
    assert torch.allclose(both[:, 1:], alone, atol=1e-5)
    for other in (renamed, later, unseen):
        assert (other - alone).abs().max() > 1e-3


def test_an_untrained_prior_guesses_as_for_a_normal_distribution() -> None:
    network, latents = prior(), torch.randn(2, 4, 4, 8, 12)
    with torch.no_grad():
        noise = network.noise_of(latents, torch.tensor([10, 900]), torch.zeros(2, 4, 8, 12))
    shares = torch.tensor([(1 - network.schedule.share(step)) ** 0.5 for step in (10, 900)])
    assert torch.allclose(noise, shares[:, None, None, None, None] * latents, atol=1e-6)


def test_sinusoids_tell_numbers_apart() -> None:
    rows = sinusoids(torch.arange(16), 24, longest=100.0)
    apart = torch.cdist(rows, rows) + 10 * torch.eye(16)
    assert rows.shape == (16, 24) and apart.min() > 0.3


def test_energies_are_of_less_and_less_noise() -> None:
    level = energies(torch.full((1, 4, 8, 12), 3.0))
    assert level.shape == (1, 16) and torch.allclose(level, torch.tensor(9.0).log(), atol=1e-3)
    noise = energies(torch.randn(64, 4, 8, 12, generator=torch.Generator().manual_seed(0))).exp().mean(0)
    expected = torch.tensor([1.0, 1 / 4, 1 / 16, 1 / 96]).repeat_interleave(4)
    assert torch.allclose(noise, expected, rtol=0.3)
    assert energies(torch.zeros(1, 4, 1, 1)).isfinite().all()


def test_the_noise_predictor_is_told_how_large_the_latents_are() -> None:
    with tiny():
        unet = SpectralPrior("small").unet
    chance = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(unet.leave[2].weight, generator=chance)
    latents, features = torch.randn(1, 4, 8, 8, generator=chance), torch.zeros(1, unet.enter.in_channels - 4, 8, 8)
    zero = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        untold = unet(latents, zero, zero, features)
        torch.nn.init.normal_(unet.energy[2].weight, generator=chance)
        told = unet(latents, zero, zero, features)
    assert (told - untold).abs().max() > 1e-3


def test_displacement_and_velocity_are_those_of_the_series() -> None:
    coefficients = np.random.default_rng(0).normal(size=(4, 2, 5, 2, 2)) @ np.array([1, 1j])
    coefficients[0] = coefficients[0].real
    series = SpectralVolume(coefficients, 5.0)
    parts = np.stack([coefficients.real, coefficients.imag], 2).reshape(4, 4, 5, 2)
    volume = torch.from_numpy(parts)[None].float()
    for share in (0.0, 0.3, 0.8):
        np.testing.assert_allclose(displacement(volume, share)[0], series.displacement(5 * share), atol=1e-4)
        ahead, behind = (series.displacement(5 * (share + step)) for step in (1e-3, -1e-3))
        np.testing.assert_allclose(velocity(volume, share)[0], (ahead - behind) / 2e-3 / FRAMES, atol=1e-3)
    ends = [displacement(volume, share) for share in (0.8, 0.0)]
    speeds = [velocity(volume, share) for share in (0.8, 0.0)]
    apart = (ends[0] - ends[1]).abs().sum() + (speeds[0] - speeds[1]).abs().sum()
    assert float(loop_loss(volume, 0.8)) == pytest.approx(float(apart), rel=1e-5)
    assert float(loop_loss(volume, 1.0)) < 1e-2 * float(apart)  # the record itself is closed


def test_samples_repeat_by_their_seed() -> None:
    network, image = prior(awake=True), swaying(1, (17, 23))["image"]
    first, again, other = (network(image, 4, chance=chance(seed)) for seed in (1, 1, 2))
    assert first.shape == (1, 4, 4, 17, 23)
    assert torch.equal(first, again) and (first - other).abs().max() > 1e-3


def test_guidance_counts_the_picture_more_than_once() -> None:
    network, image = prior(awake=True), swaying(1)["image"]
    plain, once, more = (network(image, 3, one, chance()) for one in (None, Guidance(), Guidance(picture=1.75)))
    assert torch.equal(plain, once) and (more - once).abs().max() > 1e-4


def test_self_guidance_closes_loops() -> None:
    network, image = prior(), swaying(1)["image"]
    # Latents are the parts themselves, and independent, so that any gap is as good as another before it is steered.
    network.vae.decode = lambda latents, size=None: torch.nn.functional.interpolate(latents, scale_factor=2)
    gaps, amounts = [], []
    ways = ((0.0, 0), (50.0, 0), (200.0, 0), (0.0, 3))
    for closing, corrections in ways:
        drawn = network(image, 20, Guidance(loop=0.8, closing=closing, corrections=corrections), chance())
        gaps.append(float(loop_loss(drawn, 0.8)))
        amounts.append(float(drawn.abs().mean()))
    assert gaps[1] < 0.8 * gaps[0] and gaps[2] < 0.4 * gaps[0]
    assert gaps[3] < 0.1 * gaps[0]
    assert min(amounts[2:]) > 0.5 * amounts[0]  # closed by moving otherwise, not by hardly moving


def test_steering_leaves_no_gradient_behind() -> None:
    network = prior(awake=True)
    steered = network(swaying(1)["image"], 2, Guidance(loop=0.8), chance())
    assert not steered.requires_grad and all(parameter.grad is None for parameter in network.parameters())


def test_weights_bring_scales_and_find_their_variant(tmp_path: Path) -> None:
    network = prior(awake=True)
    write_weights(tmp_path / "prior.safetensors", network, {})
    with tiny():
        loaded = load_network("spectral", tmp_path / "prior.safetensors")
    assert isinstance(loaded, SpectralPrior) and torch.equal(loaded.vae.scales, network.vae.scales)
    assert loaded.vae.size.tolist() == [16, 24]
    with mock.patch("photoflow.weights.loading.shipped", lambda kind: None), pytest.raises(WeightsError) as caught:
        load_network("spectral", None)
    assert "spectral: expected weights for it" in str(caught.value)


def test_presets() -> None:
    millions = {}
    with mock.patch.multiple(torch.nn.init, kaiming_uniform_=untouched, uniform_=untouched), torch.device("meta"):
        for version in VERSIONS:
            millions[version] = sum(parameter.numel() for parameter in SpectralPrior(version).parameters()) / 1e6
    assert 1 < millions["small"] < 2.5 and 100 < millions["paper"] < 250
    paper, small = VERSIONS["paper"], VERSIONS["small"]
    assert (paper.size, paper.vae.factor, paper.frequencies) == ((160, 256), 8, 16)
    assert (small.size, small.vae.factor, small.frequencies) == ((64, 96), 4, 16)


def test_the_small_preset_draws() -> None:
    drawn = SpectralPrior("small")(torch.rand(1, 3, 30, 45), 1)
    assert drawn.shape == (1, 16, 4, 30, 45) and torch.isfinite(drawn).all()


def test_a_picture_is_made_about_as_large_as_those_of_the_training() -> None:
    assert fitting((720, 1280), 64 * 96, 4) == (60, 104)
    assert fitting((64, 96), 64 * 96, 4) == (64, 96)
    assert fitting((4000, 10), 64 * 96, 4) == (1568, 4)
    assert TINY.vae.factor == 2


def test_each_frequency_of_what_is_drawn_has_its_factor() -> None:
    network, image = prior(awake=True), swaying(2)["image"]
    plain = network(image, 4, chance=chance())
    factors = torch.tensor([0.5, 2.0, 1.0, 3.0])
    network.calibration.logarithms.data = factors.log()
    calibrated = network(image, 4, chance=chance())
    torch.testing.assert_close(calibrated, plain * factors.view(4, 1, 1, 1))
    torch.testing.assert_close(amplitudes(calibrated), amplitudes(plain) * factors)


def test_amplitudes_are_those_of_the_motion() -> None:
    volume = torch.zeros(1, 3, 4, 6, 8)
    volume[0, 1, 0], volume[0, 1, 1, :, :4], volume[0, 2, 3] = 3.0, 4.0, 2.0
    expected = [0, ((9 * 4 + 25 * 4) / 8 / 2) ** 0.5, 2**0.5]
    assert amplitudes(volume)[0].tolist() == pytest.approx(expected)


def test_loops_close_by_what_is_drawn_in_the_end() -> None:
    network, image = prior(awake=True), swaying(1)["image"]
    network.calibration.logarithms.data = torch.tensor([0.0, -3.0, 3.0, -3.0])
    free, steered = (
        network(image, 10, Guidance(0.0, 0.7, closing, corrections=corrections), chance(3))
        for closing, corrections in ((0.0, 0), (10.0, 3))
    )
    assert loop_loss(steered, 0.7) < 0.03 * loop_loss(free, 0.7)
