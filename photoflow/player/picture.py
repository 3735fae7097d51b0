"""A clip as a moving picture: layers as images on meshes, and how their nodes move."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.field import DrawnField, MotionField, SumField
from photoflow.player.images import Image, Images
from photoflow.player.mesh import Mesh
from photoflow.player.modes import Modes, encoded
from photoflow.player.pulling import Pull
from photoflow.render.camera import CameraRenderer, Card
from photoflow.render.cutout import Box, support
from photoflow.render.flowing import FlowingLayer
from photoflow.render.layered import LayeredRenderer, SubjectLayer
from photoflow.render.renderer import Renderer

VERSION = 1
RATE, MOST_SAMPLES = 30.0, 600  # moments a second at which displacements are kept, and at most in all
STEP = 8  # pixels from one node of the background to the next, or a multiple
LEAST_SHEET = 4  # nodes along a side from which a picture can be pulled as a whole
REGION_STEP = 4  # pixels from one node to the next of the grid on which a region's motion is planned: ripples are fine

Places = Callable[[Array, float], Array]  # where points (h, w, 2) of the photo are seen at a time


@dataclass(frozen=True)
class Pass:
    """One look at a region whose material flows.

    Args:
        reads: where each node looks in the photo, from its own place, pixels; None: at its own place.
        weights: (T,) in [0, 1], of the look at each moment.
    """

    reads: Modes | None
    weights: Array


@dataclass(frozen=True)
class PlayedLayer:
    """A layer of a moving picture.

    Args:
        name: of the layer.
        mesh: over its image.
        image: uint8 (h, w, 3), or (h, w, 4) not premultiplied, over the mesh's box.
        opacity: uint8 (h, w), where it is not in the image: that stays in place while the colours flow.
        moves: displacement of the nodes, pixels; None: they rest.
        passes: of a region; else none.
        order: float32 (rows, columns) in [-0.5, 0.5], of two passes: when each block of 8 x 8 pixels changes over.
        nearness: uint8 (rows, columns), of each node, where the layer may hide itself.
        pull: what a hand can do with it.
    """

    name: str
    mesh: Mesh
    image: Array
    opacity: Array | None = None
    moves: Modes | None = None
    passes: tuple[Pass, ...] = ()
    order: Array | None = None
    nearness: Array | None = None
    pull: Pull | None = None

    def document(self, image: str, opacity: str | None) -> dict[str, Any]:
        """Return it as the player reads it, with the names of its images."""
        left, top, right, bottom = self.mesh.box
        rows, columns = self.mesh.size
        return {
            "name": self.name, "image": image, "opacity": opacity, "box": [left, top, right - left, bottom - top],
            "step": self.mesh.step, "columns": columns, "rows": rows,
            "nearness": None if self.nearness is None else encoded(self.nearness),
            "moves": self.moves and self.moves.document(),
            "passes": [
                {"reads": one.reads and one.reads.document(), "weights": encoded(one.weights.astype("<f4"))}
                for one in self.passes
            ] or None,
            "order": None if self.order is None else {
                "columns": self.order.shape[1], "rows": self.order.shape[0], "values": encoded(self.order),
            },
            "pull": self.pull and self.pull.document(),
        }  # fmt: skip


@dataclass(frozen=True)
class MovingPicture:
    """A clip as a player shows it anew at any time.

    Args:
        width, height: of the picture, pixels.
        seconds: length of the clip.
        loop: whether its end leads into its beginning.
        layers: from the background to the one in front.
    """

    width: int
    height: int
    seconds: float
    loop: bool
    layers: tuple[PlayedLayer, ...]

    def pullable(self) -> MovingPicture:
        """Return the picture so that something in it can be pulled: all of it as one where nothing was cut out."""
        first, *others = self.layers
        if any(layer.pull for layer in self.layers) or min(first.mesh.size) < LEAST_SHEET:
            return self
        return replace(self, layers=(replace(first, pull=Pull.of_all(first.mesh)), *others))

    def document(self, url: Callable[[Image], str], images: Images | None = None) -> dict[str, Any]:
        """Return the picture as the player reads it, of JSON's types alone.

        Args:
            url: returns where the player finds an image.
            images: encodes them.
        """
        images = images or Images()
        found: dict[str, str] = {}

        def name(picture: Array | None) -> str | None:
            if picture is None:
                return None
            found[str(len(found))] = url(images.of(picture))
            return str(len(found) - 1)

        layers = [layer.document(str(name(layer.image)), name(layer.opacity)) for layer in self.layers]
        return {
            "version": VERSION, "width": self.width, "height": self.height, "seconds": self.seconds, "loop": self.loop,
            "images": found, "layers": layers,
        }  # fmt: skip


def moving_picture(renderer: Renderer, seconds: float, loop: bool) -> MovingPicture:
    """Return what a renderer draws as a moving picture.

    Every displacement is planned on a coarse grid, looked at 30 times a second and kept as a few shapes with changing
    amounts; a player shows it within a pixel or so of what the renderer draws, and softens what it reads a little. Lids
    and irises, which are finer than that grid, rest.

    Args:
        renderer: draws layers, seen by a camera or not.
        seconds: length of the clip.
        loop: whether its end leads into its beginning.

    Raises:
        InputError: it draws in another way: with a generator, or frames between keyframes.
    """
    times = sample_times(seconds, loop)
    if isinstance(renderer, CameraRenderer):
        flat, cards, places = renderer.flat, renderer.cards, renderer.places
    elif isinstance(renderer, LayeredRenderer):
        flat, cards, places = renderer, (), None
    else:
        raise InputError("html: expected the renderer splat, and no frames between keyframes")
    layers = [_background(flat.background, renderer, times, places)]
    for layer in flat.layers:
        if isinstance(layer, FlowingLayer):
            layers.append(_region(layer, times, places))
        elif isinstance(layer, SubjectLayer):
            layers.append(_subject(layer, times, places))
    layers += [_subject(card.subject, times, _of_card(places, card)) for card in cards]
    height, width = flat.background.shape[:2]
    return MovingPicture(width, height, float(seconds), loop, tuple(layers))


def sample_times(seconds: float, loop: bool) -> list[float]:
    """Return the moments at which displacements are kept: of a loop without its end, which is its beginning."""
    count = max(2, min(MOST_SAMPLES, math.ceil(RATE * seconds)))
    return [float(t) for t in np.linspace(0, seconds, count, endpoint=not loop)]


def _background(picture: Array, renderer: Any, times: Sequence[float], places: Places | None) -> PlayedLayer:
    mesh = Mesh.over((0, 0, picture.shape[1], picture.shape[0]), STEP)
    nearness = None
    if isinstance(renderer, CameraRenderer) and renderer.edged:
        depths = renderer.depths(mesh.nodes())
        span = max(float(np.ptp(depths)), 1e-6)
        nearness = np.rint(255 * (depths - depths.min()) / span).astype(np.uint8)
    return PlayedLayer("background", mesh, picture, moves=_moves(mesh, times, None, places), nearness=nearness)


def _subject(layer: SubjectLayer, times: Sequence[float], places: Places | None) -> PlayedLayer:
    rgba = layer.planes()[0].permute(1, 2, 0).cpu().numpy()
    image, box = _straight(rgba, layer.region, layer.box, layer.goes_on)
    mesh, step = Mesh.over(box, layer.step), layer.step
    field, every = _smooth(layer.field_over(Mesh(box, step).region, step)), mesh.step // step

    def own(t: float) -> Array:
        flow = field.flow(t).cpu().numpy() * step
        return _nodes_of(flow, every, mesh.size)

    moves = _moves(mesh, times, own, places)
    return PlayedLayer(layer.name, mesh, image, moves=moves, pull=Pull.of(layer, mesh))


def _region(layer: FlowingLayer, times: Sequence[float], places: Places | None) -> PlayedLayer:
    mesh, field = Mesh.over(layer.box, REGION_STEP), layer.field_over(REGION_STEP)
    every = mesh.step // REGION_STEP
    field = field.smooth() if isinstance(field, DrawnField) else field
    looks = [field.sources(t) for t in times]
    count = max(len(look) for look in looks)
    reads, weights = np.zeros((count, len(times), 2, *mesh.size), np.float32), np.zeros((count, len(times)))
    for i, look in enumerate(looks):
        # A pass without weight is not among them: a single one is that which had more of it just before.
        first = int(weights[:, i - 1].argmax()) if i and len(look) < count else 0
        for number, (flow, weight) in enumerate(look, first):
            reads[number, i] = _nodes_of(flow.cpu().numpy() * REGION_STEP, every, mesh.size)
            weights[number, i] = weight
    passes = tuple(Pass(Modes.of(read), weight) for read, weight in zip(reads, weights))
    rgba = layer.rgba
    return PlayedLayer(
        layer.name, mesh, np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]),
        _moves(mesh, times, None, places), passes, layer.order if count > 1 else None,
    )  # fmt: skip


def _moves(
    mesh: Mesh, times: Sequence[float], own: Callable[[float], Array] | None, places: Places | None
) -> Modes | None:
    """Return the displacements of a mesh's nodes: by the layer's own motion, then by the camera's."""
    if own is None and places is None:
        return None
    rest, flows = mesh.nodes(), []
    for t in times:
        points = rest if own is None else rest + own(t).transpose(1, 2, 0)
        flows.append(((points if places is None else places(points, t)) - rest).transpose(2, 0, 1))
    return Modes.of(np.stack(flows).astype(np.float32))


def _smooth(field: MotionField) -> MotionField:
    """Return a subject's field without what slides over another in it."""
    if isinstance(field, SumField):
        return SumField([_smooth(part) for part in field.fields])
    return field.smooth() if isinstance(field, DrawnField) else field


def _of_card(places: Any, card: Card) -> Places:
    return lambda points, t: places(points, t, card)


def _nodes_of(flow: Array, every: int, size: tuple[int, int]) -> Array:
    """Return every so manyth node of a field (2, h, w), and the last ones as often as a mesh goes on beyond them."""
    nodes = flow[:, ::every, ::every][:, : size[0], : size[1]]
    short = [(0, 0), (0, size[0] - nodes.shape[1]), (0, size[1] - nodes.shape[2])]
    return np.pad(nodes, short, mode="edge")


def _straight(rgba: Array, region: Box, box: Box, goes_on: bool) -> tuple[Array, Box]:
    """Return a drawn subject as uint8 (h, w, 4), not premultiplied, and its box of the picture.

    Args:
        rgba: (H, W, 4) float32, premultiplied.
        region: its box of the picture.
        box: the part of that in which the subject is within the picture.
        goes_on: whether what is beyond the picture is wanted, too.
    """
    corner, whole = np.array(region[:2] * 2), np.array(box)
    if goes_on:
        seen = np.array(support(rgba[..., 3])) + corner
        whole = np.concatenate([np.minimum(seen[:2], box[:2]), np.maximum(seen[2:], box[2:])])
    left, top, right, bottom = whole - corner
    part = rgba[top:bottom, left:right]
    colours = part[..., :3] / np.maximum(part[..., 3:], 1 / 510)
    image = np.rint(255 * np.dstack([colours, part[..., 3]])).clip(0, 255).astype(np.uint8)
    left, top, right, bottom = whole.tolist()
    return image, (left, top, right, bottom)
