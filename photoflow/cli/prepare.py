"""photoflow prepare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photoflow.cli.app import (
    Behind,
    Depth,
    DepthFarBright,
    Device,
    Offline,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
)
from photoflow.cli.selection import Boxes, Frees, LayerOptions, Masks, NotPoints, Pins, Points
from photoflow.errors import InputError
from photoflow.options.parsing import parse_size
from photoflow.options.staged import loaded

if TYPE_CHECKING:
    from photoflow.stage import Stage


@app.command()
def prepare(
    photo: Annotated[
        Path, typer.Argument(help="A photo, - for standard input, or a .stage to add layers to.", show_default=False)
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .stage file.  [the photo's name]")] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Only say what is found, how sure that is, and what would move how.")
    ] = False,
    size: Size = None,
    mask: Masks = None,
    box: Boxes = None,
    point: Points = None,
    not_point: NotPoints = None,
    free: Frees = None,
    pin: Pins = None,
    depth: Depth = None,
    depth_far_bright: DepthFarBright = False,
    behind: Behind = None,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Prepare a photo once, to animate it many times: find what is in it, cut it out, fill in what is behind."""
    from photoflow.animator import Animator
    from photoflow.io import check_target
    from photoflow.io.reading import is_standard_input
    from photoflow.segment.depth import read_depth
    from photoflow.stage.file import SUFFIX, is_stage_file

    output = output or Path("photo" if is_standard_input(photo) else photo.name).with_suffix(SUFFIX)
    if output.suffix.lower() != SUFFIX:
        raise InputError(f"{output}: expected a name that ends in {SUFFIX}")
    options = LayerOptions(mask, box, point, not_point, free, pin)
    if not listed:
        check_target(output)
        check_files(
            {"what is prepared": [photo], "its mask": options.files, "its depth": [depth], "the clip": [behind]},
            [output],
        )

    def report(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    animator = Animator(device, segmenter, offline)
    if is_stage_file(photo):
        stage = loaded(photo, animator.segmenter, size, options, report)
        if depth is not None:
            stage.know_depth(read_depth(depth, stage.photo_size, depth_far_bright))
        if behind is not None:
            stage.know_clip(behind)
    else:
        stage = animator.prepare(
            photo, size=parse_size(size), layers=options.layers() or None, depth=depth,
            depth_far_bright=depth_far_bright, behind=None if listed else behind, report=report,
        )  # fmt: skip
    stage.find_regions()
    if listed:
        for line in listing(stage):
            typer.echo(line)
        return
    stage.fill(report)
    stage.save(output)
    report(f"{output}: {stage}" + (f": {stage.note}" if not stage.layers else ""))


def listing(stage: Stage) -> list[str]:
    """Return a line for each layer: what it is, how sure that is and why, and how it would move by itself."""
    from photoflow.motion import words
    from photoflow.stage.judgement import chosen

    moves = {name: words(motion) for name, motion in chosen(stage)}
    rows = [
        (layer.name, layer.kind.name, f"{100 * layer.kind.sure:.0f} %", moves.get(layer.name, "stays"), layer.kind.why)
        for layer in stage.layers
    ]
    rows += [("camera", "", "", moves[None], "")] if None in moves else []
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[4]]).rstrip() for row in rows]
