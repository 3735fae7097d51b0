"""A part of a photograph that passes in front of the rest."""

from __future__ import annotations

import numpy as np
import torch
from skimage import data
from torch import Tensor

PART = (slice(50, 110), slice(70, 130))
"""Where it is at time 0."""


def passing(t: float, step: int = 8) -> Tensor:
    """At time t it has moved 2 t steps, pixels, to the right, and the rest t steps to the left: (1, 3, 160, 240)."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    shift = round(step * t)
    frame = photo[:, :, 150:310, 100 + shift : 340 + shift].clone()
    frame[:, :, 50:110, 70 + 2 * shift : 130 + 2 * shift] = photo[:, :, 300:360, 300:360]
    return frame
