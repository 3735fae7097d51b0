"""Selection of things of a photo on the command line: options that may be repeated and mixed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoflow.errors import InputError

if TYPE_CHECKING:
    from photoflow.animator import Animator
    from photoflow.segment import Segmenter
    from photoflow.stage import Stage

Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        help="[NAME=]FILE: picture of the photo's size, white where a thing is, or with a label for each thing. Like "
        "--box and --point it may be repeated, and each makes a layer.",
    ),
]
Boxes = Annotated[list[str] | None, typer.Option("--box", help="[NAME=]X,Y,W,H around a thing, in pixels.")]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", help="[NAME=]X,Y on a thing, in pixels; those of one name belong together."),
]
NotPoints = Annotated[
    list[str] | None, typer.Option("--not-point", help="[NAME=]X,Y beside it: what is there does not belong to it.")
]
Frees = Annotated[
    list[str] | None,
    typer.Option(
        "--free",
        help="[NAME=]X,Y or X,Y;X,Y;...: a point or a stroke on what of a thing moves; the rest of it gives way "
        "smoothly, up to what is pinned. May be repeated.",
    ),
]
Pins = Annotated[
    list[str] | None, typer.Option("--pin", help="[NAME=]X,Y or X,Y;X,Y;...: the same on what of it stays.")
]

_NAMED = re.compile(r"([A-Za-z_][\w-]*)=(.*)", re.ASCII | re.DOTALL)
Said = Mapping[str, Mapping[str, Any]]  # what is said of each layer: keywords of `Stage.add`


@dataclass(frozen=True)
class LayerOptions:
    """The texts of the options that say layers; None: not given."""

    masks: Sequence[str] | None
    boxes: Sequence[str] | None
    points: Sequence[str] | None
    not_points: Sequence[str] | None
    free: Sequence[str] | None = None
    pinned: Sequence[str] | None = None

    @property
    def files(self) -> list[Path]:
        """Return the files among `[NAME=]FILE`."""
        return [Path(_split(text, "mask")[1]) for text in self.masks or ()]

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

        for option, text in self._in_order():
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

    def _in_order(self) -> list[tuple[str, str]]:
        """Return (option, text) of what adds layers, as it stands on the command line.

        The parser gathers the texts of each option, and loses the order of different ones.
        """
        given = (("mask", self.masks), ("box", self.boxes), ("point", self.points))
        return sorted(((option, text) for option, texts in given for text in texts or ()), key=_position)


def _position(said: tuple[str, str]) -> int:
    option, text = f"--{said[0]}", said[1]
    pairs = zip(sys.argv, [*sys.argv[1:], ""])
    return next(
        (n for n, (word, after) in enumerate(pairs) if word == f"{option}={text}" or (word, after) == (option, text)),
        len(sys.argv),
    )


def staged(
    animator: Animator, photo: Path, size: str | None, options: LayerOptions, report: Callable[[str], None]
) -> tuple[Stage | Path, Said | None]:
    """Return what is animated, and the layers that are said of it: of a stage, they are in it already.

    Raises:
        InputError: the stage cannot be read, or what is said does not fit it.
    """
    from photoflow.stage.file import is_stage_file

    if not is_stage_file(photo):
        return photo, options.layers() or None
    return loaded(photo, animator.segmenter, size, options, report), None


def loaded(
    path: Path, segmenter: Segmenter, size: str | None, options: LayerOptions, report: Callable[[str], None]
) -> Stage:
    """Return the stage of a file with the layers that are said added to it.

    Raises:
        InputError: the stage cannot be read, or what is said does not fit it.
    """
    from photoflow.stage import Stage

    if size is not None:
        raise InputError("size: a stage has its size; expected none")
    stage = Stage.load(path, segmenter)
    there = [layer.name for layer in stage.layers]
    for name, what in options.layers(there).items():
        if name in there and what.keys() <= {"free", "pinned"}:
            stage.hold(name, **what)
            continue
        stage.add(name, **what)
        report(f"{name}: {stage.layers[-1].source}")
    return stage


def layer_named(text: str) -> int | str:
    """Return the number or the name of a layer."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def numbers(name: str, text: str, count: int) -> tuple[float, ...]:
    """Return `count` numbers from a text with commas between them.

    Raises:
        InputError: it holds something else.
    """
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InputError(f"{name}: expected {count} numbers with commas between them, got {text!r}")
    return values


def _split(text: str, option: str) -> tuple[str | None, str]:
    """Split `[NAME=]VALUE`; a file whose own name looks so is that file."""
    named = _NAMED.fullmatch(text)
    if named is None or (option == "mask" and os.path.exists(text)):
        return None, text
    return named[1], named[2]
