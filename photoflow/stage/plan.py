"""The plan of a clip: which layer moves how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from photoflow.errors import InputError
from photoflow.motion import Auto, Camera, Motion, Spectral, Swing, Translate
from photoflow.motion.camera import unscaled
from photoflow.motion.motion import Scaled, Sum
from photoflow.motion.pinned import NEAR
from photoflow.segment import NoSubjectError
from photoflow.stage.layer import Layer
from photoflow.stage.stage import Stage

STILL = Translate(dx=0, dy=0)
CORD = 0.1  # of a thing's width: what is thinner at the border is a cord
GENTLE = 0.08  # push or pull up to which what stands in the picture is not cut out for the camera alone
FLAT_KINDS = ("sky", "water", "smoke")  # they do not stand on the ground


def parts_of(motion: Motion | Mapping[int | str, Motion] | None) -> list[tuple[int | str | None, Motion]]:
    """Return what moves how: (layer's number or name, or None where none is named; motion).

    Raises:
        InputError: it is no motion, or a motion for one layer names another.
    """
    if motion is None:
        return [(None, Auto())]
    if isinstance(motion, Motion):
        return list(motion.terms())
    if not isinstance(motion, Mapping) or not motion or not all(isinstance(one, Motion) for one in motion.values()):
        raise InputError(
            "motion: expected one of photoflow.motion, for instance Sway(), or a dictionary of them by layer, "
            f"got {motion!r}"
        )
    parts: list[tuple[int | str | None, Motion]] = []
    for name, one in motion.items():
        for target, part in one.terms():
            if target is not None:
                raise InputError(f"motion {part.name}: for layer {name!r} it names {target!r}; expected one of both")
            parts.append((name, part))
    return parts


def cameras_of(
    parts: Sequence[tuple[int | str | None, Motion]],
) -> tuple[list[tuple[float, Camera]], list[tuple[int | str | None, Motion]]]:
    """Divide what moves into cameras, each with the factor of its path, and what moves layers.

    Raises:
        InputError: a camera is for one layer.
    """
    cameras, others = [], []
    for name, motion in parts:
        if not motion.views:
            others.append((name, motion))
        elif name is None:
            cameras.append(unscaled(motion))
        else:
            raise InputError(f"camera: it moves the whole picture; expected no layer, got {name!r}")
    return cameras, others


def with_cards(
    subjects: Sequence[tuple[Layer, Motion]], stage: Stage, cameras: Sequence[tuple[float, Camera]]
) -> list[tuple[Layer, Motion]]:
    """Add the subjects that stay where they are to those that move, in the order of the stage.

    Before a camera they stand in front of what is behind them, too. They stay in the picture where they cannot be cut
    out, and where the camera moves so gently that nothing of what is behind them would come into view: then they and
    their surroundings are seen as one, and nothing can tear.
    """
    if stage.depth is None and all(_is_gentle(factor, camera) for factor, camera in cameras):
        return list(subjects)
    own = dict(subjects)
    still = dict(standing_still([layer for layer in stage.layers if stands(layer) and layer not in own]))
    return [(layer, own.get(layer, STILL)) for layer in stage.layers if layer in own or layer in still]


def standing_still(layers: Sequence[Layer]) -> list[tuple[Layer, Motion]]:
    """Return those of the layers that can be cut out, with the motion of what stays where it is."""
    return [(layer, STILL) for layer in layers if _can_be_cut_out(layer)]


def stands(layer: Layer) -> bool:
    """Return whether a layer is a thing that stands in the picture."""
    return not layer.region and layer.kind.name not in FLAT_KINDS


def _is_gentle(factor: float, camera: Camera) -> bool:
    return abs(factor) * max(camera.push, camera.pull) <= GENTLE and not (camera.orbit or camera.dolly)


def _can_be_cut_out(layer: Layer) -> bool:
    try:
        return bool((layer.levels == 0).any())
    except InputError:
        return False


def completed(plans: Sequence[tuple[Layer, Motion]], stage: Stage) -> list[tuple[Layer, Motion]]:
    """Add to layers what has to move with them: to what swings its cord, to what burns its flames.

    Args:
        plans: which layer moves how.
        stage: has the layers, in whose place it gets the new ones.
    """
    out = []
    for layer, motion in plans:
        own = layer
        own = own.with_cord() if any(_hangs(part) for _, part in motion.terms()) else own
        own = own.with_flames() if any(_is_wind(part, "candle") for _, part in motion.terms()) else own
        if own is not layer:
            stage.replace(layer, own)
        out.append((own, motion))
    return out


def turns_at_border(layer: Layer, motion: Motion) -> bool:
    """Return whether a layer hangs from a cord that the upper border cuts off, and turns about that point.

    There it rests by itself; held along the border, the cord would bend.
    """
    if not all(_hangs(part) for _, part in motion.terms()):
        return False
    bits = layer.mask > 127
    others = bits[-1].any() or bits[:, 0].any() or bits[:, -1].any()
    return bool(not others and 0 < bits[:NEAR].any(axis=0).sum() < CORD * bits.any(axis=0).sum())


def _hangs(motion: Motion) -> bool:
    """Return whether a motion turns a thing about its top."""
    inner = _unscaled(motion)
    return _is_wind(inner, "lantern") or (isinstance(inner, Swing) and inner.pivot == "top")


def _is_wind(motion: Motion, preset: str) -> bool:
    inner = _unscaled(motion)
    return isinstance(inner, Spectral) and inner.source == preset


def _unscaled(motion: Motion) -> Motion:
    while isinstance(motion, Scaled):
        motion = motion.motion
    return motion


def assign(
    parts: Sequence[tuple[int | str | None, Motion]], stage: Stage, subject: int | str
) -> list[tuple[Layer, Motion]]:
    """Return which layer moves how, for every layer that moves, in the order of the stage.

    Args:
        parts: motions with the number or name of their layer; those without one go to `subject`.
        stage: has the layers.
        subject: a number from 1 on, a name, or "all". What flows in place and names no layer takes the whole picture,
            where no person said a layer; so does what was optimised for all of it.

    Raises:
        InputError: there is no such layer, or motions do not go together.
        NoSubjectError: the stage has no layer.
    """
    if subject != 1 and all(name is not None for name, _ in parts):
        raise InputError(f"subject: expected a motion that names no layer, to move {subject!r}, got none")
    own: dict[Layer, list[Motion]] = {}
    picture = stage.whole_picture()
    said = any(layer.given for layer in stage.layers)
    for name, motion in parts:
        if name is None and subject == 1 and not said and all(part.everywhere for _, part in parts):
            targets: Sequence[Layer] = [picture]
        elif not stage.layers:
            raise NoSubjectError(stage.note or "the stage has no layer")
        elif name is None and subject == "all":
            targets = stage.layers
        else:
            targets = [stage.layer(subject if name is None else name)]
        for layer in targets:
            own.setdefault(layer, []).append(motion)
    for layer, motions in own.items():
        flowing = [one for one in motions if one.in_place]
        if flowing and (layer.free or layer.pinned):
            raise InputError(f"{flowing[0].name}: it flows inside {layer.name}; expected nothing free or pinned there")
        if len(motions) > 1 and flowing:
            raise InputError(
                f"{flowing[0].name}: it flows inside its region and cannot be added to another motion of it "
                f"({layer.name})"
            )
    order = [*stage.layers, picture]
    plans = sorted(own.items(), key=lambda plan: order.index(plan[0]))
    return [(layer, motions[0] if len(motions) == 1 else Sum(tuple(motions))) for layer, motions in plans]
