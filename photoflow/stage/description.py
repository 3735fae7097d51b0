"""A layer in a stage file: what is said of it beside its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photoflow.segment.kinds import KINDS, Kind
from photoflow.stage.layer import Layer


def described(layer: Layer) -> dict[str, Any]:
    """Return what a stage file says of a layer, as plain values."""
    kind, direction = layer.known_kind, layer.direction
    return {
        "name": layer.name, "source": layer.source, "label": layer.label, "region": layer.region, "given": layer.given,
        "kind": kind.name if kind else None, "sure": kind.sure if kind else None, "why": kind.why if kind else None,
        "direction": None if direction is None else list(direction),
        "free": layer.free, "pinned": layer.pinned,
    }  # fmt: skip


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a layer from its description, which `photoflow.stage.file.read` has checked."""
    values = dict(values)
    name, sure, why = values.pop("kind"), values.pop("sure", None), values.pop("why", None)
    if name in KINDS:
        values["kind"] = Kind(name, 1.0 if sure is None else float(sure), why or "")
    elif name is not None:  # files from before there were kinds hold what is a label by now
        values["label"] = name
    if values.get("direction") is not None:
        values["direction"] = tuple(values["direction"])
    for which in ("free", "pinned"):
        values[which] = tuple(tuple((x, y) for x, y in stroke) for stroke in values.get(which, ()))
    return values
