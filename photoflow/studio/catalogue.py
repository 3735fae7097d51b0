"""The catalogue of motions: how each is called on the page, and every control that it has there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from photoflow.motion import (
    MOTIONS,
    Bounce,
    Breathe,
    Camera,
    Drift,
    Face,
    Float,
    Motion,
    Path,
    Poke,
    Spectral,
    Sway,
    Swing,
    Translate,
    Water,
)
from photoflow.motion.drift import SPEED
from photoflow.motion.parametric import PLACES
from photoflow.motion.sway import SIDES
from photoflow.motion.wind import PRESETS
from photoflow.segment.kinds import KINDS

SUBJECT, REGION, CAMERA = "subject", "region", "camera"


@dataclass(frozen=True)
class Control:
    """A control of one parameter.

    Args:
        word: its label.
        hint: what it does, in a short sentence.
        kind: number, choice, toggle, place, path, arrows or points.
        unit: of what is shown.
        least, most, step: of a number, in the parameter's own unit: what is sensible, not all that is allowed.
        scale: shown = value * scale.
        choices: (value, word) of a choice, or of a place the names it may have.
    """

    word: str
    hint: str
    kind: str = "number"
    unit: str = ""
    least: float | None = None
    most: float | None = None
    step: float | None = None
    scale: float = 1.0
    choices: tuple[tuple[str, str], ...] | None = None


def _percent(word: str, hint: str, most: float, least: float = 0.0, step: float = 0.01) -> Control:
    return Control(word, hint, "number", "%", least, most, step, 100.0)


def _seconds(word: str, hint: str, most: float = 12.0, least: float = 0.2) -> Control:
    return Control(word, hint, "number", "s", least, most, 0.1)


def _degrees(word: str, hint: str, most: float) -> Control:
    return Control(word, hint, "number", "°", -most, most, 1.0)


def _pixels(word: str, hint: str) -> Control:
    return Control(word, hint, "number", "px", -2000.0, 2000.0, 1.0)


def _named(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name.capitalize()) for name in names)


_PERIOD = _seconds("Period", "Time of one whole swing; in a loop, the nearest that fits.")
_FLOW = "Clockwise from the right: 0 = to the right, 90 = down."

CONTROLS: Mapping[str, Mapping[str, Control]] = {
    "sway": {
        "strength": _percent("Strength", "How far the tip bends: at 100 % about a tenth of the length.", 1.5),
        "period": _PERIOD,
        "base": Control("Held at", "The side that stays still.", "choice", choices=_named(SIDES)),
    },
    "breathe": {
        "strength": _percent("Strength", "How much it swells: at 100 % by 4 % in height.", 1.5),
        "period": _seconds("Period", "Time from breath to breath; in a loop, the nearest that fits."),
    },
    "face": {
        "blink": _percent("Blinks", "How often it blinks: at 100 % about every 3.5 seconds.", 2.0),
        "gaze": _percent("Looks", "How far the eyes look aside.", 2.0),
        "turn": _percent("Turn of the head", "How far the head turns and leans: at 100 % by 3 degrees.", 2.0),
        "breath": _percent("Breath", "How far the shoulders rise.", 2.0),
        "smile": _percent("Smile", "How far the corners of the mouth go up.", 2.0),
        "seed": Control("Variation", "Another number, other moments.", "number", "", 0, 99, 1),
    },
    "float": {
        "strength": _percent("Strength", "How high it rises: at 100 % by 8 % of its size.", 1.5),
        "period": _PERIOD,
    },
    "swing": {
        "angle": _degrees("Angle", "How far it swings to either side; below 0 it begins the other way.", 45),
        "pivot": Control("Pivot", "What it turns about: a side, or a point.", "place", choices=_named(PLACES)),
        "period": _PERIOD,
    },
    "bounce": {
        "height": _percent("Height", "How high it hops, in its own heights.", 1.0),
        "period": _seconds("Period", "Time from landing to landing; in a loop, the nearest that fits.", 6.0),
        "squash": _percent("Squash", "How much flatter it is on the ground.", 0.3),
    },
    "translate": {
        "dx": _pixels("To the right", "How far it goes; below 0 to the left."),
        "dy": _pixels("Down", "How far it goes; below 0 upwards."),
    },
    "path": {
        "points": Control("Path", "Draw the way that it goes; it begins where it is.", "path", "px"),
        "closed": Control("Round trip", "The path returns to where it began.", "toggle"),
        "half": _percent(
            "Half-time", "How much of the way is done after half the time: below 50 % it starts slowly.", 0.95, 0.05
        ),
    },
    "poke": {
        "x": _pixels("From the left", "Where it is pulled."),
        "y": _pixels("From the top", "Where it is pulled."),
        "dx": _pixels("Pull to the right", "How far it is pulled; below 0 to the left."),
        "dy": _pixels("Pull down", "How far it is pulled; below 0 upwards."),
        "at": _seconds("Begins", "When the pull begins.", 10.0, 0.0),
        "hold": _seconds("Held for", "How long it is pulled before it is let go.", 5.0, 0.1),
        "like": Control("Swings like", "What it is as springy as.", "choice"),
    },
    "spectral": {
        "strength": _percent("Strength", "Makes the same motion smaller or larger.", 3.0),
        "wind": _percent("Wind", "0 % is still air, 100 % a strong wind.", 1.0),
        "direction": _degrees("Wind direction", "Where the wind blows to. " + _FLOW, 180),
        "gustiness": _percent("Gusts", "How much the wind swells and fades.", 1.0),
        "seed": Control("Variation", "Another number, another wind.", "number", "", 0, 99, 1),
        "slow": Control("Slower by", "2 is half as fast.", "number", "×", 0.25, 4.0, 0.05),
    },
    "drift": {
        "direction": _degrees("Direction", "Where it flows. " + _FLOW, 180),
        "speed": _percent("Speed", "How much of the picture's length it flows in a second.", 0.1, 0.0, 0.001),
        "arrows": Control("Arrows", "Draw where it flows: to each arrow's tip in one second.", "arrows", "px"),
        "anchors": Control("Still points", "Points that stay where they are, among arrows.", "points", "px"),
        "period": _seconds("Renewed after", "Longer is more even and stretches more; in a loop, what fits.", 12.0, 0.5),
    },
    "water": {
        "strength": _percent("Strength", "How wide the ripples are.", 1.5),
        "period": _seconds("Period", "Time of the slowest wave; in a loop, the nearest that fits.", 8.0, 0.5),
    },
    "camera": {
        "push": _percent("Push in", "The camera comes nearer.", 0.3, 0.0, 0.005),
        "pull": _percent("Pull out", "The camera begins near and goes back.", 0.3, 0.0, 0.005),
        "pan": _percent("Pan", "It turns to the right; below 0 to the left.", 0.25, -0.25, 0.005),
        "tilt": _percent("Tilt", "It turns upwards; below 0 down.", 0.25, -0.25, 0.005),
        "orbit": _percent("Orbit", "It goes round what is in focus, to the right.", 0.25, -0.25, 0.005),
        "dolly": _percent("Dolly zoom", "It comes nearer and zooms out: the background grows or shrinks.", 0.4, -0.4),
        "handheld": _percent("Handheld", "It shakes a little, as in a hand.", 0.05, 0.0, 0.001),
    },
}  # fmt: skip
# What no person sets there, and why not.
LEFT_OUT: Mapping[tuple[str, str], str] = {
    ("spectral", "source"): "each preset is a motion of its own there",
    ("face", "landmarks"): "they are found in the photo",
    ("spectral", "region"): "it is of a clip, and the studio takes presets alone",
}
NOT_SAID = ("auto",)  # motions that are chosen, by a button

PRESET_WORDS = {
    "plant": ("Plant in the wind", "A plant that is held at its foot."),
    "tree": ("Tree", "A trunk that bends a little, and a crown that stirs."),
    "foliage": ("Leaves", "Many small leaves or grass, each stirring for itself."),
    "vine": ("Vine", "What hangs down and is held at its top."),
    "flag": ("Flag", "Waves that run along the cloth, away from its pole."),
    "cloth": ("Cloth", "A curtain or washing, held at its top."),
    "hair": ("Hair", "The hair of a person; the face rests."),
    "candle": ("Flame", "A flame that flickers above its wick."),
    "lantern": ("Hanging lamp", "It swings on what it hangs from."),
}


@dataclass(frozen=True)
class Entry:
    """A motion as a person chooses it.

    Args:
        word: its name.
        hint: what it is for, in a short sentence.
        on: what it is offered for: subject, region or camera.
        start: the motion that it begins with.
    """

    word: str
    hint: str
    on: tuple[str, ...]
    start: Motion


_THING, _BOTH = (SUBJECT,), (SUBJECT, REGION)
ENTRIES: Sequence[Entry] = (
    *(Entry(*PRESET_WORDS[name], _BOTH, Spectral(name)) for name in PRESETS),
    Entry("Sway", "It bends to and fro, held at one end.", _BOTH, Sway()),
    Entry("Breathe", "It swells and shrinks a little, as a chest does.", _THING, Breathe()),
    Entry("Living face", "A face that blinks, looks about, turns a little and breathes.", _THING, Face()),
    Entry("Hover", "It rises and sinks, with a slight roll.", _THING, Float()),
    Entry("Swing", "It swings about a pivot, as a pendulum does.", _THING, Swing()),
    Entry("Hop", "It hops and is squashed on the ground.", _THING, Bounce()),
    Entry("Move", "It goes somewhere and, in a loop, comes back.", _THING, Translate()),
    Entry("Path", "It goes along a path that you draw.", _THING, Path(((0, 0), (40, -20)))),
    Entry("Pull and release", "It is pulled, let go, and swings until it rests.", _THING, Poke(0, 0, 40, 0)),
    Entry("Flow", "Water, clouds or smoke flow on for ever.", (REGION, SUBJECT), Drift(direction=0, speed=SPEED)),
    Entry("Ripples", "Still water that wavers.", (REGION, SUBJECT), Water()),
    Entry("Camera", "The whole picture is seen by a camera that moves.", (CAMERA,), Camera(push=0.05)),
)

FORMATS = (
    {"format": "mp4", "word": "MP4 video", "alpha": False, "hint": "Plays everywhere."},
    {"format": "webm", "word": "WebM video", "alpha": True, "hint": "For web pages; can leave out the background."},
    {"format": "gif", "word": "GIF", "alpha": True, "hint": "For chats and mails; few colours, large files."},
    {"format": "apng", "word": "Animated PNG", "alpha": True, "hint": "Without any loss; very large files."},
    {"format": "html", "word": "Web page", "alpha": False, "hint": "One file in which everybody can pull the photo."},
)


def catalogue() -> dict[str, Any]:
    """Return all that the page has to know of motions, kinds of things and formats, as plain values."""
    return {"motions": [_described(entry) for entry in ENTRIES], "kinds": list(KINDS), "formats": list(FORMATS)}


def word_of(motion: Motion) -> str:
    """Return what a motion is called on the page."""
    source = getattr(motion, "source", None)
    same = (e for e in ENTRIES if e.start.name == motion.name and getattr(e.start, "source", None) == source)
    entry = next(same, None)
    return entry.word if entry else motion.name.capitalize()


def _described(entry: Entry) -> dict[str, Any]:
    start = entry.start.to_dict()
    controls = CONTROLS[entry.start.name]
    names = [field.name for field in dataclasses.fields(MOTIONS[entry.start.name]) if field.name in controls]
    return {
        "type": entry.start.name, "word": entry.word, "on": list(entry.on), "hint": entry.hint, "start": start,
        "controls": [_control(name, controls[name], start[name]) for name in sorted(names, key=list(controls).index)],
    }  # fmt: skip


def _control(name: str, control: Control, default: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": name, "word": control.word, "unit": control.unit, "kind": control.kind, "least": control.least,
        "most": control.most, "step": control.step, "scale": control.scale, "default": default, "hint": control.hint,
    }  # fmt: skip
    choices = tuple((key, PRESET_WORDS[key][0]) for key in PRESETS) if name == "like" else control.choices
    if choices is not None:
        said["choices"] = [{"value": value, "word": word} for value, word in choices]
    return said
