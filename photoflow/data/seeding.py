"""Random numbers that depend on a key alone."""

from __future__ import annotations

import numpy as np
import torch

from photoflow.errors import InputError


def check_seed(seed: int) -> int:
    """Return the seed.

    Raises:
        InputError: it is no whole number of at least 0.
    """
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: expected a whole number of at least 0, got {seed!r}")
    return seed


def generator_of(*key: int) -> torch.Generator:
    """Return a generator on the CPU for a key of whole numbers of at least 0; near keys give unrelated numbers.

    All that is random in a sample is drawn on the CPU, as few numbers: a seed then means the same samples on every
    device, but for rounding.
    """
    state = np.random.SeedSequence([len(key), *key]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def check_size(size: tuple[int, int], least: int = 16) -> tuple[int, int]:
    """Return (height, width).

    Raises:
        InputError: a side is no whole number of at least `least`.
    """
    height, width = size
    if not all(isinstance(side, int) and side >= least for side in (height, width)):
        raise InputError(f"size: expected a height and a width of at least {least} pixels, got {size}")
    return height, width
