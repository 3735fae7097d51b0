"""Frames seen by a moving camera: a background with depth, and subjects as cards that stand in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.camera import CameraPath, seen, unseen
from photoflow.motion.scene import moments
from photoflow.render.fetching import interleaved
from photoflow.render.layered import GRID, Layer, LayeredRenderer, SubjectLayer
from photoflow.render.region import Window

SMOOTH_GRID, EDGED_GRID = 8, 4  # pixels from one node to the next where depths are smooth, and where they have edges
OWN_GRID = 4  # the same, of a card that moves by itself
FRONT = 20.0  # softmax weight of inverse depth: what is nearer hides what is farther
LEAST_COVERAGE = 1e-2
STRETCH = 0.5  # share by which the far may be stretched or squeezed beside what is nearer


class CameraRenderer:
    """Draws frames seen by a moving camera: the background in its depth, and cards over it.

    Regions flow in the picture before it is seen. What of the background is seen at each point is found by splatting
    its inverse depth along the camera's flow, nearer in front. The colours are then looked up once, with a bicubic
    kernel. Where measured depths have edges, the far rises to the near as steeply as the camera's way allows without
    tearing, so that there are no holes.

    Args:
        background: uint8 (H, W, 3), the picture without the cards.
        regions: what flows in it, from the one farthest behind to the one in front.
        cards: what stands in it, in the same order.
        path: of the camera.
        depth: float32 (H, W), the background's inverse depth, 1 = in focus.
        edged: whether that has edges.
        seconds: length of the clip.
        device: where frames are drawn.
        alone: returns what `cutout` draws where nothing else is a card.
    """

    def __init__(
        self, background: Array, regions: Sequence[Layer], cards: Sequence[Card], path: CameraPath, depth: Array,
        edged: bool, seconds: float, device: str = "cpu", alone: Callable[[], list[Card]] = list,
    ) -> None:  # fmt: skip
        self.flat, self.cards = LayeredRenderer(background, regions, device), cards
        self._path, self._alone = path, alone
        self._device = torch.device(device)
        self._still = None if regions else self.flat.planes(0.0)[None].float()
        self._height, self._width = depth.shape
        self._step = EDGED_GRID if edged else SMOOTH_GRID
        rows, columns = (
            np.minimum(np.arange(-(-(side - 1) // self._step) + 1) * self._step, side - 1) for side in depth.shape
        )
        self._depth = depth[np.ix_(rows, columns)]
        self._nodes = _nodes((0, 0), self._depth.shape, self._step)
        if edged:
            # A rim of what is behind goes with what is in front, or a rim of that would stay behind.
            rimmed = cv2.dilate(self._depth, np.ones((3, 3), np.uint8))
            self._depth = without_tears(rimmed, STRETCH * self._step / self._parallax(seconds))

    @property
    def device(self) -> torch.device:
        """Return where it draws."""
        return self._device

    def _parallax(self, seconds: float) -> float:
        """Return by how many pixels a point goes at most for each unit of its inverse depth, at least 1."""
        corners = self._nodes[[0, -1]][:, [0, -1]]
        most = 1.0
        for t in moments(seconds, 4, 16):
            matrix = self._path.matrix(float(t))
            apart = seen(matrix, corners, np.full((2, 2), 1.2)) - seen(matrix, corners, np.full((2, 2), 0.8))
            most = max(most, float(np.abs(apart).max()) / 0.4)
        return most

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t` seconds: uint8 (H, W, 3)."""
        return interleaved(self.planes(t))

    @ops.repeatable()
    def planes(self, t: float) -> Tensor:
        """Draw the picture at time `t` seconds as uint8 (3, H, W)."""
        matrix = self._path.matrix(t)
        picture = self.flat.planes(t)[None].float() if self._still is None else self._still
        canvas = self._seen(picture, matrix).add_(0.5).clamp_(0, 255).to(torch.uint8)
        for card in self.cards:
            rgba, (rows, columns) = card.draw(matrix, t)
            place = canvas[:, rows, columns]
            behind = place.to(torch.float32).mul_(1 - rgba[3:])
            place.copy_(behind.add_(rgba[:3], alpha=255).add_(0.5))
        return canvas

    def cutout(self, t: float) -> Array:
        """Draw what moves by itself alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied.

        Where nothing does, it is all cards.

        Raises:
            InputError: there is nothing.
        """
        return interleaved(self.cutout_planes(t))

    @ops.repeatable()
    def cutout_planes(self, t: float) -> Tensor:
        """Draw what moves by itself alone, as `cutout` does: uint8 (4, H, W).

        Raises:
            InputError: there is nothing.
        """
        regions = self.flat.layers
        cards = [card for card in self.cards if card.moves] or ([] if regions else self.cards or self._alone())
        if not cards and not regions:
            raise InputError("alpha: expected something that is cut out of the photo; nothing stands out in it")
        matrix = self._path.matrix(t)
        canvas = torch.zeros((4, self._height, self._width), device=self._device)
        if regions:
            flat = self.flat.cutout_planes(t)[None] / 255
            flat[:, :3] *= flat[:, 3:]
            canvas = self._seen(flat, matrix).clamp_(0, 1)
        for card in cards:
            rgba, (rows, columns) = card.draw(matrix, t, plain=True)
            canvas[:, rows, columns].mul_(1 - rgba[3:]).add_(rgba)
        canvas[:3] /= canvas[3:].clamp_min(1 / 510)
        return canvas.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8)

    @ops.repeatable()
    def flow(self, t: float) -> Array:
        """Return the displacement of the photo's pixels at time `t`: (2, H, W) float32."""
        matrix = self._path.matrix(t)
        coarse = _field(seen(matrix, self._nodes, self._depth) - self._nodes, "cpu")
        dense = _interpolated(coarse, self._step)[0, :, : self._height, : self._width].numpy()
        total = dense + self.flat.flow(t)
        for card in self.cards:
            moved, inside, window = card.flow(matrix, t)
            np.copyto(total[:, window[0], window[1]], moved, where=inside)
        return total

    def flow_planes(self, t: float) -> Tensor:
        """Return the displacement of the photo's pixels at time `t`: (2, H, W) float32, where frames are drawn."""
        return torch.from_numpy(self.flow(t)).to(self._device, non_blocking=True)

    def places(self, points: Array, t: float, card: Card | None = None) -> Array:
        """Return where points of the photo, (h, w, 2) pixels, are seen at time `t`: those of a card, or behind all."""
        matrix = self._path.matrix(t)
        return seen(matrix, points, self.depths(points)) if card is None else card.places(points, matrix)

    def seen(self, planes: Tensor, t: float) -> Tensor:
        """Return planes (C, H, W) of the picture behind all cards as they are seen at time `t`: (C, H, W)."""
        return self._seen(planes[None], self._path.matrix(t))

    def drawn(self, card: Card, t: float, plain: bool = False) -> tuple[Tensor, Window]:
        """Draw a card alone at time `t`, see `Card.draw`."""
        return card.draw(self._path.matrix(t), t, plain)

    def depths(self, points: Array) -> Array:
        """Return the background's inverse depth at points, (h, w, 2) pixels: (h, w), 1 = in focus."""
        x, y = np.moveaxis(points / self._step, -1, 0).astype(np.float32)
        return np.asarray(cv2.remap(self._depth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    @property
    def edged(self) -> bool:
        """Return whether the background's depth has edges, along which it may hide itself."""
        return self._step == EDGED_GRID

    def _seen(self, picture: Tensor, matrix: Array) -> Tensor:
        """Return a picture, (1, C, H, W), as the camera sees it, (C, H, W)."""
        back = _field(self._source(matrix), picture.device)
        return _looked_up(picture, back, self._step, (self._height, self._width))

    def _source(self, matrix: Array) -> Array:
        """Return where each node's colour is in the photo, relative to the node: (h, w, 2), pixels."""
        flow = (seen(matrix, self._nodes, self._depth) - self._nodes) / self._step
        depth = torch.from_numpy(self._depth)[None, None]
        arrived, coverage = ops.forward_splat(depth, _field(flow, "cpu"), depth * FRONT, mode="softmax")
        # Beyond the picture's border nothing arrives: what is seen there is of no account.
        there = torch.where(coverage < LEAST_COVERAGE, depth, arrived)[0, 0].numpy()
        return np.asarray(unseen(matrix, self._nodes, there) - self._nodes)


def without_tears(depth: Array, slope: float) -> Array:
    """Let the far rise to what is nearer with at most so steep a slope; what is nearest keeps its depth.

    w'(p) = max_q w(q) - slope |p - q|

    Args:
        depth: (h, w) float32.
        slope: more than 0, change from one pixel to the next; diagonally, from one to the next but one.
    """
    limited, count = depth, math.ceil(float(np.ptp(depth)) / slope)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    for _ in range(min(count, max(depth.shape))):
        raised = np.maximum(depth, cv2.dilate(limited, cross) - np.float32(slope))
        if np.array_equal(raised, limited):
            break
        limited = raised
    return limited


class Card:
    """A subject that stands upright in its depth, with or without a motion of its own.

    Its own motion comes first, and the camera sees what it made: both are inverted, and the colours looked up once.

    Args:
        subject: draws it without a camera.
        plane: its inverse depth, 1 = in focus: change from row to row, and in row 0.
        moves: whether it moves by itself.
        size: (height, width) of the picture.
    """

    def __init__(self, subject: SubjectLayer, plane: tuple[float, float], moves: bool, size: tuple[int, ...]) -> None:
        self.subject, self._plane, self.moves, self._size = subject, plane, moves, size

    def places(self, points: Array, matrix: Array) -> Array:
        """Return where points of it, (h, w, 2) pixels, are seen through a camera's matrix."""
        return seen(self._upright(matrix), points, 0.0)

    def draw(self, matrix: Array, t: float, plain: bool = False) -> tuple[Tensor, Window]:
        """Draw the card as a camera sees it.

        Args:
            matrix: of the camera, see `photoflow.motion.camera.CameraPath.matrix`.
            t: seconds.
            plain: with its own opacity alone, as `SubjectLayer.cutout`.

        Returns:
            (4, h, w) float32 in [0, 1], RGB premultiplied by alpha, and alpha; and its window of the picture.
        """
        matrix = self._upright(matrix)
        window = rows, columns = self._window(matrix)
        height, width = max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)
        picture = self.subject.planes(plain, t)
        if not height or not width:
            return picture.new_zeros((4, height, width)), window
        nodes = _nodes((columns.start, rows.start), [-(-(side - 1) // SMOOTH_GRID) + 1 for side in (height, width)],
                       SMOOTH_GRID)  # fmt: skip
        back, step = _field(unseen(matrix, nodes, 0.0) - nodes, picture.device), SMOOTH_GRID
        # From now on places count from the region's corner, and nodes from the window's.
        shift = np.subtract((columns.start, rows.start), self.subject.region[:2])
        back[:, 0] += float(shift[0])
        back[:, 1] += float(shift[1])
        if self.moves:
            back, step = _interpolated(back, SMOOTH_GRID // OWN_GRID), OWN_GRID
            back -= self._own(back / OWN_GRID, t)
        rgba = _looked_up(picture, back, step, (height, width))
        alpha = rgba[3].clamp_(0, 1)
        # The bicubic kernel overshoots; a premultiplied colour lies between 0 and alpha.
        torch.clamp(rgba[:3], alpha.new_zeros(()), alpha, out=rgba[:3])
        return rgba, window

    def flow(self, matrix: Array, t: float) -> tuple[Array, Array, Window]:
        """Return the displacement of its pixels, (2, h, w), where there are any, (h, w), and their window."""
        own, window = self.subject.flow(t)
        inside = self.subject.solid()
        moved = own.cpu().numpy()
        rows, columns = window
        points = _nodes((columns.start, rows.start), moved.shape[1:], 1)
        total = seen(self._upright(matrix), points + moved.transpose(1, 2, 0), 0.0) - points
        return np.asarray(total.transpose(2, 0, 1), np.float32), inside.cpu().numpy(), window

    def _upright(self, matrix: Array) -> Array:
        """Return the matrix by which the card's plane is seen, whatever depth is given with it."""
        tilt, start = self._plane
        return np.column_stack([matrix[:, :3] + np.outer(matrix[:, 3], (0, tilt, start)), np.zeros(3)])

    def _own(self, back: Tensor, t: float) -> Tensor:
        """Return its own displacement, pixels, (1, 2, h, w), that arrives at places of its region; NaN where none does.

        Args:
            back: displacements, nodes, (1, 2, h, w), from a node to the place on the region's grid.
            t: seconds.
        """
        arrived = self.subject.arrived(t, OWN_GRID // GRID)
        known = torch.isfinite(arrived[:, :1])
        there = torch.cat([(arrived * OWN_GRID).masked_fill_(~known, 0), known.float()], dim=1)
        read = ops.backward_warp(there, back, padding="border")
        return (read[:, :2] / read[:, 2:]).masked_fill_(read[:, 2:] < 0.5, torch.nan)

    def _window(self, matrix: Array) -> Window:
        """Return the rows and columns of the picture in which it is seen."""
        left, top, right, bottom = self.subject.region
        corners = np.array([[left, top], [right - 1, top], [left, bottom - 1], [right - 1, bottom - 1]], np.float64)
        places = seen(matrix, corners, 0.0)
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


def _looked_up(picture: Tensor, back: Tensor, step: int, size: tuple[int, int]) -> Tensor:
    """Look a picture up with a bicubic kernel; beyond its border it goes on as it ends there.

    Args:
        picture: (1, C, h, w).
        back: (1, 2, rows, columns), displacement from a node to the place in `picture`; NaN: nothing is there.
        step: pixels from one node to the next.
        size: (H, W) of what is seen, from the first node on.

    Returns:
        (C, H, W).
    """
    dense = _interpolated(back, step)[:, :, : size[0], : size[1]].contiguous()
    return ops.backward_warp(picture, dense, mode="bicubic", padding="border")[0]


def _field(displacements: Array, device: torch.device | str) -> Tensor:
    """Return displacements (h, w, 2) as float32 (1, 2, h, w)."""
    planes = torch.from_numpy(np.ascontiguousarray(displacements.transpose(2, 0, 1), np.float32))
    return planes[None].to(device, non_blocking=True)


def _interpolated(coarse: Tensor, step: int) -> Tensor:
    """Interpolate a grid of every `step`th pixel to every pixel between its ends: (1, C, h, w) -> (1, C, H, W)."""
    size = [step * (side - 1) + 1 for side in coarse.shape[2:]]
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True)
