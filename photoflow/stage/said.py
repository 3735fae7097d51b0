"""Layers as a person says them: for each name the keywords of `Stage.add`."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from photoflow.errors import InputError

SAID = frozenset(
    ("mask", "box", "points", "not_points", "strokes", "not_strokes", "kind", "region", "free", "pinned")
)  # of a layer


def said_layers(
    layers: Mapping[str, Mapping[str, Any]] | None, mask: Any, box: Sequence[float] | None, points: Sequence[Any] | None
) -> Mapping[str, Mapping[str, Any]] | None:
    """Return what is said of each layer, None where nothing is.

    Raises:
        InputError: layers are given, and one thing besides.
    """
    one = {"mask": mask, "box": box, "points": points}
    if all(value is None for value in one.values()):
        return layers
    if layers is not None:
        raise InputError("layers: expected them, or one mask, box or points, got both")
    return {"subject-1": one}


def check_said(name: str, said: Any) -> None:
    """Check that what is said of a layer is keywords of `Stage.add`.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(said, Mapping) or not said.keys() <= SAID:
        known = ", ".join(sorted(SAID))
        raise InputError(f"layer {name!r}: expected a dictionary with {known}; got {reprlib.repr(said)}")


def only_holds(layers: Mapping[str, Any]) -> bool:
    """Return whether nothing but holds is said, of layers that are to be found."""
    return bool(layers) and all(
        isinstance(said, Mapping) and bool(said) and said.keys() <= {"free", "pinned"} for said in layers.values()
    )
