"""Selection of things of a photo on the command line: options that may be repeated and mixed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from photoflow.options import layer_options

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


@dataclass(frozen=True)
class LayerOptions(layer_options.LayerOptions):
    """The texts of the options that say layers, in the order of the command line."""

    def in_order(self) -> list[tuple[str, str]]:
        """Return (option, text) of what adds layers, as it stands on the command line.

        The parser gathers the texts of each option, and loses the order of different ones.
        """
        return sorted(super().in_order(), key=_position)


def _position(said: tuple[str, str]) -> int:
    option, text = f"--{said[0]}", said[1]
    pairs = zip(sys.argv, [*sys.argv[1:], ""])
    return next(
        (n for n, (word, after) in enumerate(pairs) if word == f"{option}={text}" or (word, after) == (option, text)),
        len(sys.argv),
    )
