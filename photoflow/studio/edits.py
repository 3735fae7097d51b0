"""Edits: what a person does, each a function from a state to the next one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from photoflow.clip import frame_count
from photoflow.errors import InputError, shown
from photoflow.motion import Drift, Motion, Water, from_dict
from photoflow.segment.kinds import KINDS
from photoflow.stage import Stage
from photoflow.stage.judgement import CLOUDS, SMOKE, chosen, motion_for
from photoflow.stage.layer import Layer
from photoflow.studio.catalogue import NOT_SAID, word_of
from photoflow.studio.works import CAMERA, Motions, Settings, State, Work, changed

MOST_SECONDS, MOST_FPS = 60.0, 60.0  # of a clip: a render takes its turn among those of other people
MOST_MOTIONS = 16  # of a layer
MOST_NAMED = 64  # layers of a stage
MOST_KEY = 200  # characters
# Kinds of places in which something flows, and how, where the photo does not tell the direction.
FLOWS: Mapping[str, Motion] = {
    "water": Water(), "sky": Drift(direction=0, speed=CLOUDS), "smoke": Drift(direction=-90, speed=SMOKE),
}  # fmt: skip
FLOWING = tuple(FLOWS)

Edit = Mapping[str, Any]


def apply(work: Work, edit: Any) -> None:
    """Bring a work into the state that an edit says.

    Args:
        work: changed in place.
        edit: a JSON object: {"edit": NAME, ...}.

    Raises:
        InputError: it is none, or does not fit the work; then nothing has changed.
    """
    if not isinstance(edit, dict) or not isinstance(edit.get("edit"), str):
        raise InputError('edit: expected an object with "edit", the name of what is done')
    name, key = edit["edit"], edit.get("key")
    if key is not None and not (isinstance(key, str) and len(key) <= MOST_KEY):
        raise InputError(f"key: expected at most {MOST_KEY} characters, got {shown(key)}")
    said = {word: value for word, value in edit.items() if word not in ("edit", "key")}
    if name in ("undo", "redo"):
        _expect_words(name, said, ())
        work.undo() if name == "undo" else work.redo()
        return
    if name not in EDITS:
        raise InputError(f"edit: expected one of {', '.join([*EDITS, 'undo', 'redo'])}, got {shown(name)}")
    act, words = EDITS[name]
    _expect_words(name, said, words)
    work.change(lambda state: act(state, said), key)


def first_state(stage: Stage) -> State:
    """Return the state of a stage in which everything moves as it does by itself."""
    return State(stage, _chosen(stage))


def add(state: State, edit: Edit) -> State:
    """Add what points, a box or strokes show as a layer in front of all others, with the motion of such things."""
    stage = state.stage.snapshot()
    if len(stage.layers) >= MOST_NAMED:
        raise InputError(f"add: expected at most {MOST_NAMED} layers")
    region = _flag(edit, "region", False)
    name = edit.get("name") or _free_name(stage, "region" if region else "subject")
    kind = edit.get("kind")
    if kind is not None and kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, got {shown(kind)}")
    said = {word: _list(edit, word) for word in ("points", "not_points", "box", "strokes", "not_strokes")}
    stage.add(name, kind=kind, region=region, **{word: value or None for word, value in said.items()})
    if region and kind is None and stage.layer(name).kind.name not in FLOWING:
        stage.say_kind(name, _flowing_kind(stage.layer(name)))
    if not region:
        stage.arrange([name, *(layer.name for layer in state.stage.layers)])
    motions = {**state.motions, name: _said(stage.layer(name))}
    return changed(state, f"Add {name}", stage=stage, motions=motions)


def refine(state: State, edit: Edit) -> State:
    """Correct a layer by points and strokes."""
    name, stage = _layer(state, edit), state.stage.snapshot()
    stage.refine(name, add=_list(edit, "add"), remove=_list(edit, "remove"))
    return changed(state, f"Correct {name}", stage=stage)


def paint(state: State, edit: Edit) -> State:
    """Paint over a layer's mask, or erase of it."""
    name, stage, erase = _layer(state, edit), state.stage.snapshot(), _flag(edit, "erase", False)
    stage.paint(name, _list(edit, "strokes"), edit.get("size"), erase)  # type: ignore[arg-type]
    return changed(state, f"{'Erase' if erase else 'Paint'} {name}", stage=stage)


def switch(state: State, edit: Edit) -> State:
    """Leave a layer out, or take it in again."""
    name, on = _layer(state, edit), _flag(edit, "on")
    off = state.off - {name} if on else state.off | {name}
    return changed(state, f"Switch {name} {'on' if on else 'off'}", off=off)


def remove(state: State, edit: Edit) -> State:
    """Take a layer away."""
    name, stage = _layer(state, edit), state.stage.snapshot()
    stage.remove(name)
    motions = {own: motion for own, motion in state.motions.items() if own != name}
    return changed(state, f"Remove {name}", stage=stage, motions=motions, off=state.off - {name})


def rename(state: State, edit: Edit) -> State:
    """Give a layer another name."""
    name, new, stage = _layer(state, edit), edit.get("name"), state.stage.snapshot()
    stage.rename(name, new)  # type: ignore[arg-type]
    renamed = {new if own == name else own: motion for own, motion in state.motions.items()}
    off = frozenset(new if own == name else own for own in state.off)
    return changed(state, f"Rename {name}", stage=stage, motions=renamed, off=off)


def kind(state: State, edit: Edit) -> State:
    """Say what a layer is; where its motion was the one of such things, it gets that of these.

    Water, sky and smoke are places in which something flows; what is neither that nor made of leaves or flames is a
    thing.
    """
    name, stage = _layer(state, edit), state.stage.snapshot()
    stage.say_kind(name, edit.get("kind"))  # type: ignore[arg-type]
    before, layer = state.stage.layer(name), stage.layer(name)
    region = layer.kind.name in FLOWING or (before.region and layer.kind.name in ("plant", "flame"))
    if region != before.region:
        stage.replace(layer, layer.changed(region=region, free=(), pinned=()))
    motions = state.motions
    if region != before.region or motions.get(name, ()) in (_own(before), _said(before)):
        motions = {**motions, name: _said(stage.layer(name))}
    return changed(state, f"Say what {name} is", stage=stage, motions=motions)


def arrange(state: State, edit: Edit) -> State:
    """Bring the layers into an order, the one in front first."""
    stage = state.stage.snapshot()
    names = _list(edit, "layers")
    if not all(isinstance(name, str) for name in names):
        raise InputError("arrange: expected the names of all layers")
    stage.arrange(names)
    return changed(state, "Arrange the layers", stage=stage)


def hold(state: State, edit: Edit) -> State:
    """Say what of a layer is free and what is pinned."""
    name, stage = _layer(state, edit), state.stage.snapshot()
    stage.hold(name, **{word: _list(edit, word) for word in ("free", "pinned") if word in edit})
    return changed(state, f"Hold {name}", stage=stage)


def motion(state: State, edit: Edit) -> State:
    """Say how a layer moves, or the camera."""
    name = CAMERA if edit.get("layer") == CAMERA else _layer(state, edit)
    motions = motions_of(_list(edit, "motions"), name)
    words = " and ".join(word_of(one) for one in motions[:2]) or "Stillness"
    whose = "" if name == CAMERA else f" of {name}"
    return changed(state, words + whose, motions={**state.motions, name: motions})


def auto(state: State, edit: Edit) -> State:
    """Choose the motion of a layer, or of all, as it is chosen by itself."""
    if edit.get("layer") is None:
        motions = {**state.motions, **_chosen(state.playing())}  # what is off keeps its own
        return changed(state, "Choose all motions", motions=motions)
    name = _layer(state, edit)
    motions = {**state.motions, name: _own(state.stage.layer(name))}
    return changed(state, f"Choose the motion of {name}", motions=motions)


def settings(state: State, edit: Edit) -> State:
    """Set the length and the rate of the clip."""
    return changed(state, "Length and rate", settings=_settings(state.settings, edit))


def restore(state: State, edit: Edit) -> State:
    """Bring back the motions, settings and switches that were kept beside a stage."""
    document = edit.get("document")
    if not isinstance(document, dict):
        raise InputError("restore: expected a document with motion, settings and off")
    said, off = document.get("motion", {}), _list(document, "off")
    names = {layer.name for layer in state.stage.layers}
    if not isinstance(said, dict) or not said.keys() <= names | {CAMERA}:
        raise InputError("restore: expected motions by the names of the layers that there are")
    if not all(isinstance(name, str) and name in names for name in off):
        raise InputError("restore: expected the names of layers that are off")
    wanted = document.get("settings", {})
    if not isinstance(wanted, dict):
        raise InputError("restore: expected settings with seconds, fps and loop")
    _expect_words("settings", wanted, ("seconds", "fps", "loop"))
    return changed(
        state, "Open what was kept", off=frozenset(off), settings=_settings(state.settings, wanted),
        motions={name: motions_of(_list(said, name), name) for name in said},
    )  # fmt: skip


EDITS: Mapping[str, tuple[Callable[[State, Edit], State], Sequence[str]]] = {
    "add": (add, ("name", "points", "not_points", "box", "strokes", "not_strokes", "region", "kind")),
    "refine": (refine, ("layer", "add", "remove")),
    "paint": (paint, ("layer", "strokes", "size", "erase")),
    "switch": (switch, ("layer", "on")),
    "remove": (remove, ("layer",)),
    "rename": (rename, ("layer", "name")),
    "kind": (kind, ("layer", "kind")),
    "arrange": (arrange, ("layers",)),
    "hold": (hold, ("layer", "free", "pinned")),
    "motion": (motion, ("layer", "motions")),
    "auto": (auto, ("layer",)),
    "settings": (settings, ("seconds", "fps", "loop")),
    "restore": (restore, ("document",)),
}


def motions_of(descriptions: Sequence[Any], layer: str) -> tuple[Motion, ...]:
    """Return the motions of a layer, or of the camera, from their descriptions.

    Raises:
        InputError: one is none, reads a file of the server, or is not one that a person says for it.
    """
    if len(descriptions) > MOST_MOTIONS:
        raise InputError(f"motions: expected at most {MOST_MOTIONS} of a layer, got {len(descriptions)}")
    motions = tuple(from_dict(description) for description in descriptions)
    for one in motions:
        if one.combines or one.name in NOT_SAID:
            raise InputError(f"{one.name}: expected motions one by one, each of a kind of its own")
        if one.file is not None:
            raise InputError(f"{one.name}: expected a preset; the studio reads no file of the machine it runs on")
        if one.views != (layer == CAMERA):
            raise InputError("camera: it moves the whole picture, and nothing else does; expected it without a layer")
    return motions


def _chosen(stage: Stage) -> Motions:
    motions: dict[str, tuple[Motion, ...]] = {**{layer.name: () for layer in stage.layers}, CAMERA: ()}
    for name, own in chosen(stage):
        motions[CAMERA if name is None else name] = (own,)
    return motions


def _own(layer: Layer) -> tuple[Motion, ...]:
    own = motion_for(layer)
    return () if own is None else (own,)


def _said(layer: Layer) -> tuple[Motion, ...]:
    """Return the motion of a layer that a person says there is: what flows does so, though nobody knows where to."""
    flows = FLOWS.get(layer.kind.name)
    return _own(layer) or (() if flows is None else (flows,))


def _flowing_kind(layer: Layer) -> str:
    """Return what flows in a place of which it is known only that something does: above it is the sky, below water."""
    rows = np.flatnonzero((layer.mask > 127).any(axis=1))
    return "sky" if rows.mean() < len(layer.mask) / 2 and rows[0] <= 0.02 * len(layer.mask) else "water"


def _settings(before: Settings, said: Mapping[str, Any]) -> Settings:
    new = dataclasses.replace(before, **{word: said[word] for word in ("seconds", "fps", "loop") if word in said})
    if not isinstance(new.loop, bool):
        raise InputError(f"loop: expected true or false, got {shown(new.loop)}")
    for word, value, most in (("seconds", new.seconds, MOST_SECONDS), ("fps", new.fps, MOST_FPS)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value <= most:
            raise InputError(f"{word}: expected a number above 0 and at most {most:g}, got {shown(value)}")
    frame_count(new.seconds, new.fps)
    return Settings(float(new.seconds), float(new.fps), new.loop)


def _expect_words(name: str, said: Mapping[str, Any], words: Sequence[str]) -> None:
    unknown = next((word for word in said if word not in words), None)
    if unknown is not None:
        raise InputError(f"{name}: expected {', '.join(words) or 'nothing'} with it, got {shown(unknown)}")


def _layer(state: State, edit: Edit) -> str:
    """Return the name of the layer that an edit is for."""
    name = edit.get("layer")
    if not isinstance(name, str):
        raise InputError(f"layer: expected its name, got {shown(name)}")
    return state.stage.layer(name).name


def _list(said: Mapping[str, Any], word: str) -> list[Any]:
    value = said.get(word)
    if value is not None and not isinstance(value, list):
        raise InputError(f"{word}: expected a list, got {shown(value)}")
    return value or []


def _flag(said: Mapping[str, Any], word: str, default: bool | None = None) -> bool:
    value = said.get(word, default)
    if not isinstance(value, bool):
        raise InputError(f"{word}: expected true or false, got {shown(value)}")
    return value


def _free_name(stage: Stage, start: str) -> str:
    taken = {layer.name for layer in stage.layers}
    return next(name for number in range(1, len(taken) + 2) if (name := f"{start}-{number}") not in taken)
