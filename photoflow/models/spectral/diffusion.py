"""Denoising diffusion: the schedule of the noise, and sampling in few steps, steered or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 1000
_AT_LAST = 10  # times as many corrections

Predict = Callable[[Tensor, int], Tensor]
"""Noisy samples (N, ...) and their step -> the noise that is in them."""


class NoiseSchedule:
    """The shares of sample and noise at each step.

        z_n = sqrt(a_n) z + sqrt(1 - a_n) e,  a_n = prod (1 - b_i),  b from `first` to `last`, evenly in sqrt(b)

    Args:
        steps: how many there are, N.
        first: b of the first step.
        last: of the last.

    Source: Ho et al., "Denoising Diffusion Probabilistic Models", NeurIPS 2020, equation (4); the numbers are those
        with which latent diffusion is trained (Rombach et al., CVPR 2022), on which the paper builds.
    """

    def __init__(self, steps: int = STEPS, first: float = 0.0015, last: float = 0.0195) -> None:
        rates = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64).square()
        self.steps = steps
        self.kept = torch.cumprod(1 - rates, 0)  # a_n, (N,) float64, on the CPU

    def share(self, step: int) -> float:
        """Return a_n, the share of a sample's variance that is left; 1 before the first step."""
        return float(self.kept[step]) if step >= 0 else 1.0

    def noised(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """Add noise to clean samples: z_n.

        Args:
            clean: (B, ...).
            noise: of the same shape, standard normal.
            step: n of each sample, from 0, (B,) on the CPU.
        """
        kept = self.kept[step].to(clean.device, clean.dtype).reshape(-1, *[1] * (clean.dim() - 1))
        noisy: Tensor = kept.sqrt() * clean + (1 - kept).sqrt() * noise
        return noisy

    def clean(self, noisy: Tensor, noise: Tensor, step: int) -> Tensor:
        """Remove `noise` from a noisy sample: the inverse of `noised`."""
        kept = self.share(step)
        return (noisy - math.sqrt(1 - kept) * noise) / math.sqrt(kept)

    def spaced(self, count: int) -> list[int]:
        """Pick `count` steps, evenly spaced, from the last to the first, which leaves hardly any noise.

        Raises:
            ValueError: there are not as many.
        """
        if not 1 <= count <= self.steps:
            raise ValueError(f"diffusion: expected 1 to {self.steps} steps, got {count}")
        if count == 1:
            return [self.steps - 1]
        return [round(index * (self.steps - 1) / (count - 1)) for index in reversed(range(count))]


@dataclass(frozen=True)
class SelfGuidance:
    """The steering of a sample while it is drawn.

    Args:
        loss: of each of the clean samples that are expected, (B, ...) -> (B,), to be made 0.
        weight: u, of the loss's gradient.
        recurrences: how often each step is taken, noised again in between.
        corrections: how often the expected sample itself is corrected in each step of the latter half, ten times as
            often in the last one: the network steers back what u alone steers.

    Source: Li et al., "Generative Image Dynamics", section 6, equation (5); recurrences and corrections: Bansal et al.,
        "Universal Guidance for Diffusion Models", CVPR 2023 workshops, algorithm 1, where the latter are called
        backward guidance. The length of each correction is Polyak's step, which needs no rate.
    """

    loss: Callable[[Tensor], Tensor]
    weight: float
    recurrences: int = 2
    corrections: int = 0


def classifier_free(conditioned: Tensor, free: Tensor, weight: float) -> Tensor:
    """Combine conditioned and free noise so that the condition counts more than once.

        (1 + w) e(z; c) - w e(z; none)

    Source: Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022, equation (6); the paper's equation (5).
    """
    return (1 + weight) * conditioned - weight * free


def sample(
    schedule: NoiseSchedule,
    predict: Predict,
    noise: Tensor,
    steps: int,
    guidance: SelfGuidance | None = None,
    chance: torch.Generator | None = None,
    bound: Tensor | None = None,
) -> Tensor:
    """Draw samples by DDIM, without noise on the way (eta 0).

    Args:
        schedule: that of the training.
        predict: the noise in noisy samples at a step.
        noise: standard normal, the beginning.
        steps: how many of the schedule's are taken.
        guidance: what steers them; None: nothing does.
        chance: the generator of the noise between recurrences, on the CPU.
        bound: how large clean samples can be, of a shape that broadcasts: at every step larger values are cut. Where
            there is hardly anything but noise, a small error of it is a large one of the sample. None: not cut.

    Returns:
        Clean samples, of the shape of `noise`.

    Raises:
        ValueError: more steps than the schedule has, or none.

    Source: Song et al., "Denoising Diffusion Implicit Models", ICLR 2021, equation (12); the bound is that of Ho et
        al., 2020, whose samples are pictures.
    """
    taken = schedule.spaced(steps)
    samples = noise
    for number, (step, following) in enumerate(zip(taken, [*taken[1:], -1])):
        kept, kept_after = schedule.share(step), schedule.share(following)
        recurrences = guidance.recurrences if guidance else 1
        for recurrence in range(recurrences):
            if guidance and guidance.weight:
                found = _steered(schedule, predict, samples, step, guidance, bound)
            else:
                found = predict(samples, step)
            clean = schedule.clean(samples, found, step)
            if bound is not None:
                clean = clean.clamp(-bound, bound)
            if guidance and number >= steps // 2:
                clean = _corrected(clean, guidance, 1 if following >= 0 else _AT_LAST)
            found = (samples - math.sqrt(kept) * clean) / math.sqrt(1 - kept)
            after = math.sqrt(kept_after) * clean + math.sqrt(1 - kept_after) * found
            if recurrence < recurrences - 1:
                fresh = torch.randn(samples.shape, generator=chance).to(samples)
                left = kept / kept_after
                samples = math.sqrt(left) * after + math.sqrt(1 - left) * fresh
        samples = after
    return samples


def _steered(
    schedule: NoiseSchedule, predict: Predict, samples: Tensor, step: int, guidance: SelfGuidance, bound: Tensor | None
) -> Tensor:
    """Predict the noise and add u sigma times the gradient of the loss, taken through the expected clean sample."""
    with torch.enable_grad():
        asked = samples.detach().requires_grad_(True)
        found = predict(asked, step)
        clean = schedule.clean(asked, found, step)
        loss = guidance.loss(clean if bound is None else clean.clamp(-bound, bound)).sum()
        (gradient,) = torch.autograd.grad(loss, asked)
    sigma = math.sqrt(1 - schedule.share(step))
    steered: Tensor = found.detach() + guidance.weight * sigma * gradient
    return steered


def _corrected(clean: Tensor, guidance: SelfGuidance, times: int) -> Tensor:
    """Correct clean samples in `times` rounds: each by the gradient g of its loss L, times L / |g|^2."""
    for _ in range(times * guidance.corrections):
        with torch.enable_grad():
            asked = clean.detach().requires_grad_(True)
            losses = guidance.loss(asked)
            (gradient,) = torch.autograd.grad(losses.sum(), asked)
        length = gradient.reshape(len(clean), -1).square().sum(1)
        rate = torch.where(length > 0, losses.detach() / length, 0).reshape(-1, *[1] * (clean.dim() - 1))
        clean = clean - rate * gradient
    return clean.detach()
