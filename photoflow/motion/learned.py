"""Learned natural motion: a spectral volume that the learned prior samples for a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from photoflow.errors import InputError
from photoflow.motion.spectral import SpectralVolume

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST = 120.0  # seconds, 24 times the prior's own 5: any slower, the motion cannot be seen


def sample_volume(
    network: Any,
    image: Tensor,
    *,
    seconds: float = 5.0,
    seed: int = 0,
    loop: float | None = None,
    guidance: float = 0.0,
    steps: int = 250,
    coordinated: bool = True,
) -> SpectralVolume:
    """Sample a motion for a photo.

    The photo is reduced to the size of the training pictures, and the motion enlarged to the size of the photo.

    Args:
        network: `photoflow.models.spectral.prior.SpectralPrior` with its weights, on any device.
        image: (1, 3, H, W), RGB in [0, 1].
        seconds: length of the record, above 0 to 120, after which the motion repeats. The prior was trained on records
            of 5 seconds; with another length the motion is slower or faster.
        seed: 0 to 2^63 - 1; the same seed gives the same motion, another seed another motion.
        loop: seconds, less than `seconds`, after which every pixel should be back at its first place and velocity:
            motion self-guidance steers the sample there. This takes about twenty times as long, and a gap may remain,
            which `SpectralVolume.displacement` shows. None: no steering.
        guidance: weight w of classifier-free guidance by the photo, 0 to 100; 0: none. A larger weight gives larger
            motion; the paper's loops use 1.75.
        steps: diffusion steps, 1 to 1000; the paper uses 250, and 500 for loops.
        coordinated: whether the frequencies know of each other; False: each is drawn by itself, the paper's ablation.

    Returns:
        The volume over the photo's pixels.

    Raises:
        InputError: a value is out of its range, or the image is not one photo.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, sections 4.2 and 6.
    """
    import torch

    from photoflow.models.spectral.prior import Guidance, fitting, shrunk

    if image.dim() != 4 or image.shape[0] != 1:
        raise InputError(f"learned motion: expected an image (1, 3, H, W), got {tuple(image.shape)}")
    if not 0 < seconds <= _LONGEST:
        raise InputError(f"learned motion: expected above 0 to {_LONGEST:g} seconds, got {seconds}")
    if loop is not None and not 0 < loop < seconds:
        raise InputError(f"learned motion: expected a loop of less than the record's {seconds:g} seconds, got {loop}")
    if not 1 <= steps <= network.schedule.steps:
        raise InputError(f"learned motion: expected 1 to {network.schedule.steps} steps, got {steps}")
    if not 0 <= guidance <= 100:
        raise InputError(f"learned motion: expected a guidance from 0 to 100, got {guidance}")
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"learned motion: expected a seed that is a whole number from 0 to 2^63 - 1, got {seed!r}")
    size = (image.shape[2], image.shape[3])
    height, width = network.vae.size.tolist()
    seen = shrunk(image.to(network.vae.scales.device), fitting(size, height * width, network.config.vae.factor))
    steering = Guidance(picture=guidance, loop=None if loop is None else loop / seconds)
    chance = torch.Generator().manual_seed(seed)
    parts = network(seen, steps, steering, chance, coordinated)[0].double().cpu().numpy()
    drawn = SpectralVolume(np.asarray(parts[:, 0::2] + 1j * parts[:, 1::2], dtype=np.complex64), seconds)
    return drawn.resized(*size)
