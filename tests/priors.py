"""A prior so small that a test can train it, and volumes for it to learn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor

from photoflow.models.spectral import prior as spectral_prior
from photoflow.models.spectral.prior import PriorConfig
from photoflow.models.spectral.unet import UNetConfig
from photoflow.models.spectral.vae import VAEConfig

TINY = PriorConfig(
    (16, 24), 4, VAEConfig(channels=(8, 16), blocks=1), UNetConfig((16, 24), blocks=1, attended=1, image=4, heads=2)
)


@contextmanager
def tiny() -> Iterator[None]:
    """`VERSIONS["small"]` is the smallest prior, for networks that are made within."""
    with mock.patch.dict(spectral_prior.VERSIONS, small=TINY):
        yield


def swaying(count: int, size: tuple[int, int] = (16, 24), frequencies: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Pictures with a bright stripe, and volumes in which it sways: image (B, 3, H, W), volume (B, K, 4, H, W)."""
    height, width = size
    chance = torch.Generator().manual_seed(seed)
    columns = torch.arange(width)
    images, volumes = [], []
    for _ in range(count):
        middle = width * (0.25 + 0.5 * torch.rand((), generator=chance))
        stripe = torch.exp(-(((columns - middle) / 3) ** 2)) * torch.linspace(1, 0, height)[:, None]
        phase = 2 * math.pi * torch.rand((frequencies, 1, 1), generator=chance)
        fall = torch.exp(-torch.arange(frequencies) / 2.0)[:, None, None] * (0.5 + torch.rand((), generator=chance))
        x = 2 * fall * stripe
        real, imaginary = x * phase.cos(), x * phase.sin()
        imaginary[0] = 0
        volumes.append(torch.stack([real, imaginary, 0.2 * real, 0.2 * imaginary], 1))
        images.append(stripe.expand(3, -1, -1))
    return {"image": torch.stack(images), "volume": torch.stack(volumes)}
