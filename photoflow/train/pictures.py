"""Sheets that show what a network makes of a few samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photoflow.viz import flow_to_rgb, strip

SHOWN = 4
"""Samples on a sheet, a row each."""


def sheet(columns: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Lay out samples as rows.

    Args:
        columns: (B, 3, H, W) RGB in [0, 1], or (B, 2, H, W) flows in pixels, of which those of one sample have one
            scale of colour.

    Returns:
        uint8 (H', W', 3).
    """
    pictures = []
    for row in range(min(SHOWN, columns[0].shape[0])):
        sample = [column[row].detach().float().cpu().numpy() for column in columns]
        longest = max((float(np.hypot(*flow).max()) for flow in sample if len(flow) == 2), default=0.0)
        pictures += [_as_rgb(planes, longest) for planes in sample]
    return strip(pictures, columns=len(columns))


def error(drawn: Tensor, real: Tensor) -> Tensor:
    """Return the absolute difference of two images (B, 3, H, W), three times as bright."""
    return torch.clamp(3 * (drawn.float() - real).abs(), 0, 1)


def _as_rgb(planes: NDArray[np.float32], longest: float) -> NDArray[np.uint8]:
    if len(planes) == 2:
        return flow_to_rgb(planes, longest or 1.0)
    return np.ascontiguousarray((planes.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
