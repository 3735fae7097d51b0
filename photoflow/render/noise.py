"""Warped noise: Gaussian noise that moves with the picture, for video diffusion models."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.render.parts import Part, grid_of


class WarpedNoise:
    """White noise on the latent grid of a video diffusion model, carried along by the motion.

    Every pixel p of the photo, of each part of the picture, holds its own normal number z_p. In a frame a cell of
    CELL x CELL pixels sums up those that arrive in it and are seen, n of them:

        noise[cell] = sum_p z_p / sqrt(n)

    A number is in one cell at most, and which one depends on the motion alone. So each frame is, given the motion,
    exactly independent N(0, 1), however far things go: where the picture is pressed together more numbers are summed
    up, where it is stretched fewer. Where nothing arrives there is a number of the cell's own. Frames are made from
    the photo's numbers, not from the frame before, so nothing drifts, and where a clip closes so does its noise.

    Args:
        parts: of the picture, see `photoflow.render.parts.parts_of`.
        size: (H, W) of the picture.
        cell: side of a cell, pixels; the last row and column may be cut off by the border.
        channels: of the latents.
        seed: another seed is another noise.

    Source: Burgert et al., "Go-with-the-Flow: Motion-Controllable Video Diffusion Models Using Real-Time Warped Noise",
    CVPR 2025 (arXiv 2501.08331), section 3; Chang et al., "How I Warped Your Noise: a Temporally-Correlated Noise Prior
    for Diffusion Models", ICLR 2024, for noise as an integral over the pixels that arrive. Deviation: those warp each
    frame's noise to the next along a measured flow; here the planned motion leads from the photo to every frame, each
    part of the picture has noise of its own, and what is hidden comes back with its own.
    """

    def __init__(
        self, parts: list[Part], size: tuple[int, int], *, cell: int = 8, channels: int = 16, seed: int = 0
    ) -> None:
        self.parts, self._cell = parts, cell
        self.rows, self.columns = -(-size[0] // cell), -(-size[1] // cell)
        draw = torch.Generator().manual_seed(seed)
        self._numbers = [torch.randn(channels, *part.displacement(0.0).shape[1:], generator=draw) for part in parts]
        self._own = torch.randn(channels, self.rows, self.columns, generator=draw)

    def frame(self, t: float, owner: Tensor) -> Array:
        """Return the noise of a frame.

        Args:
            t: seconds.
            owner: int64 (H, W), which part is seen where, see `photoflow.render.parts.owners`.

        Returns:
            float32 (channels, ceil(H / cell), ceil(W / cell)), independent N(0, 1).
        """
        total, count = torch.zeros_like(self._own), torch.zeros(self.rows, self.columns)
        for place, (part, numbers) in enumerate(zip(self.parts, self._numbers)):
            cells = self._cells(part, t, owner == place)
            arrived, arrivals = _collected(numbers, cells, (self.rows, self.columns))
            total += arrived
            count += arrivals
        return torch.where(count > 0, total / count.clamp_min(1).sqrt(), self._own).numpy()

    def _cells(self, part: Part, t: float, seen: Tensor) -> Tensor:
        """Return the column and row of the cell in which each pixel of a part arrives, (2, h, w); NaN: in none."""
        moved = part.displacement(t)
        # At the middle between two pixels it is always the right one: floor(x + 1/2), not to the even number.
        place = (torch.from_numpy(grid_of(part.corner, moved.shape[1:])) + moved + 0.5).floor()
        x, y = place.nan_to_num(-1.0)
        inside = (x >= 0) & (y >= 0) & (x < seen.shape[1]) & (y < seen.shape[0])
        column, row = x.where(inside, 0).long(), y.where(inside, 0).long()
        inside &= seen[row, column]
        cells = torch.stack([column, row]).div(self._cell, rounding_mode="floor").float()
        return cells.masked_fill(~inside, torch.nan)


def _collected(numbers: Tensor, cells: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Sum up numbers (C, h, w) in their cells: (C, rows, columns), and how many arrived, (rows, columns)."""
    height, width = numbers.shape[1:]
    canvas = max(height, size[0]), max(width, size[1])
    image, flow = numbers.new_zeros(1, len(numbers), *canvas), numbers.new_full((1, 2, *canvas), torch.nan)
    image[0, :, :height, :width] = numbers
    flow[0, :, :height, :width] = cells - torch.from_numpy(grid_of((0, 0), (height, width)))
    total, count = ops.forward_splat(image, flow)
    return total[0, :, : size[0], : size[1]], count[0, 0, : size[0], : size[1]]
