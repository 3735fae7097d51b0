"""The content of a procedural sample, drawn at random: which objects, where, in which colours, and how all of it moves.

Motions are distributed as in FlyingChairs: of a translation, a turn and a zoom, each a normal number raised to a power
with its sign kept and clipped, so that most things move little and some very far; objects have a motion of their own
on top of the background's.

Source: Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015, section 4 and its
supplement; the numbers are set by FlyingChairs itself. Deviations: some objects and backgrounds bend, some objects have
a part that swings about a joint, they are 25 to 225 pixels large (half as much again in frames of 384 pixels), and a
part of the samples has motion blur, blur or a change of brightness.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from photoflow.data.layers import CELLS, STEEPEST, Layers, affine, smooth_fields

REFERENCE = 256  # pixels of a frame's shorter side; in smaller ones objects and motions are smaller in proportion
SIDES = (40, 64, 96, 128, 192, 256)  # of canvases, at REFERENCE
SIDE_SHARES = (0.10, 0.18, 0.20, 0.20, 0.19, 0.13)
OBJECTS = (5, 10)  # in REFERENCE x REFERENCE
MARGIN = 32  # of the background's canvas around the frame; beyond it the canvas is mirrored
ARTICULATED = 0.25
BENT, BENT_BACKGROUND = 0.3, 0.15
TEXTURED = 0.5  # of the objects, wholly or partly
TEXTURES = 0.25  # procedural ones among textures; of backgrounds a fifth of that
MOTION_BLUR, BLUR, BRIGHTNESS = 0.2, 0.2, 0.3


@dataclass(frozen=True)
class Habit:
    """A kind of random motion: the standard deviation of the number that is raised to a power; the largest shift in x
    and in y, pixels, turn, radians, and logarithm of the zoom; how often it turns and zooms at all."""

    spread: float
    shift: float
    turn: float
    zoom: float
    turns: float
    zooms: float


BACKGROUND = Habit(spread=1.0, shift=40, turn=0.17, zoom=0.07, turns=0.25, zooms=0.25)
OBJECT = Habit(spread=1.25, shift=90, turn=0.5, zoom=0.1, turns=0.7, zooms=0.7)


@dataclass(frozen=True)
class Scene:
    """Samples to be painted. L layers: see `Layers`; the numbers of backgrounds that only objects have are unused.

    Args:
        layers: where everything is.
        side: (L,) long, index of the canvas's side; -1: a background.
        shape: (L,), which of the shapes of that side, in [0, 1).
        colours: (L, 3, 3), of the three colours of a shape, RGB in [0, 1].
        texture: (L,), how much of an object's colour is replaced by a texture, 0 to 1.
        cut: (L, 5), where texture or background are cut from: see `PictureBank.crops`.
        shutter: (L,), the share of the time from 0 to 1 for which a frame is exposed.
        time: (B,), of the middle frame.
        blur: (B,), standard deviation in pixels.
        gain: (B,) and
        lift: (B,), what a frame's brightness is multiplied with at time 1, and what is added.
    """

    layers: Layers
    side: Tensor
    shape: Tensor
    colours: Tensor
    texture: Tensor
    cut: Tensor
    shutter: Tensor
    time: Tensor
    blur: Tensor
    gain: Tensor
    lift: Tensor

    @staticmethod
    def joined(parts: list[Scene]) -> Scene:
        """Join several samples into one."""
        names = [field.name for field in fields(Scene) if field.name != "layers"]
        values = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return Scene(Layers.joined([part.layers for part in parts]), **values)


def scale_of(size: tuple[int, int]) -> float:
    """Return the scale of objects in frames of a (height, width), 1 at REFERENCE; motions do not grow beyond that."""
    return min(1.5, min(size) / REFERENCE)


def sides_of(size: tuple[int, int]) -> tuple[int, ...]:
    """Return the sides of the canvases for frames of a (height, width)."""
    return tuple(max(16, round(side * scale_of(size))) for side in SIDES)


def draw_scene(size: tuple[int, int], generator: torch.Generator) -> Scene:
    """Draw one sample for frames of a (height, width)."""
    scale = scale_of(size)
    often = max(1.0, size[0] * size[1] / (REFERENCE * scale) ** 2) ** 0.75  # large frames are not as full
    low, high = (round(often * count) for count in OBJECTS)
    objects = int(torch.randint(low, high + 1, (), generator=generator))
    side = torch.multinomial(torch.tensor(SIDE_SHARES), objects, replacement=True, generator=generator)
    layers = _draw_layers(size, torch.tensor(sides_of(size), dtype=torch.float64)[side], generator)
    smears, exposed, time, blurs, sigma, brightens, gain, lift = _uniform(generator, 8, 1)
    none, count = torch.zeros(1), objects + 1
    return Scene(
        layers,
        side=torch.cat([torch.tensor([-1]), side]),
        shape=_uniform(generator, count),
        colours=_colours(_uniform(generator, count, 3, 3), _uniform(generator, count, 2)),
        texture=_textured(_uniform(generator, count, 2)),
        cut=_uniform(generator, count, 5),
        shutter=torch.where(smears < MOTION_BLUR, 0.1 + 0.4 * exposed, none).expand(count),
        time=0.1 + 0.8 * time,
        blur=torch.where(blurs < BLUR, 0.3 + 0.9 * sigma, none),
        gain=torch.where(brightens < BRIGHTNESS, 0.9 + 0.2 * gain, none + 1),
        lift=torch.where(brightens < BRIGHTNESS, 0.06 * (lift - 0.5), none),
    )


def _draw_layers(size: tuple[int, int], sides: Tensor, generator: torch.Generator) -> Layers:
    """Draw places, motions and bends of a background and of objects on canvases of these sides (N,)."""
    height, width = size
    objects, scale = len(sides), scale_of(size)
    middle = torch.tensor([[(width - 1) / 2, (height - 1) / 2]], dtype=torch.float64)
    centres = (1.2 * _uniform(generator, objects, 2) - 0.1) * torch.tensor([width, height])
    swings, centres, joints = _joints(centres, sides, _uniform(generator, objects, 3))
    place = torch.cat([middle, centres])
    canvas = torch.cat([middle + MARGIN, (sides[:, None] - 1).expand(-1, 2) / 2])
    linear = _standing(objects, generator)
    start = affine(linear, place - (linear @ canvas[..., None])[..., 0])

    # Each moves with the background, with itself or the object before, on which it hangs, and about its joint.
    camera = _motion(middle, BACKGROUND, scale, generator)
    own = _motion(centres, OBJECT, scale, generator)
    own = torch.where(swings[:, None], own.roll(1, 0), own)
    swing = torch.cat([joints, torch.zeros(objects, 4, dtype=torch.float64)], 1)
    swing[:, 4] = (0.35 * _normal(generator, objects)).clamp(-0.8, 0.8) * swings
    still = torch.zeros(1, 6, dtype=torch.float64)
    chain = torch.stack([camera.expand(objects + 1, 6), torch.cat([still, own]), torch.cat([still, swing])], 1)

    reach = torch.cat([torch.tensor([max(size) + 2.0 * MARGIN]), 1.2 * sides])
    often = torch.tensor([BENT_BACKGROUND] + objects * [BENT])
    most = torch.tensor([STEEPEST / 2] + objects * [STEEPEST])
    steepness = (0.2 + 0.8 * _uniform(generator, objects + 1)) * most * (_uniform(generator, objects + 1) < often)
    bend = smooth_fields(_normal(generator, objects + 1, 2, 3, 3), steepness, reach / CELLS)
    sample = torch.zeros(objects + 1, dtype=torch.long)
    return Layers(sample, start, chain, bend, place - reach[:, None] / 2, reach / CELLS)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _standing(objects: int, generator: torch.Generator) -> Tensor:
    """Turn a background and objects, make them smaller or larger and narrower: maps (1 + objects, 2, 2)."""
    turn = torch.cat([0.1 * _normal(generator, 1), 0.3 * _normal(generator, objects)])
    grown = torch.cat([1 / (0.7 + 0.35 * _uniform(generator, 1)), 0.8 + 0.2 * _uniform(generator, objects)])
    narrow = torch.cat([torch.ones(1), 0.75 + 0.25 * _uniform(generator, objects)])
    x, y = grown * turn.cos(), grown * turn.sin()
    return torch.stack([x * narrow, -y, y * narrow, x], 1).reshape(-1, 2, 2)


def _motion(centre: Tensor, habit: Habit, scale: float, generator: torch.Generator) -> Tensor:
    """Draw similarities (N, 6) about centres (N, 2)."""
    heavy = habit.spread * _normal(generator, len(centre), 4)
    shift = (heavy[:, :2].sign() * heavy[:, :2].abs() ** 4).clamp(-habit.shift, habit.shift) * min(1.0, scale)
    change = (heavy[:, 2:].sign() * heavy[:, 2:].square() / 4).clamp(-1, 1) * torch.tensor([habit.turn, habit.zoom])
    often = torch.tensor([habit.turns, habit.zooms])
    return torch.cat([centre, shift, change * (_uniform(generator, len(centre), 2) < often)], 1)


def _joints(centres: Tensor, sides: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hang some objects on the one before.

    Returns:
        whether each hangs (N,), where the objects are now (N, 2), and the joint about which each swings (N, 2).
    """
    swings = uniform[:, 0] < ARTICULATED
    swings[:1] = False
    swings[1:] &= ~swings[:-1]  # never on one that hangs itself
    angles = uniform[:, 1:3] * 6.28
    ways = torch.stack([angles.cos(), angles.sin()], -1)  # (N, 2 ends, 2)
    joint = centres.roll(1, 0) + 0.3 * sides.roll(1, 0)[:, None] * ways[:, 0]
    hung = joint + 0.3 * sides[:, None] * ways[:, 1]
    return swings, torch.where(swings[:, None], hung, centres), torch.where(swings[:, None], joint, centres)


def _colours(uniform: Tensor, kind: Tensor) -> Tensor:
    """Return colours (N, 3, 3): a third nearly black, a third grey, the others as they come."""
    grey = uniform.mean(-1, keepdim=True).expand_as(uniform)
    coloured = torch.where(kind[:, :1, None] < 0.66, grey + 0.15 * (uniform - 0.5), uniform)
    return torch.where(kind[:, :1, None] < 0.33, 0.15 * coloured, coloured).clamp(0, 1)


def _textured(uniform: Tensor) -> Tensor:
    """Return a texture's share of each object's colour: nothing, some or all."""
    some = torch.where(uniform[:, 1] < 0.5, 1.0, 1.2 * (uniform[:, 1] - 0.5))
    return torch.where(uniform[:, 0] < TEXTURED, some, 0)
