"""The places of a picture that a step looks at, where it would be too much to look at all of them."""

from __future__ import annotations

import torch
from torch import Tensor


def drawn(weights: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """Draw numbers of places of each picture, (B, count), with replacement by their weights (B, h, w)."""
    flat = weights.flatten(1).cpu() + 1e-12  # one whose flow is unknown everywhere: all of it is as good
    return torch.multinomial(flat, count, replacement=True, generator=chance).to(weights.device)


def of_places(planes: Tensor, places: Tensor) -> Tensor:
    """Pick the places with these numbers (B, P) from planes (B, h, w, ...): (B, 1, P, ...)."""
    flat = planes.flatten(1, 2)
    rows = torch.arange(len(flat), device=flat.device)[:, None]
    return flat[rows, places][:, None]
