"""Frames seen by a moving camera: a background with depth, and subjects as cards that stand in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.camera import CameraPath, seen, unseen
from photoflow.render.layered import GRID, Layer, LayeredRenderer, SubjectLayer, Window

SMOOTH_GRID, EDGED_GRID = 8, 4  # pixels from one node to the next where depths are smooth, and where they have edges
FRONT = 20.0  # softmax weight of inverse depth: what is nearer hides what is farther
LEAST_COVERAGE = 1e-2
MOST_REACH = 32  # nodes over which a hole is filled
STILL = 1e-6  # pixels


class CameraRenderer:
    """Draws frames seen by a moving camera: the background in its depth, and cards over it.

    Regions flow in the picture before it is seen. What of the background is seen at each point is found by splatting
    its inverse depth along the camera's flow, nearer in front; holes are filled from what is farther. The colours are
    then looked up once, with a bicubic kernel.

    Args:
        background: uint8 (H, W, 3), the picture without the cards.
        regions: what flows in it, from the one farthest behind to the one in front.
        cards: what stands in it, in the same order.
        path: of the camera.
        depth: float32 (H, W), the background's inverse depth, 1 = in focus.
        edged: whether that has edges.
        device: where frames are drawn.
    """

    def __init__(
        self, background: Array, regions: Sequence[Layer], cards: Sequence[Card], path: CameraPath, depth: Array,
        edged: bool, device: str = "cpu",
    ) -> None:  # fmt: skip
        self._flat = LayeredRenderer(background, regions, device)
        self._cards, self._path, self._device = cards, path, device
        self._still = None if regions else _planes(background, device)
        self._height, self._width = depth.shape
        self._step = EDGED_GRID if edged else SMOOTH_GRID
        rows, columns = (
            np.minimum(np.arange(-(-(side - 1) // self._step) + 1) * self._step, side - 1) for side in depth.shape
        )
        self._depth = depth[np.ix_(rows, columns)]
        self._nodes = _nodes((0, 0), self._depth.shape, self._step)

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t` seconds: uint8 (H, W, 3)."""
        matrix = self._path.matrix(t)
        picture = self._still if self._still is not None else _planes(self._flat.frame(t), self._device)
        canvas = self._seen(picture, matrix)
        for card in self._cards:
            rgba, window = card.draw(matrix, t)
            place = canvas[:, window[0], window[1]]
            place.mul_(1 - rgba[3:]).add_(rgba[:3], alpha=255)
        return _interleaved(canvas)

    def cutout(self, t: float) -> Array:
        """Draw what moves by itself alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied.

        Where nothing does, it is all cards.

        Raises:
            InputError: there is nothing.
        """
        cards = [card for card in self._cards if card.moves]
        if not cards and not self._flat.layers:
            cards = list(self._cards)
        if not cards and not self._flat.layers:
            raise InputError("alpha: expected something that is cut out, and nothing of the photo is")
        matrix = self._path.matrix(t)
        regions = torch.from_numpy(self._flat.cutout(t)).to(self._device).permute(2, 0, 1).float()
        regions[:3] *= regions[3:] / 255
        canvas = self._seen(regions[None].contiguous(memory_format=torch.channels_last), matrix) / 255
        for card in cards:
            rgba, window = card.draw(matrix, t, plain=True)
            place = canvas[:, window[0], window[1]]
            place.mul_(1 - rgba[3:]).add_(rgba)
        canvas.clamp_(0, 1)
        canvas[:3] /= canvas[3:].clamp_min(1 / 510)
        return _interleaved(canvas.mul_(255))

    def flow(self, t: float) -> Array:
        """Return the displacement of the photo's pixels at time `t`: (2, H, W) float32."""
        matrix = self._path.matrix(t)
        total = self._dense(seen(matrix, self._nodes, self._depth) - self._nodes)[0].cpu().numpy()
        own = self._flat.flow(t)
        total = np.add(total, own)
        for card in self._cards:
            moved, inside, window = card.flow(matrix, t)
            np.copyto(total[:, window[0], window[1]], moved, where=inside)
        return total

    def _seen(self, picture: Tensor, matrix: Array) -> Tensor:
        """Return a picture, (1, C, H, W), as the camera sees it: (C, H, W) of its own memory."""
        if np.abs(matrix - np.eye(3, 4)).max() < STILL:
            return picture[0].clone(memory_format=torch.preserve_format)
        back = unseen(matrix, self._nodes, self._arrived(matrix)) - self._nodes
        return ops.backward_warp(picture, self._dense(back), mode="bicubic", padding="border")[0]

    def _dense(self, flow: Array) -> Tensor:
        """Interpolate displacements at the nodes, (h, w, 2), to every pixel: (1, 2, H, W) float32."""
        coarse = torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1), np.float32))[None].to(self._device)
        return _interpolated(coarse, self._step)[:, :, : self._height, : self._width].contiguous()

    def _arrived(self, matrix: Array) -> Array:
        """Return the inverse depth of what is seen at every node, (h, w) float32."""
        flow = ((seen(matrix, self._nodes, self._depth) - self._nodes) / self._step).astype(np.float32)
        forward = torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None]
        depth = torch.from_numpy(self._depth)[None, None]
        arrived, coverage = ops.forward_splat(depth, forward, depth * FRONT, mode="softmax")
        hole = coverage < LEAST_COVERAGE
        if hole.any():
            reach = min(MOST_REACH, math.ceil(float(np.ptp(flow, axis=(0, 1)).max())) + 1)
            least = -F.max_pool2d(-arrived.masked_fill(hole, torch.inf), 2 * reach + 1, 1, reach)
            arrived = torch.where(hole, least.clamp_max(float(self._depth.max())), arrived)
        return arrived[0, 0].numpy()


class Card:
    """A subject that stands upright in its depth, with or without a motion of its own.

    Its own motion comes first, and the camera sees what it made: both are inverted, and the colours looked up once.

    Args:
        subject: draws it without a camera.
        depth: its inverse depth, 1 = in focus.
        moves: whether it moves by itself.
        size: (height, width) of the picture.
    """

    def __init__(self, subject: SubjectLayer, depth: float, moves: bool, size: tuple[int, ...]) -> None:
        self._subject, self._depth, self.moves, self._size = subject, depth, moves, size
        self._pictures: dict[bool, Tensor] = {}

    def draw(self, matrix: Array, t: float, plain: bool = False) -> tuple[Tensor, Window]:
        """Draw the card as a camera sees it.

        Args:
            matrix: of the camera, see `photoflow.motion.camera.CameraPath.matrix`.
            t: seconds.
            plain: with its own opacity alone, as `SubjectLayer.cutout`.

        Returns:
            (4, h, w) float32 in [0, 1], RGB premultiplied by alpha, and alpha; and its window of the picture.
        """
        window = self._window(matrix)
        rows, columns = window
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return torch.zeros((4, rows.stop - rows.start, columns.stop - columns.start)), window
        step = GRID if self.moves else SMOOTH_GRID
        size = tuple(-(-(side.stop - side.start - 1) // step) + 1 for side in window)
        nodes = _nodes((columns.start, rows.start), size, step)
        left, top = self._subject.region[:2]
        source = unseen(matrix, nodes, self._depth) - (left, top)
        back = torch.from_numpy(np.ascontiguousarray(source.transpose(2, 0, 1), np.float32))[None]
        picture = self._picture(plain)
        back = back.to(picture.device)
        if self.moves:
            back = back - self._own(back / GRID, t) * GRID
        back = back - torch.from_numpy((nodes - (columns.start, rows.start)).transpose(2, 0, 1).astype(np.float32)).to(
            picture.device
        )
        dense = _interpolated(back, step)[:, :, : rows.stop - rows.start, : columns.stop - columns.start]
        rgba = ops.backward_warp(picture, dense.contiguous(), mode="bicubic", padding="zeros")[0]
        alpha = rgba[3].clamp_(0, 1)
        torch.clamp(rgba[:3], alpha.new_zeros(()), alpha, out=rgba[:3])
        return rgba, window

    def flow(self, matrix: Array, t: float) -> tuple[Array, Array, Window]:
        """Return the displacement of its pixels, (2, h, w), where there are any, (h, w), and their window."""
        own, window = self._subject.flow(t)
        inside = self._subject.solid()
        moved = own.cpu().numpy()
        rows, columns = window
        points = _nodes((columns.start, rows.start), moved.shape[1:], 1)
        total = seen(matrix, points + moved.transpose(1, 2, 0), self._depth) - points
        return np.asarray(total.transpose(2, 0, 1), np.float32), inside.cpu().numpy(), window

    def _own(self, places: Tensor, t: float) -> Tensor:
        """Return its own flow, in nodes, that arrives at places (1, 2, h, w) of its grid; NaN where none does."""
        arrived = self._subject.arrived(t)
        known = torch.isfinite(arrived[:, :1])
        there = torch.cat([arrived.masked_fill(~known, 0), known.float()], dim=1)
        height, width = places.shape[2:]
        y, x = torch.meshgrid(
            torch.arange(height, device=places.device), torch.arange(width, device=places.device), indexing="ij"
        )
        read = ops.backward_warp(there, places - torch.stack([x, y])[None], mode="bilinear", padding="border")
        return (read[:, :2] / read[:, 2:]).masked_fill(read[:, 2:] < 0.5, torch.nan)

    def _picture(self, plain: bool) -> Tensor:
        if plain not in self._pictures:
            planes = self._subject.planes(plain)
            self._pictures[plain] = planes.contiguous(memory_format=torch.channels_last)
        return self._pictures[plain]

    def _window(self, matrix: Array) -> Window:
        """Return the rows and columns of the picture in which it is seen."""
        left, top, right, bottom = self._subject.region
        corners = np.array([[left, top], [right - 1, top], [left, bottom - 1], [right - 1, bottom - 1]], np.float64)
        places = seen(matrix, corners, self._depth)
        first = np.floor(places.min(axis=0)).astype(int) - 1
        last = np.ceil(places.max(axis=0)).astype(int) + 2
        height, width = self._size
        columns = slice(min(max(0, first[0]), width), max(min(width, last[0]), 0))
        rows = slice(min(max(0, first[1]), height), max(min(height, last[1]), 0))
        return rows, columns


def _nodes(corner: tuple[int, int], size: Sequence[int], step: int) -> Array:
    """Return the places (x, y) of a grid's nodes, (h, w, 2) float64."""
    x, y = np.meshgrid(np.arange(size[1]) * step + corner[0], np.arange(size[0]) * step + corner[1])
    return np.stack([x, y], axis=-1).astype(np.float64)


def _interpolated(coarse: Tensor, step: int) -> Tensor:
    """Interpolate a grid of every `step`th pixel to every pixel between its ends: (1, C, h, w) -> (1, C, H, W)."""
    size = [step * (side - 1) + 1 for side in coarse.shape[2:]]
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True)


def _planes(picture: Array, device: str) -> Tensor:
    """Return a picture, uint8 (H, W, C), as float32 (1, C, H, W), 0 to 255, whose channels lie beside each other."""
    return (
        torch.from_numpy(picture)
        .to(device)
        .permute(2, 0, 1)[None]
        .float()
        .contiguous(memory_format=torch.channels_last)
    )


def _interleaved(canvas: Tensor) -> Array:
    """Round a picture (C, H, W), 0 to 255, to uint8 (H, W, C) on the CPU."""
    rounded = canvas.permute(1, 2, 0).add(0.5).clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(rounded.cpu().numpy())
