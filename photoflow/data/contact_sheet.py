"""Samples at a glance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from photoflow.data.source import Batch
from photoflow.viz import flow_to_rgb, strip

COLUMNS = ("image1", "middle", "image2", "flow", "flow_back", "visible", "visible_back", "mask")


def contact_sheet(batch: Batch) -> NDArray[np.uint8]:
    """Lay out a batch, a sample a row: of `COLUMNS` those that it has.

    The flows of a row are coloured to one scale, its longest vector.

    Args:
        batch: see `photoflow.data.Batch`.

    Returns:
        uint8 (H, W, 3), at most 1600 pixels wide.
    """
    names = [name for name in COLUMNS if name in batch]
    cells = []
    for index in range(len(batch["image1"])):
        sample = {name: batch[name][index].detach().cpu() for name in names}
        flows = [sample[name].norm(dim=0).max() for name in ("flow", "flow_back") if name in sample]
        longest = max([float(flow) for flow in flows], default=0.0)
        cells += [_cell(value, longest) for value in sample.values()]
    return strip(cells, columns=len(names))


def _cell(value: Tensor, longest: float) -> NDArray[np.uint8]:
    if len(value) == 2:
        return flow_to_rgb(value.float().numpy(), longest or None)
    shades = value.float().clamp(0, 1).mul(255).round().byte().expand(3, -1, -1)
    return np.ascontiguousarray(shades.permute(1, 2, 0).numpy())
