"""A thing that moves so far that coarse-to-fine flow loses it."""

from __future__ import annotations

import numpy as np
import torch
from skimage import data
from torch import Tensor


def far() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A still photograph, in front of it a thing that moves 70 pixels and turns, where that is, and how it moves."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    one, two = photo[:, :, 100:260, 20:260].clone(), photo[:, :, 100:260, 20:260].clone()
    coarse = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    thing = torch.nn.functional.interpolate(coarse, size=(50, 50), mode="bicubic").clamp(0, 1)
    one[:, :, 30:80, 20:70], two[:, :, 80:130, 90:140] = thing, thing.rot90(1, (2, 3))
    there = torch.zeros(160, 240, dtype=torch.bool)
    there[30:80, 20:70] = True
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(240.0), indexing="ij")
    # A quarter turn to the left about the middle of the thing, which comes from (44.5, 54.5) to (114.5, 104.5).
    truth = torch.stack([114.5 + (y - 54.5) - x, 104.5 - (x - 44.5) - y])
    return one, two, there, truth
