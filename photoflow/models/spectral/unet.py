"""The noise predictor of spectral volumes: a U-Net for one frequency, and attention that coordinates them all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models.spectral.vae import LATENTS, Upsample

_UNBOUND = 1e4  # no latent is so large; half precision still has it
_POOLED = (1, 2, 4)  # latents on a side, averaged; then all of them
_LEAST_ENERGY = 1e-4


@dataclass(frozen=True)
class UNetConfig:
    """The size of a noise predictor.

    Args:
        channels: at the latents' size, at half of it, ...
        blocks: residual blocks of each size, on the way down and up.
        attended: how many of the sizes, from the smallest, have attention over all their places.
        image: channels of the encoded picture, a multiple of the factor by which latents are smaller.
        heads: of all attention.
    """

    channels: tuple[int, ...]
    blocks: int
    attended: int
    image: int
    heads: int


# "paper": the paper takes latent diffusion's U-Net and names no width: three sizes as 1:2:4, two blocks each.
UNETS = {
    "small": UNetConfig(channels=(40, 64, 96), blocks=1, attended=2, image=64, heads=4),
    "paper": UNetConfig(channels=(192, 384, 768), blocks=2, attended=2, image=256, heads=8),
}


class SliceUNet(nn.Module):
    """The noise in the latents of one frequency, of a picture at a step of the diffusion.

    Args:
        config: its size.
        factor: by which latents are smaller than pictures, a power of 2.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 4.2: the latents of one frequency at a time,
        concatenated with the encoded picture, with embeddings of frequency and step. Deviation: it is also told how
        large the noisy latents are. Motions of one training set differ in size a hundredfold, which says how much of
        what is seen is noise, and every normalised layer takes it away.

    Attributes:
        latent_mean: of the latents that it is trained on, (4,): what it sees has mean 0 and variance 1.
        latent_spread: their standard deviation, (4,).
        latent_bound: the largest that they are in a training set, of mean 0 and variance 1, (4,).
        widths: channels after each unit, in the order in which they are passed: those of the layers between them.
    """

    latent_mean: Tensor
    latent_spread: Tensor
    latent_bound: Tensor

    def __init__(self, config: UNetConfig, factor: int) -> None:
        super().__init__()
        self.register_buffer("latent_mean", torch.zeros(LATENTS))
        self.register_buffer("latent_spread", torch.ones(LATENTS))
        self.register_buffer("latent_bound", torch.full((LATENTS,), _UNBOUND))
        first, embedded = config.channels[0], 4 * config.channels[0]
        self._sinusoids = first
        self.image = _image_encoder(config.image, factor)
        self.step = nn.Sequential(nn.Linear(first, embedded), nn.SiLU(), nn.Linear(embedded, embedded))
        self.frequency = nn.Sequential(nn.Linear(first, embedded), nn.SiLU(), nn.Linear(embedded, embedded))
        seen = first + LATENTS * (len(_POOLED) + 1)
        self.energy = nn.Sequential(nn.Linear(seen, embedded), nn.SiLU(), nn.Linear(embedded, embedded))
        nn.init.zeros_(self.energy[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.energy[2].bias)  # type: ignore[arg-type]
        self.enter = nn.Conv2d(LATENTS + config.image, first, 3, padding=1)
        self.down, self.up, self.smaller, self.larger = (nn.ModuleList() for _ in range(4))
        self.widths: list[int] = []
        levels, before = len(config.channels), first

        def units(level: int, incoming: int) -> nn.ModuleList:
            width, attended = config.channels[level], level >= levels - config.attended
            self.widths.extend([width] * config.blocks)
            ins = [incoming] + [width] * (config.blocks - 1)
            return nn.ModuleList(_Unit(one, width, embedded, config.heads if attended else 0) for one in ins)

        for level, width in enumerate(config.channels):
            if level:
                self.smaller.append(nn.Conv2d(before, before, 3, stride=2, padding=1))
            self.down.append(units(level, before))
            before = width
        self.middle = _Unit(before, before, embedded, config.heads)
        self.widths.append(before)
        for level in reversed(range(levels)):
            if level < levels - 1:
                self.larger.append(Upsample(before, before))
            self.up.append(units(level, before + config.channels[level]))
            before = config.channels[level]
        self.leave = nn.Sequential(_norm(before), nn.SiLU(), nn.Conv2d(before, LATENTS, 3, padding=1))
        nn.init.zeros_(self.leave[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.leave[2].bias)  # type: ignore[arg-type]

    def encoded(self, image: Tensor) -> Tensor:
        """Encode pictures as the features that the U-Net sees.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].

        Returns:
            (B, C, H / factor, W / factor), rounded up.
        """
        features: Tensor = self.image(2 * image - 1)
        return features

    def forward(
        self,
        latents: Tensor,
        step: Tensor,
        frequency: Tensor,
        features: Tensor,
        coordination: FrequencyCoordination | None = None,
        count: int = 1,
    ) -> Tensor:
        """Predict the noise.

        Args:
            latents: noisy, (N, 4, h, w).
            step: of the diffusion, from 0, (N,).
            frequency: its number, from 0, (N,).
            features: the encoded pictures (N, C, h, w); 0 for a sample without one.
            coordination: layers between this network's; None: each frequency for itself.
            count: how many samples in a row are the frequencies of one volume, for the coordination.

        Returns:
            (N, 4, h, w) float32.
        """
        steps = sinusoids(step, self._sinusoids)
        embedding = self.step(steps) + self.energy(torch.cat([energies(latents), steps], 1))
        embedding = embedding + self.frequency(sinusoids(frequency, self._sinusoids, longest=100.0))
        between: Iterator[nn.Module] = iter(coordination.layers) if coordination is not None else iter(())

        def passed(unit: nn.Module, x: Tensor) -> Tensor:
            x = unit(x, embedding)
            layer = next(between, None)
            return x if layer is None else layer(x, count)

        x = self.enter(torch.cat([latents, features], 1))
        skips = []
        for level, units in enumerate(self.down):
            x = self.smaller[level - 1](x) if level else x
            for unit in units:  # type: ignore[attr-defined]
                x = passed(unit, x)
            skips.append(x)
        x = passed(self.middle, x)
        for level, units in enumerate(self.up):
            skip = skips.pop()
            x = self.larger[level - 1](x, skip.shape[2:]) if level else x
            x = torch.cat([x, skip], 1)
            for unit in units:  # type: ignore[attr-defined]
                x = passed(unit, x)
        noise: Tensor = self.leave(x).float()
        return noise


def energies(latents: Tensor) -> Tensor:
    """Compute logarithms of the mean squares of latents, as they are and averaged more and more coarsely.

    The coarser the average, the less noise is in it.

    Args:
        latents: (N, 4, h, w).

    Returns:
        (N, 16) float32: of single places, of squares of 2 and of 4, and of the whole, the 4 channels of each.
    """
    latents = latents.float()
    levels = [F.avg_pool2d(latents, side, ceil_mode=True).square().mean((2, 3)) for side in _POOLED]
    return (torch.cat([*levels, latents.mean((2, 3)).square()], 1) + _LEAST_ENERGY).log()


class FrequencyCoordination(nn.Module):
    """Attention over the frequencies of a volume, a layer after each unit of a `SliceUNet`.

    Untrained it changes nothing. It is trained while the U-Net stays as it is.

    Args:
        widths: channels after each unit, `SliceUNet.widths`.
        heads: of the attention.

    Source: section 4.2, "Frequency-coordinated denoising".
    """

    def __init__(self, widths: list[int], heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FrequencyAttention(width, heads) for width in widths)


class FrequencyAttention(nn.Module):
    """Attention of each frequency's features to those of all others, at each place for itself; it adds to them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)

    def forward(self, x: Tensor, count: int) -> Tensor:
        """Coordinate the frequencies: add to each one's features from those of all others.

        Args:
            x: (B K, C, h, w), the K frequencies of a sample one after the other.
            count: K.
        """
        samples, width, height, columns = x.shape[0] // count, *x.shape[1:]
        rows = x.reshape(samples, count, width, height * columns).permute(0, 3, 1, 2).flatten(0, 1)  # (B h w, K, C)
        place = sinusoids(torch.arange(count, device=x.device), width, longest=100.0).to(x.dtype)
        added = self.attention(self.norm(rows) + place).reshape(samples, -1, count, width).permute(0, 2, 3, 1)
        changed: Tensor = x + added.reshape(x.shape)
        return changed


class _Attention(nn.Module):
    """Attention of rows (N, L, C) to each other; its last layer starts at 0."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, rows: Tensor) -> Tensor:
        number, length, width = rows.shape
        asked = self.into(rows).reshape(number, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = asked.unbind(0)
        found = F.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.out(found.transpose(1, 2).reshape(number, length, width))
        return joined


class _Unit(nn.Module):
    """A residual block, told of step and frequency, and attention over all places where there are heads for it."""

    def __init__(self, inputs: int, outputs: int, embedded: int, heads: int) -> None:
        super().__init__()
        self.before = nn.Sequential(_norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.told = nn.Sequential(nn.SiLU(), nn.Linear(embedded, outputs))
        self.after = nn.Sequential(_norm(outputs), nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.norm = _norm(outputs) if heads else None
        self.attention = _Attention(outputs, heads) if heads else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.skip(x) + self.after(self.before(x) + self.told(embedding)[:, :, None, None])
        if self.attention is None or self.norm is None:
            return x
        rows = self.norm(x).flatten(2).transpose(1, 2)
        changed: Tensor = x + self.attention(rows).transpose(1, 2).reshape(x.shape)
        return changed


def _norm(channels: int) -> nn.GroupNorm:
    """Make a group norm of groups of at least four channels, eight groups at most."""
    return nn.GroupNorm(max(1, min(8, channels // 4)), channels)


def sinusoids(numbers: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Compute cosines and sines of numbers, at wavelengths from 2 pi to 2 pi `longest`.

    Args:
        numbers: (N,).
        width: of the result, even.
        longest: of the wavelengths, over 2 pi.

    Returns:
        (N, width) float32.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """
    half = width // 2
    rates = torch.exp(-math.log(longest) * torch.arange(half, device=numbers.device) / half)
    angles = numbers.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


class _Residual(nn.Module):
    """Two normalised 3 by 3 convolutions, added to what they were given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = ((_norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2))
        self.inner = nn.Sequential(*(layer for three in layers for layer in three))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.inner(x)
        return changed


def _image_encoder(channels: int, factor: int) -> nn.Sequential:
    """Make convolutions that halve the picture, and double their channels, until it has the latents' size.

    They run once for all frequencies and, in a training, for all slices of a picture: looking at pictures costs less
    here than in the U-Net.
    """
    width = channels // factor
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.SiLU()]
    while factor > 1:
        layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), _Residual(2 * width)]
        width, factor = 2 * width, factor // 2
    return nn.Sequential(*layers, _Residual(width), _norm(width), nn.SiLU())
