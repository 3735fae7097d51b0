"""What a procedural sample shows, drawn at random: which objects, where, in which colours, and how all of it moves.

Motions are distributed as in FlyingChairs: of a translation, a turn and a zoom, each a normal number raised to a power
with its sign kept and clipped, so that most things move little and some very far; objects have a motion of their own
on top of the background's.

Source: Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015, section 4 and its
supplement. Deviations: some objects and backgrounds bend, some objects have a part that swings about a joint, sizes
begin at 24 pixels, and a part of the samples has motion blur, blur or a change of brightness.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from photoflow.data.layers import CELLS, STEEPEST, Layers, affine, similarity, smooth_fields

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
    """How something moves: the standard deviation of the number that is raised to a power; the largest shift in x and
    in y, pixels, turn, radians, and logarithm of the zoom; how often it turns and zooms at all."""

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
        """Several samples in one."""
        names = [field.name for field in fields(Scene) if field.name != "layers"]
        values = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return Scene(Layers.joined([part.layers for part in parts]), **values)


def scale_of(size: tuple[int, int]) -> float:
    """How large objects are in frames of a (height, width), 1 at REFERENCE; motions do not grow beyond that."""
    return min(1.5, min(size) / REFERENCE)


def sides_of(size: tuple[int, int]) -> tuple[int, ...]:
    """The sides of the canvases for frames of a (height, width)."""
    return tuple(max(16, round(side * scale_of(size))) for side in SIDES)


def draw_scene(size: tuple[int, int], generator: torch.Generator) -> Scene:
    """One sample for frames of a (height, width)."""
    height, width = size
    scale = scale_of(size)
    often = max(1.0, height * width / (REFERENCE * scale) ** 2) ** 0.75  # large frames are not as full
    low, high = (round(often * count) for count in OBJECTS)
    objects = int(torch.randint(low, high + 1, (), generator=generator))

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    count = objects + 1
    side = torch.multinomial(torch.tensor(SIDE_SHARES), objects, replacement=True, generator=generator)
    sides = torch.tensor(sides_of(size), dtype=torch.float64)[side]
    middle = torch.tensor([[(width - 1) / 2, (height - 1) / 2]], dtype=torch.float64)

    # Where they stand in the frame of time 0.
    centres = (uniform(objects, 2) * 1.2 - 0.1) * torch.tensor([width, height])
    swings, centres, joints = _joints(centres, sides, uniform(objects, 4))
    turned = torch.cat([0.1 * normal(1), 0.3 * normal(objects)])
    grown = torch.cat([1 / (0.7 + 0.35 * uniform(1)), 0.8 + 0.2 * uniform(objects)])
    flat = torch.cat([torch.ones(1, dtype=torch.float64), 0.75 + 0.25 * uniform(objects)])
    canvas = torch.cat([middle + MARGIN, (sides[:, None] - 1).expand(-1, 2) / 2])
    place = torch.cat([middle, centres])
    shrink = torch.diag_embed(torch.stack([grown * flat, grown], 1))
    none = torch.zeros(count, 2, dtype=torch.float64)
    turn = similarity(none, none, turned, torch.zeros(count, dtype=torch.float64))[:, :2, :2]
    linear = turn @ shrink
    start = affine(linear, place - (linear @ canvas[..., None])[..., 0])

    # How they move: with the background, with the object that they hang on, and on their own.
    camera = _motion(middle, normal(1, 4), uniform(1, 2), BACKGROUND, scale)
    own = _motion(centres, normal(objects, 4), uniform(objects, 2), OBJECT, scale)
    swing = torch.zeros(objects, 6, dtype=torch.float64)
    swing[:, :2] = joints
    swing[:, 4] = torch.where(swings, 0.35 * normal(objects), 0).clamp(-0.8, 0.8)
    own = torch.where(swings[:, None], own.roll(1, 0), own)  # the object before is the one that it hangs on
    still = torch.zeros(1, 6, dtype=torch.float64)
    chain = torch.stack([camera.expand(count, 6), torch.cat([still, own]), torch.cat([still, swing])], 1)

    # How they bend.
    reach = torch.cat([torch.tensor([max(size) + 2.0 * MARGIN], dtype=torch.float64), 1.2 * sides])
    bends = uniform(count) < torch.cat([torch.tensor([BENT_BACKGROUND]), torch.full((objects,), BENT)])
    steepness = (0.2 + 0.8 * uniform(count)) * torch.cat(
        [torch.tensor([STEEPEST / 2]), torch.full((objects,), STEEPEST)]
    )
    pitch = reach / CELLS
    bend = smooth_fields(normal(count, 2, 3, 3).float(), torch.where(bends, steepness, 0).float(), pitch.float())
    layers = Layers(torch.zeros(count, dtype=torch.long), start, chain, bend, place - reach[:, None] / 2, pitch)

    chosen = uniform(8)
    exposed = 0.1 + 0.4 * chosen[1] if chosen[0] < MOTION_BLUR else 0 * chosen[1]
    return Scene(
        layers,
        torch.cat([torch.tensor([-1]), side]),
        uniform(count),
        _colours(uniform(count, 3, 3), uniform(count, 2)),
        _textured(uniform(count, 2)),
        uniform(count, 5),
        exposed.expand(count),
        (0.1 + 0.8 * chosen[2:3]),
        torch.where(chosen[3:4] < BLUR, 0.3 + 0.9 * chosen[4:5], 0),
        torch.where(chosen[5:6] < BRIGHTNESS, 0.9 + 0.2 * chosen[6:7], 1),
        torch.where(chosen[5:6] < BRIGHTNESS, 0.06 * (chosen[7:8] - 0.5), 0),
    )


def _motion(centre: Tensor, normal: Tensor, uniform: Tensor, habit: Habit, scale: float) -> Tensor:
    """Similarities (N, 6) about centres (N, 2)."""
    heavy = habit.spread * normal
    shift = (heavy[:, :2].sign() * heavy[:, :2].abs() ** 4).clamp(-habit.shift, habit.shift) * min(1.0, scale)
    change = heavy[:, 2:].sign() * heavy[:, 2:].square() * torch.tensor([habit.turn, habit.zoom]) / 4
    change = change.clamp(min=-torch.tensor([habit.turn, habit.zoom]), max=torch.tensor([habit.turn, habit.zoom]))
    often = torch.tensor([habit.turns, habit.zooms])
    return torch.cat([centre, shift, change * (uniform < often)], 1)


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
    """Colours (N, 3, 3): a third nearly black, a third grey, the others as they come."""
    grey = uniform.mean(-1, keepdim=True).expand_as(uniform)
    coloured = torch.where(kind[:, :1, None] < 0.66, grey + 0.15 * (uniform - 0.5), uniform)
    return torch.where(kind[:, :1, None] < 0.33, 0.15 * coloured, coloured).clamp(0, 1)


def _textured(uniform: Tensor) -> Tensor:
    """How much of an object's colour is a texture's: nothing, some or all."""
    some = torch.where(uniform[:, 1] < 0.5, 1.0, 1.2 * (uniform[:, 1] - 0.5))
    return torch.where(uniform[:, 0] < TEXTURED, some, 0)
