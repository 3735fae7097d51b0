"""photoflow prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import (
    Depth,
    DepthFarBright,
    Device,
    Offline,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
    parse_size,
)
from photoflow.cli.selection import Boxes, LayerOptions, Masks, NotPoints, Points, loaded
from photoflow.errors import InputError


@app.command()
def prepare(
    photo: Annotated[
        Path, typer.Argument(help="A photo, - for standard input, or a .stage to add layers to.", show_default=False)
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .stage file.  [the photo's name]")] = None,
    size: Size = None,
    mask: Masks = None,
    box: Boxes = None,
    point: Points = None,
    not_point: NotPoints = None,
    depth: Depth = None,
    depth_far_bright: DepthFarBright = False,
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
    check_target(output)
    options = LayerOptions(mask, box, point, not_point)
    check_files({"what is prepared": [photo], "its mask": options.files, "its depth": [depth]}, [output])

    def report(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    animator = Animator(device, segmenter, offline)
    if is_stage_file(photo):
        stage = loaded(photo, animator.segmenter, size, options, report)
        if depth is not None:
            stage.know_depth(read_depth(depth, stage.photo_size, depth_far_bright))
    else:
        stage = animator.prepare(
            photo, size=parse_size(size), layers=options.layers() or None, depth=depth,
            depth_far_bright=depth_far_bright, report=report,
        )  # fmt: skip
    stage.fill(report)
    stage.save(output)
    report(f"{output}: {stage}" + (f": {stage.note}" if not stage.layers else ""))
