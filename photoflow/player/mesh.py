"""Meshes over a part of the picture, whose nodes a player moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photoflow.arrays import Array
from photoflow.render.cutout import Box
from photoflow.render.region import spanned

COLUMNS, ROWS = 96, 72  # about the most nodes along a mesh's sides


@dataclass(frozen=True)
class Mesh:
    """A mesh whose nodes rest at every `step`th pixel from a box's first one, so that they cover all of the box.

    Args:
        box: (left, top, right, bottom), pixels of the picture, right and bottom exclusive.
        step: pixels from one node to the next.
    """

    box: Box
    step: int

    @classmethod
    def over(cls, box: Box, unit: int) -> Mesh:
        """Return a mesh over a box with a step that is `unit`, or the least multiple of it that is coarse enough."""
        across, down = box[2] - box[0] - 1, box[3] - box[1] - 1
        return cls(box, unit * max(1, -(-across // (unit * COLUMNS)), -(-down // (unit * ROWS))))

    @property
    def region(self) -> Box:
        """Return the box that ends with the last nodes."""
        return spanned(self.box, self.step)

    @property
    def size(self) -> tuple[int, int]:
        """Return the numbers of rows and of columns."""
        left, top, right, bottom = self.region
        return (bottom - top - 1) // self.step + 1, (right - left - 1) // self.step + 1

    def nodes(self) -> Array:
        """Return where the nodes rest, (x, y) in pixels of the picture: (rows, columns, 2) float64."""
        rows, columns = self.size
        x, y = np.meshgrid(np.arange(columns) * self.step + self.box[0], np.arange(rows) * self.step + self.box[1])
        return np.stack([x, y], axis=-1).astype(np.float64)
