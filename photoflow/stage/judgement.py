"""Judgement: how each layer moves, where nobody says it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from photoflow.errors import InputError
from photoflow.motion import Auto, Breathe, Camera, Drift, Face, Float, Motion, Poke, Spectral, Water
from photoflow.motion.motion import Scaled
from photoflow.stage.layer import Layer
from photoflow.stage.stage import Stage

Part = tuple[int | str | None, Motion]  # the number or name of a layer, None where none is named, and its motion

PUSH = 0.05  # by which what is in focus grows: seen, and soon forgotten
CLOUDS, SMOKE, RIVER = 0.018, 0.02, 0.02  # longest sides of the picture a second
LEAST_LAKE = 0.15  # of the picture: on less water, far away, no ripples are seen
ALL_OVER = 0.6  # of the picture: of fewer leaves the rest would look frozen

# A layer that is nobody's subject moves by what it is; what is not in here stays as rigid as it is.
MOTIONS: dict[str, Callable[[Layer], Motion | None]] = {
    "person": lambda layer: Breathe(strength=0.3),
    "animal": lambda layer: Breathe(strength=0.4),
    "plant": lambda layer: Spectral("foliage" if layer.region else "plant", wind=0.4),
    "cloth": lambda layer: Spectral("flag", wind=0.4),
    "flame": lambda layer: Spectral("candle", wind=0.4),
    "hanging": lambda layer: Spectral("lantern", wind=0.3),
    "sky": lambda layer: _flowing(layer, CLOUDS),
    "smoke": lambda layer: _flowing(layer, SMOKE),
    "water": lambda layer: _flowing(layer, RIVER) or _rippling(layer),
}
LIKE = {"cloth": "flag", "flame": "candle", "hanging": "lantern"}  # as what a thing yields to a hand; else as a plant
# Where one of these moves, the camera rests, and it alone is looked at. Everything else moves little, or must not.
LIVELY = ("plant", "cloth", "flame", "hanging")
# Beside one of these the camera moves all the same.
FILMED = ("person", "animal", "rigid", "unknown")


def chosen(stage: Stage, faces: Sequence[tuple[str, Face]] = ()) -> list[tuple[str | None, Motion]]:
    """Choose how each layer of a stage moves, and whether the camera does.

    Args:
        stage: its layers are judged by what they are (`photoflow.segment.kinds`).
        faces: the names of layers that have a face, and how each of these lives.

    Returns:
        (name of a layer, its motion), in the order of the layers; (None, Camera) where the camera moves. Never empty.
    """
    parts: list[tuple[str | None, Motion]] = []
    for layer in stage.layers:
        own = motion_for(layer)
        if own is not None:
            parts.append((layer.name, own))
        parts += [(name, _beside(own, face)) for name, face in faces if name == layer.name]
    if not any(map(_is_lively, stage.layers)) or any(layer.kind.name in FILMED for layer in stage.layers):
        parts.append((None, Camera(push=PUSH)))
    return parts


def _beside(own: Motion | None, face: Face) -> Face:
    """Return how a face lives on a layer that moves itself: one breath is enough."""
    return replace(face, breath=0.0) if isinstance(own, Breathe) else face


def _is_lively(layer: Layer) -> bool:
    """Return whether a layer stirs by itself and is what is looked at: a thing, or leaves nearly everywhere."""
    return layer.kind.name in LIVELY and (not layer.region or layer.mask.mean() > 255 * ALL_OVER)


def motion_for(layer: Layer) -> Motion | None:
    """Return how a layer moves by what it is; None: it stays as it is."""
    choose = MOTIONS.get(layer.kind.name)
    return None if choose is None else choose(layer)


def pulled_like(layer: Layer, motion: Motion) -> str:
    """Return as what a layer yields to the hand that pulls it: the source of modes of `photoflow.motion.Poke`.

    That is what it moves like; where its motion is of no such kind, what it is.
    """
    for _, part in motion.terms():
        while isinstance(part, Scaled):
            part = part.motion
        if isinstance(part, Spectral):
            return part.source
        if isinstance(part, Poke):
            return part.like
    return LIKE.get(layer.kind.name, "plant")


def aimed(parts: Sequence[Part], subject: int | str) -> list[Part]:
    """Return the parts of a motion with what is chosen for one subject alone, where one is named: not 1, not "all"."""
    one = None if subject in (1, "all") else subject
    return [(one if target is None and chooses(motion) else target, motion) for target, motion in parts]


def resolved(
    parts: Sequence[Part], stage: Stage, film: bool = True, faces: Sequence[tuple[str, Face]] = ()
) -> list[Part]:
    """Return the parts of a motion with what is chosen in the place of `Auto`.

    Nothing is chosen for a layer, or for the camera, for which another part says a motion. Where nothing would move
    and the camera may not, the first subject hovers.

    Args:
        parts: see `photoflow.stage.plan.parts_of`.
        stage: has the layers.
        film: whether the camera may move.
        faces: see `chosen`; where a person says how faces live, none is chosen to.

    Raises:
        InputError: nothing moves then, or a part is for a layer that there is not, or one that had better stay as it
            is.
    """
    said = {stage.layer(target) for target, motion in parts if target is not None and not chooses(motion)}
    filmed = not film or any(motion.views for _, motion in parts)
    faces = () if any(_is_of_a_face(motion) for _, motion in parts) else faces
    out: list[Part] = []
    for target, motion in parts:
        if not chooses(motion):
            out.append((target, motion))
        elif target is None:
            free = [
                (name, own)
                for name, own in chosen(stage, faces)
                if not (filmed if name is None else stage.layer(name) in said)
            ]
            out += [(name, _in_place_of_auto(motion, own)) for name, own in free]
        else:
            layer = stage.layer(target)
            own = motion_for(layer)
            found = [_beside(own, face) for name, face in faces if name == layer.name]
            if own is None and not found:
                raise InputError(
                    f"auto: {layer.name} ({layer.kind.name}) had better stay as it is; expected a motion for it"
                )
            out += [(target, _in_place_of_auto(motion, one)) for one in (own, *found) if one is not None]
    if not out and stage.layers and not stage.layers[0].region:
        return [(stage.layers[0].name, Float(strength=0.3))]  # as a whole: it must not bend
    if not out:
        raise InputError("auto: nothing in the photo moves by itself, and the camera may not; expected a motion")
    return out


def needs_regions(target: int | str | None, motion: Motion, stage: Stage) -> bool:
    """Return whether a part of a motion speaks of the places that flow, which have to be looked for.

    It does where there is a camera, for which the sky is far, or where it is chosen what moves, unless a person said
    the layers; and where a layer is named that there is not.
    """
    if target is None and (chooses(motion) or motion.views):
        return not any(layer.given for layer in stage.layers)
    return isinstance(target, str) and target not in {layer.name for layer in stage.layers}


def chooses(motion: Motion) -> bool:
    """Return whether a motion is `Auto`, or `Auto` scaled."""
    while isinstance(motion, Scaled):
        motion = motion.motion
    return isinstance(motion, Auto)


def _is_of_a_face(motion: Motion) -> bool:
    """Return whether a motion is `Face`, or `Face` scaled."""
    while isinstance(motion, Scaled):
        motion = motion.motion
    return isinstance(motion, Face)


def _in_place_of_auto(motion: Motion, own: Motion) -> Motion:
    """Return `own`, scaled as `Auto` is scaled in a motion."""
    return Scaled(motion.factor, _in_place_of_auto(motion.motion, own)) if isinstance(motion, Scaled) else own


def _rippling(layer: Layer) -> Motion | None:
    """Return the ripples of still water, None where it is too small, or too far away, to show any."""
    return Water() if layer.mask.mean() > 255 * LEAST_LAKE else None


def _flowing(layer: Layer, speed: float) -> Motion | None:
    """Return the slow drift of a region, None where its material is still."""
    if layer.direction is None:
        return None
    x, y = layer.direction
    return Drift(direction=round(math.degrees(math.atan2(y, x))), speed=speed)
