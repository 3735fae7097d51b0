"""Frames from layers: moving subjects composed over a background that stands still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.motion import Motion, MotionField, Scene
from photoflow.motion.drift import DriftField
from photoflow.motion.looped import looped
from photoflow.motion.scene import moments
from photoflow.render.measured_flow import FlowNetwork, MeasuredField

Window = tuple[slice, slice]

_LOOKED_AT = (16, 64)  # moments a second, and at least in all: how far a subject goes must not be missed
GRID = 2  # pixels from one node of a subject's flow to the next: displacements are smooth, and a quarter is quick


class Layer(Protocol):
    """One part of the picture that is drawn anew for every frame.

    Both methods give a window of the picture, and its place there as (rows, columns).
    """

    def render(self, t: float) -> tuple[Tensor, Window]:
        """(4, h, w) float32 at time t: RGB premultiplied by alpha, and alpha, in [0, 1]."""

    def flow(self, t: float) -> tuple[Tensor, Window]:
        """(2, h, w) float32: how far each pixel of the photo has moved by time t; 0 where the layer is not."""


class LayeredRenderer:
    """Draws frames: layers over a background.

    Args:
        background: uint8 (H, W, 3), the picture without the subjects.
        layers: from the one farthest behind to the one in front.
        device: where the layers are rendered.
    """

    def __init__(self, background: Array, layers: Sequence[Layer], device: str = "cpu") -> None:
        self.layers = layers
        self._background = torch.from_numpy(np.ascontiguousarray(background.transpose(2, 0, 1))).to(device)

    def frame(self, t: float) -> Array:
        """The picture at time `t` seconds: uint8 (H, W, 3).

        Where no layer shows, it is the background to the bit.
        """
        canvas = self._background.clone()
        for layer in self.layers:
            rgba, window = layer.render(t)
            place = canvas[:, window[0], window[1]]
            behind = place.to(torch.float32).mul_(1 - rgba[3:])
            # The cast to uint8 truncates: + 0.5 rounds. Nothing exceeds 255: colours are at most alpha.
            place.copy_(behind.add_(rgba[:3], alpha=255).add_(0.5))
        return _interleaved(canvas)

    def cutout(self, t: float) -> Array:
        """The layers alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied."""
        _, height, width = self._background.shape
        canvas = torch.zeros((4, height, width), device=self._background.device)
        for layer in self.layers:
            rgba, window = layer.render(t)
            place = canvas[:, window[0], window[1]]
            place.copy_(torch.addcmul(rgba, place, 1 - rgba[3:]))
        canvas[:3] /= canvas[3:].clamp_min(1 / 510)
        return _interleaved(canvas.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8))

    def flow(self, t: float) -> Array:
        """Displacement of the photo's pixels at time `t`: (2, H, W) float32, 0 where nothing moves."""
        total = np.zeros((2, *self._background.shape[1:]), np.float32)
        for layer in self.layers:
            moved, window = layer.flow(t)
            flow = moved.cpu().numpy()
            np.copyto(total[:, window[0], window[1]], flow, where=(flow != 0).any(axis=0))
        return total


class SubjectLayer:
    """A subject that moves over the background.

    The flow is inverted by splatting it along itself (softmax, larger motion in front, Generative
    Image Dynamics sec. 5) and the subject is then looked up with a bicubic kernel: splatting the
    colours themselves would blur them anew at every fraction of a pixel, and the sharpness would
    pulse with the motion.

    Args:
        rgb: uint8 (H, W, 3), the subject's own colours.
        alpha: float32 (H, W) in [0, 1], its opacity.
        motion: how it moves.
        scale, seconds, loop, device: see `photoflow.motion.Scene`.
        blueprint: measures the flow between the subject and its moved copy, which is what is rendered then; without
            it the planned flow is.

    `farthest`, float32 (H, W), is how far each of the subject's pixels goes at most, pixels; 0 beside it.
    """

    def __init__(
        self, rgb: Array, alpha: Array, motion: Motion, *, scale: float, seconds: float, loop: bool, device: str,
        blueprint: FlowNetwork | None = None,
    ) -> None:  # fmt: skip
        def field_over(mask: Array, corner: tuple[int, int], step: int) -> MotionField:
            place, whole = (corner[0] / step, corner[1] / step), (alpha.shape[1] / step, alpha.shape[0] / step)
            field = motion.field(Scene(_coarse(mask, step), place, scale / step, seconds, loop, device, whole))
            return looped(field, seconds) if loop else field

        box = _support(alpha)
        travel = _travel(field_over(_crop(alpha, box), box[:2], 4), seconds) * 4
        self.farthest = _farthest(travel, alpha, box)
        region = _grown(box, _reach(travel), alpha.shape)
        # What the picture's border cut off is continued straight on, with mirrored colours, so that
        # a subject that moves away from the border does not tear off from it.
        opacity = _crop(alpha, region, cv2.BORDER_REPLICATE)
        self.field = field_over(_crop(alpha, region, cv2.BORDER_CONSTANT), region[:2], GRID)
        self._rgba = torch.from_numpy(_premultiplied(_crop(rgb, region), opacity))[None].to(device)
        self._metric = self._importance(seconds)
        self._rim = _rim(self._rgba[:, 3:])
        self._window, self._inside = _windows(region, alpha.shape)
        if blueprint is not None:
            self.field = MeasuredField(self.field, self._rgba, self._moved, blueprint, GRID)

    def _importance(self, seconds: float) -> Tensor:
        """Softmax metric: the mean length of a displacement, scaled to 0 … 4; (1, 1, h, w) on the flow's grid."""
        flows = [self.field.flow(float(t)) for t in moments(seconds, 2, 8)]
        mean = torch.stack([torch.hypot(flow[0], flow[1]) for flow in flows]).mean(dim=0)
        return (4 * mean / mean.max().clamp_min(1e-6))[None, None]

    def render(self, t: float) -> tuple[Tensor, Window]:
        flow = self.field.flow(t)[None]
        nodes, inside, window = self._visible(flow[0])
        back = self._inverse(flow)[:, :, nodes[0], nodes[1]].mul(-GRID)
        back[:, 0] += GRID * nodes[1].start  # the warp counts from the window's own corner
        back[:, 1] += GRID * nodes[0].start
        rgba = ops.backward_warp(self._rgba, _dense(back), mode="bicubic", padding="zeros")[0]
        rgba = rgba[:, inside[0], inside[1]]
        alpha = rgba[3].clamp_(0, 1)
        # The bicubic kernel overshoots; a premultiplied colour lies between 0 and alpha.
        torch.clamp(rgba[:3], alpha.new_zeros(()), alpha, out=rgba[:3])
        return rgba, window

    def _inverse(self, flow: Tensor) -> Tensor:
        """The flow at its targets, (1, 2, h, w); NaN where nothing arrived: the warp leaves that out."""
        arrived, coverage = ops.forward_splat(flow, flow, self._metric, mode="softmax")
        return arrived.masked_fill_(coverage < 1e-3, torch.nan)

    def _moved(self, flow: Tensor) -> Tensor:
        """The whole region as a flow moves it: (1, 4, H, W)."""
        back = _dense(self._inverse(flow).mul_(-GRID))
        return ops.backward_warp(self._rgba, back, mode="bicubic", padding="zeros").clamp_(0, 1)

    def _visible(self, flow: Tensor) -> tuple[Window, Window, Window]:
        """The part of the picture that the subject has moved to.

        Returns:
            Windows: of the flow's grid; of the picture's part of what that grid spans; of the picture.
        """
        spans = []
        for axis in (0, 1):  # rows, columns: the flow's channels are x and y
            reached = self._rim[axis] + flow[1 - axis][self._rim[0], self._rim[1]]
            inside, place, nodes = self._inside[axis], self._window[axis], flow.shape[1 + axis]
            first = max(math.floor(float(reached.min())) - 1, inside.start // GRID)
            last = min(math.ceil(float(reached.max())) + 1, nodes - 1, -(-(inside.stop - 1) // GRID))
            first, last = min(first, nodes - 1), max(min(first, nodes - 1), last)
            start = max(GRID * first, inside.start)
            stop = max(start, min(GRID * last + 1, inside.stop))
            shift = place.start - inside.start
            spans.append((slice(first, last + 1), slice(start - GRID * first, stop - GRID * first),
                          slice(start + shift, stop + shift)))  # fmt: skip
        rows, columns = spans
        return (rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2])

    def flow(self, t: float) -> tuple[Tensor, Window]:
        flow = _dense(self.field.flow(t)[None])[0] * GRID * (self._rgba[0, 3:] > 0.5)
        return flow[:, self._inside[0], self._inside[1]], self._window


class FlowingLayer:
    """A region that stays in place while what is in it flows on.

    Args:
        rgb: uint8 (H, W, 3), the photo.
        alpha: float32 (H, W) in [0, 1], the region.
        motion: an in-place motion.
        scale, seconds, loop, device: see `photoflow.motion.Scene`.
    """

    def __init__(
        self, rgb: Array, alpha: Array, motion: Motion, *, scale: float, seconds: float, loop: bool, device: str
    ) -> None:
        box = _support(alpha)
        field = motion.field(Scene(_crop(alpha, box), box[:2], scale, seconds, loop, device))
        assert isinstance(field, DriftField)
        self.field = field
        planes = np.ascontiguousarray(_crop(rgb, box).transpose(2, 0, 1), dtype=np.float32) / 255
        self._rgb = torch.from_numpy(planes)[None].to(device)
        self._alpha = torch.from_numpy(np.ascontiguousarray(_crop(alpha, box)))[None].to(device)
        self._window, _ = _windows(box, alpha.shape)

    def render(self, t: float) -> tuple[Tensor, Window]:
        shown = torch.zeros_like(self._rgb)
        for flow, weight in self.field.sources(t):
            # Bicubic: linear reading is sharp at whole pixels and soft between them, so that the water would pulse.
            shown += weight * ops.backward_warp(self._rgb, flow[None], mode="bicubic", padding="reflection")
        return torch.cat([shown[0].clamp_(0, 1) * self._alpha, self._alpha]), self._window

    def flow(self, t: float) -> tuple[Tensor, Window]:
        """As for any layer, within half a period, after which the material starts again."""
        return self.field.flow(t) * (self._alpha > 0.5), self._window


def _coarse(mask: Array, step: int) -> Array:
    """Every `step`th pixel of the mask; of what is thinner than that, the surroundings too."""
    nodes = mask[::step, ::step]
    if nodes.max() >= 0.5 * mask.max():
        return nodes
    return cv2.dilate(mask, np.ones((2 * step - 1, 2 * step - 1), np.uint8))[::step, ::step]


def _dense(coarse: Tensor) -> Tensor:
    """From the flow's grid to every pixel between its ends: (1, C, h, w) -> (1, C, H, W), values as they are."""
    size = [GRID * (side - 1) + 1 for side in coarse.shape[2:]]
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True)


def _rim(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the nodes of the flow's grid along the edge of what is not transparent, (1, 1, H, W)."""
    solid = F.max_pool2d(alpha, 2 * GRID + 1, GRID, GRID) > 0
    inner = F.avg_pool2d(F.pad(solid.float(), (1, 1, 1, 1)), 3, 1) > 0.99
    rows, columns = (solid & ~inner)[0, 0].nonzero(as_tuple=True)
    return rows, columns


def _support(alpha: Array) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is not transparent, right and bottom exclusive."""
    columns, rows = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _travel(field: MotionField, seconds: float) -> Array:
    """The largest displacements in x and y over the clip, (2, h, w) in pixels of the field's grid."""
    largest = torch.zeros(())
    for t in moments(seconds, *_LOOKED_AT):
        largest = torch.maximum(field.flow(float(t)).abs().cpu(), largest)
    return largest.numpy()


def _reach(travel: Array) -> tuple[int, int]:
    """The largest displacement in x and y, whole pixels, with a margin for the times between the moments."""
    x, y = (math.ceil(float(one.max()) * 1.03) + 3 for one in travel)
    return x, y


def _farthest(travel: Array, alpha: Array, box: tuple[int, int, int, int]) -> Array:
    """How far each pixel of the subject goes at most: float32 (H, W), 0 beside it.

    Args:
        travel: (2, h, w), of every fourth pixel of the box, pixels.
        alpha: (H, W) in [0, 1], its opacity.
        box: around what is not transparent.
    """
    (left, top, right, bottom), (rows, columns) = box, travel.shape[1:]
    far = F.interpolate(
        torch.from_numpy(np.hypot(*travel))[None, None], (4 * rows - 3, 4 * columns - 3), mode="bilinear",
        align_corners=True,
    )[0, 0].numpy()  # fmt: skip
    far = cv2.copyMakeBorder(far, 0, 3, 0, 3, cv2.BORDER_REPLICATE)[: bottom - top, : right - left]
    whole = np.zeros_like(alpha)
    whole[top:bottom, left:right] = far * (alpha[top:bottom, left:right] > 0)
    return whole


def _grown(box: tuple[int, int, int, int], reach: tuple[int, int], size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The region that the subject sweeps: beyond the picture's border only where the border cuts the subject.

    Its sides are made whole steps of the flow's grid and one pixel, so that the grid's ends are the region's.
    """
    height, width = size
    left, top, right, bottom = box
    left = left - min(reach[0], width - 1) if left == 0 else max(0, left - reach[0])
    top = top - min(reach[1], height - 1) if top == 0 else max(0, top - reach[1])
    right = right + min(reach[0], width - 1) if right == width else min(width, right + reach[0])
    bottom = bottom + min(reach[1], height - 1) if bottom == height else min(height, bottom + reach[1])
    return left - (right - left - 1) % GRID, top - (bottom - top - 1) % GRID, right, bottom


def _crop(picture: Array, region: tuple[int, int, int, int], border: int = cv2.BORDER_REFLECT_101) -> Array:
    """The region of a picture; what lies beyond the picture is made as `border` says."""
    height, width = picture.shape[:2]
    left, top, right, bottom = region
    beyond = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    inside = picture[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if not any(beyond):
        return inside
    return cv2.copyMakeBorder(inside, *beyond, border)


def _windows(region: tuple[int, int, int, int], size: tuple[int, ...]) -> tuple[Window, Window]:
    """Where the region's visible part lies: as (rows, columns) of the picture, and of the region."""
    height, width = size
    left, top, right, bottom = region
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    return (rows, columns), inside


def _premultiplied(rgb: Array, alpha: Array) -> Array:
    """(4, h, w) float32: colours times alpha in [0, 1], and alpha."""
    rgba = np.empty((4, *alpha.shape), np.float32)
    rgba[3] = alpha
    for channel in range(3):
        np.multiply(rgb[..., channel], alpha * np.float32(1 / 255), out=rgba[channel])
    return rgba


def _interleaved(planes: Tensor) -> Array:
    """uint8 (C, H, W) -> (H, W, C) on the CPU."""
    return np.asarray(cv2.merge(list(planes.cpu().numpy())))
