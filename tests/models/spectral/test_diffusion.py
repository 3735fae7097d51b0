"""The schedule, sampling of a known distribution, and guidance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from photoflow.models.spectral.diffusion import NoiseSchedule, SelfGuidance, classifier_free, sample

MEAN, SPREAD = 0.7, 0.4


def gaussian(schedule: NoiseSchedule):
    """The noise that is expected in noisy samples of a normal distribution, exactly."""

    def predict(samples: Tensor, step: int) -> Tensor:
        kept = schedule.share(step)
        variance = kept * SPREAD**2 + 1 - kept
        return (1 - kept) ** 0.5 * (samples - kept**0.5 * MEAN) / variance

    return predict


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_grows_from_almost_nothing_to_almost_all() -> None:
    schedule = NoiseSchedule()
    kept = schedule.kept
    assert len(kept) == 1000 and (kept.diff() < 0).all()
    assert kept[0] == pytest.approx(1 - 0.0015) and kept[-1] < 2e-4
    assert schedule.share(-1) == 1


def test_noised_and_clean_are_inverse() -> None:
    schedule = NoiseSchedule()
    clean, noise = torch.randn(5, 3, 2, generator=chance()), torch.randn(5, 3, 2, generator=chance(1))
    for step in (0, 300, 999):
        noisy = schedule.noised(clean, noise, torch.full((5,), step))
        assert noisy.var() == pytest.approx(1, abs=0.6)
        assert torch.allclose(schedule.clean(noisy, noise, step), clean, atol=1e-3)
    mixed = schedule.noised(clean, noise, torch.tensor([0, 1, 2, 500, 999]))
    assert (mixed[0] - clean[0]).abs().max() < 0.2 and (mixed[4] - noise[4]).abs().max() < 0.1


def test_steps_are_spaced_from_pure_noise_to_hardly_any() -> None:
    schedule = NoiseSchedule()
    assert schedule.spaced(4) == [999, 666, 333, 0] and schedule.spaced(1) == [999]
    assert schedule.spaced(1000) == list(reversed(range(1000)))
    for count in (0, 1001):
        with pytest.raises(ValueError, match="expected 1 to 1000 steps"):
            schedule.spaced(count)


@pytest.mark.parametrize(("steps", "narrower"), [(50, 0.13), (250, 0.03), (1000, 0.007)])
def test_ddim_draws_the_distribution_that_it_is_told(steps: int, narrower: float) -> None:
    # Few steps cut the way short: the spread comes out less, in proportion to their length.
    schedule = NoiseSchedule()
    drawn = sample(schedule, gaussian(schedule), torch.randn(20_000, generator=chance()), steps)
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.01)
    assert (1 - narrower) * SPREAD < float(drawn.std()) < 1.003 * SPREAD


def test_ddim_is_the_flow_that_it_approximates() -> None:
    # Without noise on the way a normal distribution's samples only move and shrink: each noise has its own sample.
    schedule = NoiseSchedule()
    noise = torch.linspace(-2, 2, 9)
    drawn = sample(schedule, gaussian(schedule), noise, 1000)
    assert torch.allclose(drawn, MEAN + SPREAD * noise, atol=0.02)


def test_classifier_free_guidance_is_the_papers() -> None:
    seen, free = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])
    assert torch.equal(classifier_free(seen, free, 0.0), seen)
    assert torch.allclose(classifier_free(seen, free, 1.75), torch.tensor([2.75 - 0.875, 5.5 - 5.25]))


def test_self_guidance_adds_u_sigma_times_the_gradient() -> None:
    schedule = NoiseSchedule()
    seen: list[Tensor] = []

    def nothing(samples: Tensor, step: int) -> Tensor:
        return torch.zeros_like(samples)

    def loss(clean: Tensor) -> Tensor:
        seen.append(clean.detach())
        return (clean * torch.tensor([1.0, -2.0])).sum(1)

    start = torch.tensor([[0.3, 0.4]])
    drawn = sample(schedule, nothing, start, 1, SelfGuidance(loss, weight=0.01, recurrences=1))
    kept = schedule.share(999)
    added = 0.01 * (1 - kept) ** 0.5 * torch.tensor([[1.0, -2.0]]) / kept**0.5  # through the clean sample
    assert len(seen) == 1 and torch.allclose(seen[0], start / kept**0.5)
    assert torch.allclose(drawn, (start - (1 - kept) ** 0.5 * added) / kept**0.5, rtol=1e-4)


def test_self_guidance_moves_samples_to_where_its_loss_is_less() -> None:
    schedule = NoiseSchedule()
    noise = torch.randn(2000, generator=chance())
    free = sample(schedule, gaussian(schedule), noise, 40)
    steering = SelfGuidance(torch.abs, weight=1.0, recurrences=2)
    steered = sample(schedule, gaussian(schedule), noise, 40, steering, chance())
    assert steered.abs().mean() < 0.8 * free.abs().mean()
    again = sample(schedule, gaussian(schedule), noise, 40, steering, chance())
    assert torch.equal(steered, again)


def test_corrections_bring_the_loss_to_zero_whatever_the_network_says() -> None:
    schedule, noise = NoiseSchedule(), torch.randn(500, 2, generator=chance())

    def loss(samples: Tensor) -> Tensor:
        return (samples - torch.tensor([3.0, -2.0])).abs().sum(1) * torch.arange(500)  # the first is at home anywhere

    free, alone = (sample(schedule, gaussian(schedule), noise, 20, SelfGuidance(loss, 0.0, 1, n)) for n in (0, 2))
    assert loss(free)[1:].min() > 0 and torch.allclose(alone[0], free[0], atol=1e-5)
    assert (alone[1:] - torch.tensor([3.0, -2.0])).abs().max() < 1e-3


def test_recurrences_alone_keep_the_distribution() -> None:
    schedule = NoiseSchedule()
    idle = SelfGuidance(lambda clean: 0 * clean, weight=1.0, recurrences=3)
    drawn = sample(schedule, gaussian(schedule), torch.randn(20_000, generator=chance()), 250, idle, chance(1))
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(drawn.std()) == pytest.approx(SPREAD, abs=0.03)


def test_samples_stay_within_their_bound() -> None:
    schedule, noise = NoiseSchedule(), torch.randn(2000, generator=chance())

    def wrong(samples: Tensor, step: int) -> Tensor:
        return 0.9 * gaussian(schedule)(samples, step)

    free, bound = sample(schedule, wrong, noise, 50), torch.tensor(1.9)
    held = sample(schedule, wrong, noise, 50, bound=bound)
    assert free.abs().max() > 2.5 and held.abs().max() <= 1.9
    never = sample(schedule, gaussian(schedule), noise, 50, bound=torch.tensor(1e4))
    assert torch.allclose(never, sample(schedule, gaussian(schedule), noise, 50), atol=1e-3)
    steering = SelfGuidance(torch.abs, weight=0.5, recurrences=1)
    assert sample(schedule, wrong, noise, 50, steering, chance(), bound).abs().max() <= 1.9
