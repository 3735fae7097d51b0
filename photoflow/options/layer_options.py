"""Things of a photo, as texts say them: options that may be repeated and mixed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photoflow.errors import InputError
from photoflow.options.parsing import numbers

_NAMED = re.compile(r"([A-Za-z_][\w-]*)=(.*)", re.ASCII | re.DOTALL)
Said = Mapping[str, Mapping[str, Any]]  # what is said of each layer: keywords of `Stage.add`


@dataclass(frozen=True)
class LayerOptions:
    """The texts of the options that say layers; None: not given.

    Args:
        masks: `[NAME=]FILE`.
        boxes: `[NAME=]X,Y,W,H`.
        points, not_points: `[NAME=]X,Y`.
        free, pinned: `[NAME=]X,Y` or `[NAME=]X,Y;X,Y;...`.
    """

    masks: Sequence[str] | None
    boxes: Sequence[str] | None
    points: Sequence[str] | None
    not_points: Sequence[str] | None
    free: Sequence[str] | None = None
    pinned: Sequence[str] | None = None

    @property
    def files(self) -> list[Path]:
        """Return the files among `[NAME=]FILE`."""
        return [Path(path) for path in self.paths]

    @property
    def paths(self) -> list[str]:
        """Return the same as they are said: paths or URLs."""
        return [self.path_of(text) for text in self.masks or ()]

    @staticmethod
    def path_of(mask: str) -> str:
        """Return the file of `[NAME=]FILE`."""
        return _split(mask, "mask")[1]

    def layers(self, taken: Sequence[str] = ()) -> Said:
        """Return what is said of each layer, in the order in which it is said.

        What has no name is called `subject-1`, `subject-2`, ...; points without a name are together one layer, and
        points beside a thing without a name go with the one layer that has none. So do holds; where no layer is said,
        they are of those that are there or are to be found, without a name of the first.

        Args:
            taken: names that there are already.

        Raises:
            InputError: a text cannot be read, two masks or boxes have one name, or a point is beside no thing.
        """
        said: dict[str, dict[str, Any]] = {}
        used, unnamed = set(taken), list[str]()
        together: dict[str, Any] | None = None

        def own(name: str | None) -> dict[str, Any]:
            if name is None:
                name = next(free for n in range(1, 10_000) if (free := f"subject-{n}") not in used)
                unnamed.append(name)
            used.add(name)
            return said.setdefault(name, {})

        for option, text in self.in_order():
            name, value = _split(text, option)
            if option == "point":
                layer = (together or own(None)) if name is None else own(name)
                together = layer if name is None else together
                layer.setdefault("points", []).append(numbers("point", value, 2))
                continue
            layer = own(name)
            if option in layer:
                raise InputError(f"{option}: expected one for each name, got two for {name}")
            layer[option] = value if option == "mask" else numbers(option, value, 4)
        for text in self.not_points or ():
            name, value = _split(text, "not-point")
            if name is None and together is None and len(unnamed) != 1:
                raise InputError(f"not-point: expected NAME=X,Y, got {text!r}, since not just one layer has no name")
            if name is not None and name not in said:
                raise InputError(f"not-point: expected a mask, a box or a point of {name}, too")
            layer = said[name] if name is not None else together or said[unnamed[0]]
            layer.setdefault("not_points", []).append(numbers("not-point", value, 2))
        there = {**dict.fromkeys(taken, ()), **dict.fromkeys(said, ())}
        meant = unnamed if len(unnamed) == 1 else list(there) or ["subject-1"]
        first = meant[0] if len(meant) == 1 or not said else None
        for option, key, texts in (("free", "free", self.free), ("pin", "pinned", self.pinned)):
            for text in texts or ():
                name, value = _split(text, option)
                name = first if name is None else name
                if name is None:
                    raise InputError(f"{option}: expected NAME=X,Y, got {text!r}, since not just one layer has no name")
                stroke = [numbers(option, point, 2) for point in value.split(";")]
                said.setdefault(name, {}).setdefault(key, []).append(stroke)
        return said

    def in_order(self) -> list[tuple[str, str]]:
        """Return (option, text) of what adds layers, in the order in which it is said: masks, boxes, points."""
        given = (("mask", self.masks), ("box", self.boxes), ("point", self.points))
        return [(option, text) for option, texts in given for text in texts or ()]


def _split(text: str, option: str) -> tuple[str | None, str]:
    """Split `[NAME=]VALUE`; a file whose own name looks so is that file."""
    named = _NAMED.fullmatch(text)
    if named is None or (option == "mask" and os.path.exists(text)):
        return None, text
    return named[1], named[2]
