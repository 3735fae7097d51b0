"""Layers by their names and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photoflow.errors import InputError
from photoflow.motion.motion import NAME
from photoflow.stage.layer import Layer


def named(layers: Sequence[Layer], name: int | str) -> Layer:
    """Return the layer of a name, or of a number: 1 = the first.

    Raises:
        InputError: there is none.
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        if 1 <= name <= len(layers):
            return layers[name - 1]
        known = f"a number from 1 to {len(layers)} or a layer's name" if layers else "a stage with layers"
        raise InputError(f"subject: expected {known}, got {name}")
    found = next((layer for layer in layers if layer.name == name), None)
    if found is None:
        known = ", ".join(layer.name for layer in layers) or "none: the stage has no layer"
        raise InputError(f"layer {name!r}: expected one of {known}")
    return found


def check_free(layers: Sequence[Layer], name: str) -> None:
    """Check that a new layer can have a name.

    Raises:
        InputError: it is no name, or one of these layers has it.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"layer {name!r}: expected a name of letters, digits, - and _ that begins with a letter")
    if any(layer.name == name for layer in layers):
        raise InputError(f"layer {name!r}: there is one of this name; expected another name")
