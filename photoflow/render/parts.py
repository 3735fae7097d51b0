"""The parts of a picture that move each in its own way, and where the pixels of each are at any time."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.render.camera import CameraRenderer, Card
from photoflow.render.flowing import FlowingLayer
from photoflow.render.layered import LayeredRenderer, SubjectLayer
from photoflow.render.renderer import Renderer

Corner = tuple[int, int]  # x, y of a part's first pixel in the photo; negative beyond the border
ROUNDS = 3  # by which what flows in place is followed
MARGIN = 0.125  # of the longest side: how far beyond the border the picture behind all is followed by a camera
ALONG = 4.0  # softmax weight of the longest displacement: what moves farther is in front, as in `SubjectLayer`


class Part(Protocol):
    """One part of the picture: the background, a region, a subject."""

    name: str | None  # of its layer; None: the background has none
    corner: Corner

    def at_rest(self) -> Tensor:
        """Return how opaque it is in the photo, (H, W) in [0, 1]."""

    def displacement(self, t: float) -> Tensor:
        """Return the way of each of its pixels from the photo to the frame at time `t`: (2, h, w), NaN beside it."""

    def step(self, t: float, later: float) -> tuple[Tensor, Tensor]:
        """Return the places at two times of what is seen at the first: two displacements of one grid, (2, h, w)."""

    def opacity(self, t: float, alone: bool = False) -> Tensor | None:
        """Return how opaque it is at each pixel of the frame, (H, W) in [0, 1]; None: everywhere.

        Args:
            t: seconds.
            alone: by itself, and not with what is drawn along around it.
        """


class Background:
    """Picture behind everything, which rests unless a camera moves.

    Args:
        size: (H, W) of the picture.
        margin: pixels beyond its border that are followed, too.
    """

    name: str | None = None

    def __init__(self, size: tuple[int, int], margin: int = 0) -> None:
        self.corner, self._size = (-margin, -margin), (size[0] + 2 * margin, size[1] + 2 * margin)
        self._picture = size

    def at_rest(self) -> Tensor:
        return torch.ones(self._picture)

    def displacement(self, t: float) -> Tensor:
        return torch.zeros(2, *self._size)

    def step(self, t: float, later: float) -> tuple[Tensor, Tensor]:
        return self.displacement(t), self.displacement(later)

    def opacity(self, t: float, alone: bool = False) -> Tensor | None:
        return None


class Subject:
    """A subject that moves over what is behind it."""

    def __init__(self, layer: SubjectLayer, size: tuple[int, int]) -> None:
        self.name: str | None = layer.name
        self._layer, self._size = layer, size
        rows, columns = layer.flow(0.0)[1]
        self.corner = columns.start, rows.start

    def at_rest(self) -> Tensor:
        return torch.from_numpy(self._layer.alpha)

    def displacement(self, t: float) -> Tensor:
        return self._layer.flow_around(t)[0].cpu().masked_fill(~self._layer.drawn().cpu(), torch.nan)

    def step(self, t: float, later: float) -> tuple[Tensor, Tensor]:
        return self.displacement(t), self.displacement(later)

    def opacity(self, t: float, alone: bool = False) -> Tensor | None:
        return _placed(*(self._layer.cutout(t) if alone else self._layer.render(t)), self._size)


class Region:
    """A region that stays in place while what is in it flows."""

    def __init__(self, layer: FlowingLayer, size: tuple[int, int]) -> None:
        self.name: str | None = layer.name
        self._layer, self._size = layer, size
        self.corner = layer.box[:2]

    def at_rest(self) -> Tensor:
        return _placed(*self._layer.cutout(0.0), self._size)  # it stays in place

    def displacement(self, t: float) -> Tensor:
        return self._layer.field.flow(t).cpu()

    def step(self, t: float, later: float) -> tuple[Tensor, Tensor]:
        """Return the same as any part; two passes may show there, of which the one that is seen more is followed."""
        before = max(self._layer.field.sources(t), key=lambda one: one[1])[0]
        passes = [flow for flow, _ in self._layer.field.sources(later)]
        after = min(passes, key=lambda flow: float((flow - before).abs().mean()))  # the same pass, a step on
        moved = torch.zeros_like(before)
        for _ in range(ROUNDS):  # x + before(x) = y + after(y), to be solved for y = x + moved
            moved = before - ops.backward_warp(after[None], moved[None].contiguous(), padding="border")[0]
        return torch.zeros_like(moved).cpu(), moved.cpu()

    def opacity(self, t: float, alone: bool = False) -> Tensor | None:
        return _placed(*self._layer.cutout(t), self._size)


class Seen:
    """A part that a camera sees.

    Args:
        part: as it is without the camera.
        renderer: has the camera.
        card: the part, where it is a card; without it the part is in the picture behind all cards.
    """

    def __init__(self, part: Part, renderer: CameraRenderer, card: Card | None = None) -> None:
        self.name, self.corner, self._part, self._renderer, self._card = part.name, part.corner, part, renderer, card

    def at_rest(self) -> Tensor:
        return self._part.at_rest()

    def displacement(self, t: float) -> Tensor:
        return self._through(self._part.displacement(t), t)

    def step(self, t: float, later: float) -> tuple[Tensor, Tensor]:
        start, end = self._part.step(t, later)
        return self._through(start, t), self._through(end, later)

    def opacity(self, t: float, alone: bool = False) -> Tensor | None:
        if self._card is not None:
            return _placed(*self._renderer.drawn(self._card, t, alone), tuple(self._part.at_rest().shape))
        flat = self._part.opacity(t)
        return None if flat is None else self._renderer.seen(flat[None].to(self._renderer.device), t)[0].cpu()

    def _through(self, flat: Tensor, t: float) -> Tensor:
        """Return displacements without the camera as displacements with it."""
        grid = grid_of(self.corner, flat.shape[1:])
        places = self._renderer.places((grid + flat.numpy()).transpose(1, 2, 0), t, self._card)
        return torch.from_numpy(np.ascontiguousarray(places.transpose(2, 0, 1) - grid, np.float32))


def parts_of(renderer: Renderer) -> list[Part]:
    """Return the parts that a renderer draws, from the one farthest behind to the one in front.

    Raises:
        InputError: a generator draws, or frames between keyframes are made: the picture has no parts then.
    """
    if isinstance(renderer, LayeredRenderer):
        size = renderer.background.shape[:2]
        return [Background(size), *_layers(renderer, size)]
    if isinstance(renderer, CameraRenderer):
        size = renderer.flat.background.shape[:2]
        behind: list[Part] = [Background(size, round(MARGIN * max(size))), *_layers(renderer.flat, size)]
        cards = [Seen(Subject(card.subject, size), renderer, card) for card in renderer.cards]
        return [*(Seen(part, renderer) for part in behind), *cards]
    raise InputError("export: expected the renderer splat, and no frames between keyframes")


def _layers(renderer: LayeredRenderer, size: tuple[int, int]) -> list[Part]:
    """Return the layers of a renderer as parts."""
    return [
        Region(layer, size) if isinstance(layer, FlowingLayer) else Subject(layer, size)
        for layer in renderer.layers
        if isinstance(layer, (FlowingLayer, SubjectLayer))
    ]


def owners(parts: list[Part], t: float, size: tuple[int, int]) -> Tensor:
    """Find which part is seen at each pixel of the frame at time `t`.

    Args:
        parts: from the one farthest behind to the one in front.
        t: seconds.
        size: (H, W) of the frame.

    Returns:
        int64 (H, W), the part's place in the list.
    """
    owner = torch.zeros(size, dtype=torch.int64)
    for place, part in enumerate(parts):
        opacity = part.opacity(t)
        if opacity is not None:
            owner[opacity > 0.5] = place
    return owner


def motion_vectors(parts: list[Part], t: float, later: float, owner: Tensor) -> Tensor:
    """Measure where each pixel of the frame at time `t` is at another time.

    A pixel belongs to one part, with no blend along edges, as compositing programs expect it. Where a part is seen of
    which nothing was in the photo (beyond the border), it moves as its nearest pixel.

    Args:
        parts: of the picture.
        t: seconds, of the frame.
        later: seconds, of the other frame; it may also be earlier.
        owner: int64 (H, W), which part is seen where, see `owners`.

    Returns:
        (2, H, W) float32, pixels, x right and y down.
    """
    total = torch.zeros(2, *owner.shape)
    for place, part in enumerate(parts):
        seen = owner == place
        if not seen.any():
            continue
        start, end = part.step(t, later)
        if not (start.nan_to_num().any() or end.nan_to_num().any()):
            continue  # it rests
        known, moved = _thrown(end - start, start, part.corner, tuple(owner.shape))
        total = torch.where(seen, _continued(moved, known & seen), total)
    return total


def grid_of(corner: Corner, size: torch.Size | tuple[int, ...]) -> Array:
    """Return the places of a part's pixels at rest, (2, h, w) float32, x then y."""
    x = np.arange(size[1], dtype=np.float32) + np.float32(corner[0])
    y = np.arange(size[0], dtype=np.float32) + np.float32(corner[1])
    return np.stack(np.broadcast_arrays(x[None], y[:, None]))


def _thrown(planes: Tensor, start: Tensor, corner: Corner, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Throw planes (C, h, w) along a part's displacements to the frame: where any arrived, (H, W), and (C, H, W)."""
    (x, y), (height, width) = corner, planes.shape[1:]
    left, top = max(0, -x), max(0, -y)  # of the canvas, which holds the part and the frame
    canvas = (max(top + size[0], top + y + height), max(left + size[1], left + x + width))
    rows, columns = slice(top + y, top + y + height), slice(left + x, left + x + width)
    flow = torch.full((1, 2, *canvas), torch.nan)
    flow[0, :, rows, columns] = start
    image = torch.zeros(1, planes.shape[0], *canvas)
    image[0, :, rows, columns] = planes.nan_to_num()
    length = torch.hypot(flow[:, :1], flow[:, 1:])
    metric = ALONG * length / length.nan_to_num().amax().clamp_min(1e-6)
    arrived, coverage = ops.forward_splat(image, flow, metric, mode="softmax")
    frame = slice(top, top + size[0]), slice(left, left + size[1])
    return coverage[0, 0][frame] > 0.25, arrived[0][:, frame[0], frame[1]]


def _continued(planes: Tensor, known: Tensor) -> Tensor:
    """Fill planes (C, H, W) where they are not known with what is known nearest."""
    if known.all() or not known.any():
        return planes if known.any() else torch.zeros_like(planes)
    kind = cv2.DIST_LABEL_PIXEL
    there = known.numpy()
    _, labels = cv2.distanceTransformWithLabels((~there).astype(np.uint8), cv2.DIST_L2, 5, labelType=kind)
    number = np.zeros(labels.max() + 1, np.int64)
    number[labels[there]] = np.flatnonzero(there)
    nearest = torch.from_numpy(number[labels])
    return planes.flatten(1)[:, nearest]


def _placed(rgba: Tensor, window: tuple[slice, slice], size: tuple[int, ...]) -> Tensor:
    """Return the opacity of what was drawn in a window as that of the whole frame, (H, W)."""
    whole = torch.zeros(size)
    whole[window] = rgba[3].cpu()
    return whole
