"""The geometry of moving layers: where each is at any time from 0 to 1, and the flow that follows from it.

A layer's picture is a canvas. It lies in the frame of time 0 by an affine map `start`. What moves it is a function of
the time s, in the coordinates of that frame: the point r goes to m_s(r), an affine map with m_0(r) = r, and on top of
it the layer is bent by a smooth small field e, written as the inverse map that rendering needs:

    the frame of time s shows at p what the frame of time 0 showed at r + s e(r), where r = m_s^-1(p).

So every frame is one lookup of the canvas, and the flow back from time 1 needs no more. The flow there needs r of
r + e(r) = p: the iteration r ← p - e(r), of which each step leaves at most `STEEPEST` of the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.ops import backward_warp

CELLS = 24  # of a bending field along a side
STEEPEST = 0.3  # change of a bending field a pixel, at most, in the norm of the larger coordinate
_STEPS = 7  # 0.3^7 of 20 pixels: 0.004


@dataclass(frozen=True)
class Layers:
    """L layers of one or several samples: of each sample the background, then its objects from back to front.

    Args:
        sample: (L,) long, the sample that each belongs to, from 0 on, ascending.
        start: (L, 3, 3), canvas → frame of time 0, pixels.
        chain: (L, K, 6): K similarities whose product is m_1, the last one applied first; each is (x and y of a fixed
            centre, shift in x and y, turn in radians, logarithm of the zoom). m_s is that of s times the last four.
        bend: (L, 2, CELLS + 1, CELLS + 1), the field e, pixels.
        corner: (L, 2), where in the frame the field's first node lies.
        pitch: (L,), pixels from node to node.
    """

    sample: Tensor
    start: Tensor
    chain: Tensor
    bend: Tensor
    corner: Tensor
    pitch: Tensor

    @staticmethod
    def joined(parts: list[Layers]) -> Layers:
        """Join the layers of several samples and number the samples on."""
        values = {field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Layers)}
        values["sample"] = torch.cat([part.sample + index for index, part in enumerate(parts)])
        return Layers(**values)

    def moved(self, time: Tensor) -> Tensor:
        """Return the maps m_s, (L, 3, 3), at a time s (L,)."""
        result = torch.eye(3, dtype=self.chain.dtype).expand(len(time), 3, 3)
        for link in range(self.chain.shape[1]):
            centre, change = self.chain[:, link, :2], self.chain[:, link, 2:] * time[:, None]
            result = result @ similarity(centre, change[:, :2], change[:, 2], change[:, 3])
        return result

    def bent(self) -> list[int]:
        """Return the numbers of the layers that are bent at all."""
        return self.bend.flatten(1).any(1).nonzero()[:, 0].tolist()


def similarity(centre: Tensor, shift: Tensor, turn: Tensor, zoom: Tensor) -> Tensor:
    """Return maps (N, 3, 3) that turn and zoom by exp(zoom) about a centre (N, 2) and shift it."""
    x, y = zoom.exp() * turn.cos(), zoom.exp() * turn.sin()
    linear = torch.stack([x, -y, y, x], 1).reshape(-1, 2, 2)
    return affine(linear, centre + shift - (linear @ centre[..., None])[..., 0])


def affine(linear: Tensor, offset: Tensor) -> Tensor:
    """Return maps (N, 3, 3) of a linear part (N, 2, 2) and an offset (N, 2)."""
    last = linear.new_tensor([0.0, 0.0, 1.0]).expand(len(linear), 1, 3)
    return torch.cat([torch.cat([linear, offset[..., None]], 2), last], 1)


def smooth_fields(nodes: Tensor, steepness: Tensor, pitch: Tensor) -> Tensor:
    """Make bending fields of random nodes.

    Args:
        nodes: (N, 2, k, k), any numbers.
        steepness: (N,), the largest change a pixel that is wanted, 0 to STEEPEST.
        pitch: (N,), pixels from node to node of the result.

    Returns:
        (N, 2, CELLS + 1, CELLS + 1), pixels; 0 along the border, so that beyond it nothing is bent.
    """
    field = F.interpolate(F.pad(nodes, (1, 1, 1, 1)), (CELLS + 1, CELLS + 1), mode="bicubic", align_corners=True)
    # Within a cell the change along x lies between those of its two edges, and so along y.
    dx = (field[..., 1:] - field[..., :-1]).abs()
    dy = (field[..., 1:, :] - field[..., :-1, :]).abs()
    steepest = torch.maximum(dx[..., 1:, :], dx[..., :-1, :]) + torch.maximum(dy[..., 1:], dy[..., :-1])
    scale = steepness * pitch / steepest.flatten(1).amax(1).clamp_min(1e-6)
    return field * scale[:, None, None, None]


def affine_flow(maps: Tensor, height: int, width: int) -> Tensor:
    """Return the flow (N, 2, height, width) for `backward_warp` to read at maps (N, 3, 3) of the pixels."""
    x = torch.arange(width, dtype=torch.float32, device=maps.device)
    y = torch.arange(height, dtype=torch.float32, device=maps.device)
    column = maps[:, :2, 1, None] * y + maps[:, :2, 2, None]
    row = maps[:, :2, 0, None] * x
    row[:, 0] -= x
    column[:, 1] -= y
    return row[:, :, None, :] + column[:, :, :, None]


class Truth:
    """The true flow and visibility of the frames of times 0 and 1, from the topmost layer at each pixel.

    Args:
        layers: on the CPU.
        first: (B, H, W) int32, on any device: the layer at each pixel of the frame of time 0.
        last: the same of time 1.
    """

    def __init__(self, layers: Layers, first: Tensor, last: Tensor) -> None:
        self._first, self._last, device = first, last, first.device
        everywhere = layers.moved(torch.ones(len(layers.start), dtype=layers.chain.dtype))
        self._there = everywhere[:, :2].flatten(1).T.contiguous().to(device, torch.float32)
        self._back = torch.linalg.inv(everywhere)[:, :2].flatten(1).T.contiguous().to(device, torch.float32)
        place = torch.cat([layers.corner, layers.pitch[:, None]], 1)
        self._place = place.T.contiguous().to(device, torch.float32)
        self._fields = layers.bend.transpose(0, 1).flatten(1, 2)[None].to(device, torch.float32)
        self._is_bent = layers.bend.flatten(1).any(1).to(device)
        y, x = torch.meshgrid(*(torch.arange(side, device=device) for side in first.shape[1:]), indexing="ij")
        self._pixels = torch.stack([x, y]).float()[:, None]  # (2, 1, H, W)

    def flow(self) -> Tensor:
        """Return the flow (B, 2, H, W) from the frame of time 0 to that of time 1, pixels."""
        points = self._pixels.repeat(1, len(self._first), 1, 1)
        pixels, layers = self._bent_pixels(self._first)
        ends = points.flatten(1)[:, pixels]
        starts = ends
        for _ in range(_STEPS if len(pixels) else 0):
            starts = ends - self._bending(starts, layers)
        points.view(2, -1)[:, pixels] = starts
        return self._flow_to(_applied(_of(self._there, self._first), points))

    def flow_back(self) -> Tensor:
        """Return the flow (B, 2, H, W) from the frame of time 1 to that of time 0, pixels."""
        points = _applied(_of(self._back, self._last), self._pixels)
        pixels, layers = self._bent_pixels(self._last)
        if len(pixels):
            points.view(2, -1)[:, pixels] += self._bending(points.flatten(1)[:, pixels], layers)
        return self._flow_to(points)

    def seen(self, flow: Tensor, flow_back: Tensor) -> tuple[Tensor, Tensor]:
        """Mark the pixels of each frame that are seen in the other, (B, 1, H, W): 1 or 0.

        A pixel is not seen where it moves out of the frame, or to a place that belongs by half or more to layers in
        front of its own.
        """
        return self._uncovered(flow, self._first, self._last), self._uncovered(flow_back, self._last, self._first)

    def _uncovered(self, flow: Tensor, here: Tensor, there: Tensor) -> Tensor:
        count, height, width = here.shape
        x, y = self._pixels[0] + flow[:, 0], self._pixels[1] + flow[:, 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        left, top = (v.floor().clamp_(0, side - 2) for v, side in ((x, width), (y, height)))
        frames = torch.arange(count, device=x.device)[:, None, None] * (height * width)
        corner = (top * width + left).long().add_(frames).flatten()
        landed, own = there.flatten(), here.flatten()
        # Of the four pixels that each lands between, mostly none is in front: only the others are weighed.
        foremost = landed.clone()
        for step in (1, width, width + 1):
            torch.maximum(foremost[:-step], landed[step:], out=foremost[:-step])
        doubtful = (foremost[corner] > own).nonzero()[:, 0]
        right, low = ((v - whole).flatten()[doubtful] for v, whole in ((x, left), (y, top)))
        corner, own = corner[doubtful], own[doubtful]
        covered = torch.zeros_like(right)
        for step, weight in (
            (0, (1 - right) * (1 - low)), (1, right * (1 - low)), (width, (1 - right) * low), (width + 1, right * low),
        ):  # fmt: skip
            covered += weight * (landed[corner + step] > own)
        seen = inside.float()
        seen.view(-1)[doubtful] *= covered < 0.5
        return seen[:, None]

    def _flow_to(self, points: Tensor) -> Tensor:
        return (points - self._pixels).transpose(0, 1).contiguous()

    def _bent_pixels(self, layers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the indices of the pixels whose layers are bent, and those layers."""
        layers = layers.flatten()
        pixels = self._is_bent.index_select(0, layers).nonzero()[:, 0]
        return pixels, layers[pixels]

    def _bending(self, points: Tensor, layers: Tensor) -> Tensor:
        """Read the fields of layers (n,) at points (2, n): all fields stand below one another in one picture."""
        places = self._place.index_select(1, layers)
        x, y = ((points - places[:2]) / places[2]).clamp_(0, CELLS)
        y = y + layers * (CELLS + 1)
        # In a square, where a flow stays short: the float32 of a long one would be coarse.
        count = len(layers)
        side = math.isqrt(count - 1) + 1
        square = F.pad(torch.stack([x, y]), (0, side * side - count)).reshape(1, 2, side, side)
        grid = torch.arange(side, dtype=torch.float32, device=x.device)
        flow = square - torch.stack([grid.expand(side, side), grid[:, None].expand(side, side)])
        return backward_warp(self._fields, flow).reshape(2, -1)[:, :count]


def _of(table: Tensor, layers: Tensor) -> Tensor:
    """Look up the numbers (K, B, H, W) of each pixel's layer in a table (K, L)."""
    return table.index_select(1, layers.flatten()).reshape(-1, *layers.shape)


def _applied(maps: Tensor, points: Tensor) -> Tensor:
    """Apply maps (6, B, H, W) to points (2, B or 1, H, W)."""
    x, y = points
    return torch.stack([maps[0] * x + maps[1] * y + maps[2], maps[3] * x + maps[4] * y + maps[5]])
