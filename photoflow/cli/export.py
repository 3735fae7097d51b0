"""Command `photoflow export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.animate import motion_files
from photoflow.cli.app import (
    Behind,
    BorderPins,
    Depth,
    DepthFarBright,
    Device,
    Fps,
    Loop,
    Offline,
    PhotoPath,
    Read,
    Seconds,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
    parse_size,
    progress_bar,
)
from photoflow.cli.selection import (
    Boxes,
    Frees,
    LayerOptions,
    Masks,
    NotPoints,
    Pins,
    Points,
    layer_named,
    staged,
)


@app.command()
def export(
    photo: PhotoPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="A new or an empty folder.", show_default=False)],
    motion: Annotated[
        list[str] | None,
        typer.Option(
            "--motion", help="'NAME[:SOURCE][@LAYER] [PARAMETER=VALUE ...]' or a .json file; several add up.  [auto]"
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="Of flow and vectors: flo (Middlebury), or exr (OpenEXR, y up).")] = "flo",
    frames: Annotated[bool, typer.Option("--frames", help="Write the frames, too, as png.")] = False,
    noise: Annotated[
        bool, typer.Option("--noise", help="Write Gaussian noise that moves along, for Go-with-the-Flow, and a video.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the noise.", min=0)] = 0,
    seconds: Seconds = 4.0,
    fps: Fps = 30.0,
    size: Size = None,
    loop: Loop = True,
    mask: Masks = None,
    box: Boxes = None,
    point: Points = None,
    not_point: NotPoints = None,
    free: Frees = None,
    pin: Pins = None,
    subject: Annotated[str, typer.Option(help="Number or name of the layer that a motion without @ moves.")] = "1",
    depth: Depth = None,
    depth_far_bright: DepthFarBright = False,
    behind: Behind = None,
    border_pins: BorderPins = True,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Write the flow, motion vectors and masks of every frame to a folder, for compositing programs and generators."""
    from photoflow import motion as motions
    from photoflow.animator import Animator, frame_count
    from photoflow.compositing import check_export
    from photoflow.motion.motion import total

    words = motion or ["auto"]
    planned = total([motions.parse(text) for text in words])
    options = LayerOptions(mask, box, point, not_point, free, pin)
    read: Read = {
        "the photo": [photo],
        "its mask": options.files,
        "its depth": [depth],
        "the clip": [behind],
        "a motion that is read": motion_files(planned, words),
    }
    check_export(output, format)
    check_files(read, [output])
    with progress_bar(frame_count(seconds, fps)) as (advance, report):
        animator = Animator(device, segmenter, offline)
        source, layers = staged(animator, photo, size, options, report)
        clip = animator.animate(
            source, planned, seconds=seconds, fps=fps, loop=loop, size=parse_size(size), layers=layers,
            subject=layer_named(subject), depth=depth, depth_far_bright=depth_far_bright, behind=behind,
            border_pins=border_pins, report=report,
        )  # fmt: skip
        clip.export(output, format=format, frames=frames, noise=noise, seed=seed, progress=advance)
    said = f"{output}: {len(clip)} frames of {clip.width}x{clip.height}, described by export.json"
    console.print(said, markup=False, soft_wrap=True)
