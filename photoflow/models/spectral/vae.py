"""The autoencoder of spectral volumes: one frequency of a motion, a few latent channels at a smaller size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models._contract import check_planes, cropped, margins_to, padded

LATENTS = 4  # section 7 of the paper: "a continuous latent space of dimension 4"
PARTS = 4  # real and imaginary part of x, then of y
_CERTAIN = -8.0  # logarithm of the latents' variance before any training
LEAST_SCALE = 1e-3  # pixels: what moves less is noise, and would be blown up to the size of everything else


@dataclass(frozen=True)
class VAEConfig:
    """The size of a spectral autoencoder.

    Args:
        channels: at full size, at half of it, ...; latents have the size of the last.
        blocks: residual blocks of each size.
    """

    channels: tuple[int, ...]
    blocks: int

    @property
    def factor(self) -> int:
        """Return the factor by which latents are smaller than pictures."""
        return int(2 ** (len(self.channels) - 1))


# "paper": the autoencoder of latent diffusion with latents at an eighth, on which the paper builds.
VAES = {
    "small": VAEConfig(channels=(16, 32, 48), blocks=1),
    "paper": VAEConfig(channels=(128, 256, 512, 512), blocks=2),
}


class ResidualBlock(nn.Module):
    """Two 3 by 3 convolutions, added to what they were given; at first they add nothing."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first, last = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.inner = nn.Sequential(nn.SiLU(), first, nn.SiLU(), _silent(last))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.skip(x) + self.inner(x)
        return changed


class Upsample(nn.Module):
    """Twice the size, each pixel repeated, then a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        size = size or (2 * x.shape[2], 2 * x.shape[3])
        enlarged: Tensor = self.convolution(F.interpolate(x, size=size, mode="nearest"))
        return enlarged


class SpectralVAE(nn.Module):
    """One frequency of a spectral volume -> four latent channels, and back.

    It sees normalised parts. The scales s_f by which those are made, percentiles over a training set, are a buffer of
    it, and so is the size of that set's pictures: weights bring with them what pixels their numbers mean.

    Before any training the latents are the parts, averaged over the pixels of a place, and are decoded by
    interpolation: there are as many of them. What that lacks is learned.

    Args:
        config: its size.
        frequencies: how many scales there are, K.
        size: (height, width) of the pictures that it is meant for; a training that has others writes theirs.

    Attributes:
        scales: (K,) float32, pixels.
        size: (2,) int64.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, sections 4.2 and 7; the layout is that of the
        autoencoder of Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022.
        Deviations: no attention; no norms, which take away how large a motion is, and where little moves blow it up;
        the averages beside the layers; latents that are nearly certain from the start, as with so small a weight of
        their divergence they end up.
    """

    scales: Tensor
    size: Tensor

    def __init__(self, config: VAEConfig, frequencies: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.factor = config.factor
        self.encoder = _encoder(config)
        self.decoder = _decoder(config)
        self.register_buffer("scales", torch.ones(frequencies))
        self.register_buffer("size", torch.tensor(size))

    def normalised(self, volume: Tensor) -> Tensor:
        """Make parts in pixels alike in size at all frequencies: (B, K, 4, H, W) float32 -> the same.

            sign(s) sqrt(|s / s_f|)

        Source: section 4.2, "Frequency adaptive normalization", equation (4).
        """
        scaled = volume / self._scales()
        return scaled.sign() * scaled.abs().sqrt()

    def denormalised(self, parts: Tensor) -> Tensor:
        """Undo `normalised`, with a gradient everywhere: (B, K, 4, H, W) float32 -> the same, pixels."""
        return parts * parts.abs() * self._scales()

    def _scales(self) -> Tensor:
        return self.scales.clamp(min=LEAST_SCALE)[:, None, None, None]

    def encode(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distribution of the latents of some frequencies.

        Args:
            parts: (N, 4, H, W), normalised; sides that are no multiple of `factor` are made one by repeating borders.

        Returns:
            Means and logarithms of variances, (N, 4, H / factor, W / factor) float32, rounded up.

        Raises:
            ValueError, TypeError: the parts have the wrong shape or dtype.
        """
        check_planes("SpectralVAE", "parts", parts, PARTS)
        parts = padded(parts, margins_to(parts, self.factor))
        mean, spread = self.encoder(parts).float().chunk(2, 1)
        return mean + F.avg_pool2d(parts.float(), self.factor), (spread + _CERTAIN).clamp(-30, 20)

    def decode(self, latents: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode latents to normalised parts.

        Args:
            latents: (N, 4, h, w).
            size: (H, W) of the parts that were encoded, where the sides were no multiples of `factor`.

        Returns:
            Normalised parts (N, 4, H, W) float32.
        """
        smooth = F.interpolate(latents.float(), scale_factor=self.factor, mode="bilinear", align_corners=False)
        parts: Tensor = self.decoder(latents).float() + smooth
        if size is None or size == tuple(parts.shape[2:]):
            return parts
        return cropped(parts, margins_to(parts.new_empty(1, 1, *size), self.factor))

    def forward(self, parts: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode parts, draw latents and decode them.

        Args:
            parts: (N, 4, H, W), normalised.
            noise: (N, 4, h, w), standard normal.

        Returns:
            The parts that come back, and mean and logarithm of the variance of the latents.
        """
        mean, spread = self.encode(parts)
        size = (parts.shape[2], parts.shape[3])
        return self.decode(mean + (spread / 2).exp() * noise, size), mean, spread


def _encoder(config: VAEConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(PARTS, config.channels[0], 3, padding=1)]
    before = config.channels[0]
    for level, channels in enumerate(config.channels):
        if level:
            layers.append(nn.Conv2d(before, before, 3, stride=2, padding=1))
        for _ in range(config.blocks):
            layers.append(ResidualBlock(before, channels))
            before = channels
    return nn.Sequential(*layers, ResidualBlock(before, before), _silent(nn.Conv2d(before, 2 * LATENTS, 3, padding=1)))


def _decoder(config: VAEConfig) -> nn.Sequential:
    before = config.channels[-1]
    layers: list[nn.Module] = [nn.Conv2d(LATENTS, before, 3, padding=1), ResidualBlock(before, before)]
    for level, channels in enumerate(reversed(config.channels)):
        if level:
            layers.append(Upsample(before, before))
        for _ in range(config.blocks):
            layers.append(ResidualBlock(before, channels))
            before = channels
    return nn.Sequential(*layers, nn.SiLU(), _silent(nn.Conv2d(before, PARTS, 3, padding=1)))


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """Set a layer to zeros, so that its output is 0 before any training, and return it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
