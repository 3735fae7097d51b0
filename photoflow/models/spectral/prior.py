"""The learned prior of natural motion: latent diffusion of a photo's possible spectral volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.models.spectral.diffusion import NoiseSchedule, SelfGuidance, classifier_free, sample
from photoflow.models.spectral.unet import UNETS, FrequencyCoordination, SliceUNet, UNetConfig
from photoflow.models.spectral.vae import LATENTS, PARTS, VAES, SpectralVAE, VAEConfig
from photoflow.weights import Loadable

RECORD = 5.0
"""Seconds of the records that the prior is of: the paper's 150 frames at 30 a second."""

FRAMES = 150  # of a record: the paper's T, by which velocities are measured


@dataclass(frozen=True)
class PriorConfig:
    """A prior.

    Args:
        size: (height, width) of the pictures that it is meant for.
        frequencies: K.
        vae: its autoencoder.
        unet: its noise predictor.
    """

    size: tuple[int, int]
    frequencies: int
    vae: VAEConfig
    unet: UNetConfig


VERSIONS = {
    "small": PriorConfig((64, 96), 16, VAES["small"], UNETS["small"]),
    "paper": PriorConfig((160, 256), 16, VAES["paper"], UNETS["paper"]),
}


@dataclass(frozen=True)
class Guidance:
    """The steering of samples.

    Args:
        picture: w, how much more than once the picture counts; 0: once, as in the training.
        loop: the share of the record after which every pixel is to be where it began, as fast as then; None: free.
        closing: u, how strongly. The paper does not say in what units its L_g is; here it is the mean over the pixels,
            in units of the sum of all frequencies' scales, so that u does not depend on sizes. In these units the
            paper's 200 makes samples move less rather than in a circle; what closes loops is the corrections.
        recurrences: how often each step of a loop is taken.
        corrections: see `photoflow.models.spectral.diffusion.SelfGuidance`; 0: the paper's.

    Source: Li et al., "Generative Image Dynamics", section 6 and 7: w = 1.75, u = 200, 2 recurrences.
    """

    picture: float = 0.0
    loop: float | None = None
    closing: float = 10.0
    recurrences: int = 2
    corrections: int = 3


class Calibration(nn.Module):
    """A factor for the amplitudes of each frequency, (K,), by its logarithm.

    What little training leaves of the noise makes samples of most frequencies smaller than the training set's, and of
    some larger.
    """

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.logarithms = nn.Parameter(torch.zeros(frequencies))

    def forward(self, volume: Tensor) -> Tensor:
        """Calibrate volumes (B, K, 4, H, W)."""
        return volume * self.logarithms.exp()[:, None, None, None]


class SpectralPrior(Loadable, nn.Module):
    """Draws spectral volumes for pictures.

    An autoencoder makes latents of each frequency; a U-Net removes noise from them, one frequency at a time; attention
    over the frequencies, trained after it, coordinates them; a factor for each frequency brings the amplitudes of what
    is drawn to those of the training set. All four, and the scales that the training set's amplitudes had, are in one
    file of weights.

    Args:
        version: in `VERSIONS`.
        weights: name in the registry or file; None leaves the network untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 4.2. Deviations: latents are brought to mean 0
        and variance 1 channel by channel, where latent diffusion has one factor for all; the factors for amplitudes;
        see also `noise_of`, after Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models",
        ICLR 2022, appendix D.
    """

    def __init__(self, version: str = "small", weights: str | Path | None = None) -> None:
        super().__init__()
        self.config = VERSIONS[version]
        self.schedule = NoiseSchedule()
        self.vae = SpectralVAE(self.config.vae, self.config.frequencies, self.config.size)
        self.unet = SliceUNet(self.config.unet, self.config.vae.factor)
        self.coordination = FrequencyCoordination(self.unet.widths, self.config.unet.heads)
        self.calibration = Calibration(self.config.frequencies)
        if weights is not None:
            self.load(weights)

    def encoded(self, parts: Tensor) -> Tensor:
        """Encode normalised parts of some frequencies (N, 4, H, W) as the diffusion's latents (N, 4, h, w)."""
        mean: Tensor = self.vae.encode(parts)[0]
        return (mean - _planes(self.unet.latent_mean)) / _planes(self.unet.latent_spread)

    def latents(self, volume: Tensor) -> Tensor:
        """Encode volumes as latents.

        Args:
            volume: (B, K, 4, H, W) float32, pixels: real and imaginary part of x, then of y.

        Returns:
            (B, K, 4, h, w) float32.
        """
        flat = self.encoded(self.vae.normalised(volume).flatten(0, 1))
        return flat.reshape(*volume.shape[:2], *flat.shape[1:])

    def volume(self, latents: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode latents, with a gradient: (B, K, 4, h, w) -> (B, K, 4, H, W) float32, pixels; inverts `latents`.

        The mean displacement is real: the imaginary part that is decoded of it is left out.
        """
        flat = latents.flatten(0, 1) * _planes(self.unet.latent_spread) + _planes(self.unet.latent_mean)
        parts = self.vae.decode(flat, size).unflatten(0, latents.shape[:2])
        real = torch.ones(latents.shape[1], PARTS, 1, 1, device=parts.device)
        real[0, 1::2] = 0
        return self.vae.denormalised(parts * real)

    def noise_of(self, latents: Tensor, step: Tensor, features: Tensor, numbers: Tensor | None = None) -> Tensor:
        """Estimate the noise in the latents of several frequencies.

            e = sqrt(1 - a_n) z + sqrt(a_n) network(z)

        The first term, the linear guess for latents of variance 1, is added to what the network finds: untrained, the
        prior draws a normal distribution, and where there is hardly anything but noise, the network's faults are not
        blown up.

        Args:
            latents: (B, K, 4, h, w), noisy.
            step: of the diffusion, (B,), whole numbers.
            features: of the pictures, `SliceUNet.encoded`, (B, C, h, w); 0 for a sample without one.
            numbers: of the frequencies, (B, K), each for itself; None: all frequencies, coordinated.

        Returns:
            (B, K, 4, h, w) float32.
        """
        samples, count = latents.shape[:2]
        every = torch.arange(count, device=latents.device).repeat(samples) if numbers is None else numbers.flatten()
        kept = self.schedule.kept.to(latents.device)[step].float()[:, None, None, None, None]
        found: Tensor = self.unet(
            latents.flatten(0, 1),
            step.repeat_interleave(count),
            every,
            features.repeat_interleave(count, 0),
            self.coordination if numbers is None else None,
            count,
        )
        noise: Tensor = (1 - kept).sqrt() * latents + kept.sqrt() * found.reshape(latents.shape)
        return noise

    @torch.no_grad()
    def forward(
        self,
        image: Tensor,
        steps: int = 250,
        guidance: Guidance | None = None,
        chance: torch.Generator | None = None,
        coordinated: bool = True,
    ) -> Tensor:
        """Draw a spectral volume for each picture.

        Args:
            image: (B, 3, H, W), RGB in [0, 1], about as large as the pictures of the training, `vae.size`.
            steps: of the diffusion, 1 to 1000.
            guidance: what steers the samples; None: the picture alone.
            chance: the generator of the noise, on the CPU.
            coordinated: whether the frequencies know of each other; False: each is drawn by itself, the paper's
                ablation.

        Returns:
            (B, K, 4, H, W) float32, pixels: real and imaginary part of x, then of y, of the displacement over a record
            of `RECORD` seconds.

        Raises:
            ValueError, TypeError: the images have the wrong shape or dtype, or a number of steps that there is not.
        """
        check_planes("SpectralPrior", "image", image, 3)
        guidance = guidance or Guidance()
        margins = margins_to(image, self.config.vae.factor)
        features = self.unet.encoded(padded(image.float(), margins))
        shape = (image.shape[0], self.config.frequencies, LATENTS, *features.shape[2:])
        noise = torch.randn(shape, generator=chance).to(image.device)
        numbers = None if coordinated else torch.arange(shape[1], device=image.device).expand(shape[:2])

        def predict(samples: Tensor, step: int) -> Tensor:
            steps_now = torch.full((samples.shape[0],), step, device=samples.device)
            seen = self.noise_of(samples, steps_now, features, numbers)
            if not guidance.picture:
                return seen
            free = self.noise_of(samples, steps_now, torch.zeros_like(features), numbers)
            return classifier_free(seen, free, guidance.picture)

        steering = None
        if guidance.loop is not None:
            unit = self.vae.scales.sum() * padded(image[:1, :1], margins).numel()
            share = guidance.loop
            steering = SelfGuidance(
                lambda clean: loop_loss(self.calibration(self.volume(clean)), share) / unit,
                guidance.closing,
                guidance.recurrences,
                guidance.corrections,
            )
        bound = _planes(self.unet.latent_bound)
        drawn = self.volume(sample(self.schedule, predict, noise, steps, steering, chance, bound))
        return cropped(self.calibration(drawn), margins)


def loop_loss(volume: Tensor, share: float) -> Tensor:
    """Measure how far from closed a loop is, L_g: the differences of displacement and velocity between its ends.

        L_g = |F_T - F_1|_1 + |v_T - v_1|_1,  v in pixels a frame of the paper's, the record having 150

    A record of a Fourier series repeats after its whole length, whatever its coefficients: there is nothing to close.
    A loop is therefore a part of the record, and its ends are its first moment and the one after `share` of it.

    Args:
        volume: (B, K, 4, H, W) float32, pixels: real and imaginary part of x, then of y.
        share: of the record, in (0, 1].

    Returns:
        (B,): the sum over all pixels and axes of each sample.

    Source: Li et al., "Generative Image Dynamics", section 6, equation (5): "position and velocity of every pixel at
        the first and the last frame as similar as possible".
    """
    moved = displacement(volume, share) - displacement(volume, 0.0)
    faster = velocity(volume, share) - velocity(volume, 0.0)
    return (moved.abs() + faster.abs()).sum((1, 2, 3))


def amplitudes(volume: Tensor) -> Tensor:
    """Measure the root mean square of each frequency over pixels and axes: (B, K, 4, H, W) -> (B, K)."""
    squares: Tensor = volume.unflatten(2, (2, 2)).square().sum(3).mean((2, 3, 4))
    return squares.sqrt()


def displacement(volume: Tensor, share: float) -> Tensor:
    """Return the displacement after `share` of the record: (B, K, 4, H, W) float32, pixels -> (B, 2, H, W)."""
    rates, twice = _series(volume)
    return _weighed(volume, twice * (rates * share).cos(), -twice * (rates * share).sin())


def velocity(volume: Tensor, share: float) -> Tensor:
    """Return the velocity after `share` of the record, in pixels a frame of the paper's: (B, 2, H, W)."""
    rates, twice = _series(volume)
    steps = twice * rates / FRAMES
    return _weighed(volume, -steps * (rates * share).sin(), -steps * (rates * share).cos())


def _series(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Return the radians a record of each frequency, and how often it counts in the sum: both (K,)."""
    rates = 2 * math.pi * torch.arange(volume.shape[1], device=volume.device, dtype=volume.dtype)
    return rates, 1 + (rates > 0).to(volume)


def _weighed(volume: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
    """Sum the weighed parts of all frequencies, (B, 2, H, W)."""
    return torch.einsum("bkaphw,kp->bahw", volume.unflatten(2, (2, 2)), torch.stack([real, imaginary], 1))


def fitting(size: tuple[int, int], area: int, multiple: int) -> tuple[int, int]:
    """Return the (height, width) of about `area` pixels nearest in shape to `size`, both multiples of `multiple`."""
    scale = (area / (size[0] * size[1])) ** 0.5
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return height, width


def shrunk(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize pictures (B, C, H, W) to another size, without aliasing."""
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)


def _planes(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]
