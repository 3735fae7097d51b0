"""Motion files: small JSON documents that describe a motion."""

from __future__ import annotations

import dataclasses
import json
import os
import reprlib
import shlex
from pathlib import Path
from typing import Any

from photoflow.errors import InputError
from photoflow.motion.motion import KINDS, NAME, VERSION, Motion


def save(motion: Motion, path: str | os.PathLike[str]) -> None:
    """Write a motion to a JSON file; see `Motion.save`."""
    motion.save(path)


def load(path: str | os.PathLike[str]) -> Motion:
    """Read a motion from a JSON file that `save` wrote.

    Raises:
        InputError: no such file, not a motion file, another version, or a value out of its range.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the motion file ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a motion file in JSON, got something else ({error})") from error
    if not isinstance(document, dict) or document.get("photoflow") != "motion":
        raise InputError(f'{path}: not a motion file: expected "photoflow": "motion" at its top')
    if document.get("version") != VERSION:
        found = document.get("version")
        raise InputError(f"{path}: motion file of version {found!r}; this photoflow reads version {VERSION}")
    try:
        return from_dict(document.get("motion"))
    except (InputError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error


def named() -> dict[str, type[Motion]]:
    """Return the motions that a person asks for by name, in the order of their names."""
    return {name: kind for name, kind in sorted(KINDS.items()) if not kind.combines}


def from_dict(values: Any) -> Motion:
    """Build the motion described by `Motion.to_dict`.

    Raises:
        InputError: an unknown type or parameter, a missing one, or a value out of its range.
    """
    found = values.get("type") if isinstance(values, dict) else values
    kind = KINDS.get(found) if isinstance(values, dict) and isinstance(found, str) else None
    if kind is None:
        raise InputError(f"unknown motion {reprlib.repr(found)}; expected one of {', '.join(KINDS)}")
    given = {key: value for key, value in values.items() if key != "type"}
    if "motion" in given:
        given["motion"] = from_dict(given["motion"])
    if "motions" in given:
        if not isinstance(given["motions"], list):
            raise InputError(f"{kind.name}: motions expects a list, got {given['motions']!r}")
        given["motions"] = tuple(from_dict(part) for part in given["motions"])
    return build(kind, given)


def build(kind: type[Motion], given: dict[str, Any]) -> Motion:
    """Make a motion from named values, with errors that name the parameters there are."""
    fields = dataclasses.fields(kind)
    names = [f.name for f in fields]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise InputError(f"{kind.name}: unknown parameter {unknown[0]!r}; it has {', '.join(names)}")
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in given]
    if missing:
        raise InputError(f"{kind.name}: parameter {missing[0]!r} is missing")
    return kind(**given)


def parse(text: str) -> Motion:
    """Return the motion that the words of a command line say.

    `NAME[:SOURCE][@LAYER] [PARAMETER=VALUE ...]`, where a layer is a number or a name and a value is a number, a word,
    `true`/`false`, or points `x,y;x,y`, quoted where it has spaces; or `FILE.json[@LAYER]`, a motion file.

    Raises:
        InputError: it is neither.

    >>> parse("sway strength=0.8 period=3")
    Sway(strength=0.8, period=3.0, base='bottom')
    >>> parse("path@2 points=0,0;40,-20 closed=true").to_dict()["subject"]
    2
    >>> parse("spectral:clip.mp4@rose strength=2") == parse("spectral source=clip.mp4 strength=2").on("rose")
    True
    """
    whole, target = _addressed(text)
    if whole.lower().endswith(".json"):
        return _on(load(whole), target)
    try:
        head, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise InputError(f"motion {text!r}: expected a closing quote") from error
    head, target = _addressed(head)
    name, colon, source = head.partition(":")
    if not colon and "@" in head:
        bad = head.partition("@")[2]
        raise InputError(f"motion {name.partition('@')[0]}: expected a layer's number or name after @, got {bad!r}")
    if name not in KINDS or KINDS[name].combines:
        raise InputError(f"unknown motion {name!r}; expected one of {', '.join(named())}, or a .json motion file")
    given: dict[str, Any] = {"source": source} if colon else {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not value:
            raise InputError(f"motion {name}: expected PARAMETER=VALUE, got {word!r}")
        given[key] = _value(key, value)
    return _on(build(KINDS[name], given), target)


def _addressed(text: str) -> tuple[str, str | None]:
    """Split `...@LAYER`; after an @ that is part of a source there is no layer's number or name."""
    before, _, after = text.rpartition("@")
    is_layer = after.isdecimal() or NAME.fullmatch(after)
    return (before, after) if before and is_layer else (text, None)


def _on(motion: Motion, target: str | None) -> Motion:
    if target is None:
        return motion
    return motion.on(int(target) if target.isdecimal() else target)


def _value(key: str, text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if key == "source":  # a file may be called 1
        return text
    try:
        if key in ("points", "arrows", "anchors"):
            return [[float(v) for v in group.split(",")] for group in text.split(";")]
        if "," in text:
            return [float(v) for v in text.split(",")]
        return float(text)
    except ValueError:
        return text
