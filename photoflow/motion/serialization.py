"""Motion files: small JSON documents that describe a motion."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from typing import Any

from photoflow.errors import InputError, shown
from photoflow.io.reading import name_of, read_bytes
from photoflow.motion.motion import KINDS, NAME, VERSION, Motion, On, check_nesting

MOST_BYTES = 1 << 20  # of a motion file, and characters of a motion's words: far more than MOST_POINTS take
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")  # of a layer


def save(motion: Motion, path: str | os.PathLike[str]) -> None:
    """Write a motion to a JSON file; see `Motion.save`."""
    motion.save(path)


def load(path: str | os.PathLike[str]) -> Motion:
    """Read a motion from a JSON file that `save` wrote.

    Raises:
        InputError: no such file, not a motion file, another version, or a value out of its range.
    """
    name, data = name_of(path), read_bytes(path, "a motion file in JSON", MOST_BYTES)
    try:
        return _of_document(_document(data))
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _document(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_int=_whole, object_pairs_hook=_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a motion file in JSON, got something else ({error})") from error


def _whole(digits: str) -> int | float:
    """Return a whole number; one of more digits than any parameter takes is a float, as Python reads no longer ones."""
    return int(digits) if len(digits) <= 20 else float(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise InputError(f"expected every name once in a motion file, got {shown(name)} twice")
        values[name] = value
    return values


def _of_document(document: Any) -> Motion:
    if not isinstance(document, dict) or document.get("photoflow") != "motion":
        raise InputError('not a motion file: expected "photoflow": "motion" at its top')
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(f"motion file of version {shown(version)}; this photoflow reads version {VERSION}")
    return from_dict(document.get("motion"))


def named() -> dict[str, type[Motion]]:
    """Return the motions that a person asks for by name, in the order of their names."""
    return {name: kind for name, kind in sorted(KINDS.items()) if kind.spoken and not kind.combines}


def from_dict(values: Any) -> Motion:
    """Build the motion described by `Motion.to_dict`.

    Raises:
        InputError: an unknown type or parameter, a missing one, or a value out of its range.
    """
    check_nesting(values, _described)
    return _from_dict(values)


def _from_dict(values: Any) -> Motion:
    found = values.get("type") if isinstance(values, dict) else values
    kind = KINDS.get(found) if isinstance(values, dict) and isinstance(found, str) else None
    if kind is None:
        raise InputError(f"unknown motion {shown(found)}; expected one of {', '.join(KINDS)}")
    given = {key: value for key, value in values.items() if key != "type"}
    if "motion" in given:
        given["motion"] = _from_dict(given["motion"])
    if "motions" in given:
        if not isinstance(given["motions"], list):
            raise InputError(f"{kind.name}: motions expects a list, got {shown(given['motions'])}")
        given["motions"] = tuple(_from_dict(part) for part in given["motions"])
    return build(kind, given)


def _described(values: Any) -> list[Any]:
    """Return the descriptions of motions directly in one."""
    if not isinstance(values, dict):
        return []
    several = values.get("motions")
    return ([values["motion"]] if "motion" in values else []) + (several if isinstance(several, list) else [])


def build(kind: type[Motion], given: dict[str, Any]) -> Motion:
    """Make a motion from named values, with errors that name the parameters there are."""
    fields = dataclasses.fields(kind)
    names = [f.name for f in fields]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"{kind.name}: unknown parameter {shown(unknown[0])}; it has {', '.join(names)}")
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
    if len(text) > MOST_BYTES:
        raise InputError(f"motion: expected at most {MOST_BYTES} characters, got {len(text)}")
    whole, target = _addressed(text)
    if whole.lower().endswith(".json"):
        return _on(load(whole), target)
    try:
        head, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise InputError(f"motion {shown(text)}: expected a closing quote") from error
    head, target = _addressed(head)
    name, colon, source = head.partition(":")
    if not colon and "@" in head:
        bad = head.partition("@")[2]
        raise InputError(
            f"motion {name.partition('@')[0]}: expected a layer's number or name after @, got {shown(bad)}"
        )
    if name not in named():
        raise InputError(f"unknown motion {shown(name)}; expected one of {', '.join(named())}, or a .json motion file")
    given: dict[str, Any] = {"source": source} if colon else {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not value:
            raise InputError(f"motion {name}: expected PARAMETER=VALUE, got {shown(word)}")
        if key in given:
            raise InputError(f"motion {name}: expected {key} once, got it twice")
        given[key] = _value(key, value)
    return _on(build(KINDS[name], given), target)


def words(motion: Motion) -> str:
    """Return the words with which `parse` gives the same motion; parameters at their defaults are left out.

    Raises:
        InputError: it combines motions, which a command line says one by one, or only a motion file can hold it.

    >>> words(parse("path@cat points=0,0;40,-20 closed=true"))
    'path@cat points=0,0;40,-20 closed=true'
    """
    target = ""
    if isinstance(motion, On):
        target, motion = f"@{motion.subject}", motion.motion
    if motion.combines:
        raise InputError(f"{motion.name}: expected one motion by itself, got several in one")
    if not motion.spoken:
        raise InputError(f"{motion.name}: expected a motion that words can say, got one of a motion file")
    head, said = motion.name, []
    for field in dataclasses.fields(motion):
        value = getattr(motion, field.name)
        if field.name == "source":
            head += f":{value}"
        elif value != field.default:
            said.append(f"{field.name}={_said(value)}")
    return " ".join([shlex.quote(head + target), *said])


def _said(value: Any) -> str:
    """Return a parameter's value as `parse` reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        grouped = bool(value) and isinstance(value[0], tuple)
        return ";".join(map(_said, value)) if grouped else ",".join(map(_said, value))
    return shlex.quote(value) if isinstance(value, str) else repr(value).removesuffix(".0")


def _addressed(text: str) -> tuple[str, str | None]:
    """Split `...@LAYER`; after an @ that is part of a source there is no layer's number or name."""
    before, _, after = text.rpartition("@")
    is_layer = _NUMBER.fullmatch(after) or NAME.fullmatch(after)
    return (before, after) if before and is_layer else (text, None)


def _on(motion: Motion, target: str | None) -> Motion:
    if target is None:
        return motion
    return motion.on(int(target) if _NUMBER.fullmatch(target) else target)


def _value(key: str, text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    # A file may be called 1. Python reads the digits of every script, and 1_0, as numbers; no motion file does.
    if key == "source" or not text.isascii() or "_" in text:
        return text
    try:
        if key in ("points", "arrows", "anchors", "landmarks"):
            return [[float(v) for v in group.split(",")] for group in text.split(";")]
        if "," in text:
            return [float(v) for v in text.split(",")]
        return float(text)
    except ValueError:
        return text
