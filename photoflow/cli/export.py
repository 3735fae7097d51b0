"""Command `photoflow export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.animate import said_options
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
    Seconds,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
    progress_bar,
)
from photoflow.cli.selection import Boxes, Frees, LayerOptions, Masks, NotPoints, Pins, Points
from photoflow.options import ClipOptions


@app.command()
def export(
    context: typer.Context,
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
    wind: Annotated[float | None, typer.Option(help="Of spectral:PRESET, from 0 to 1: how much it blows.")] = None,
    transfer_from: Annotated[
        str | None, typer.Option(help="X,Y,W,H in a clip, in its pixels: of spectral:CLIP, the part that is taken.")
    ] = None,
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
    all_subjects: Annotated[bool, typer.Option("--all-subjects", help="All of them move.")] = False,
    depth: Depth = None,
    depth_far_bright: DepthFarBright = False,
    behind: Behind = None,
    border_pins: BorderPins = True,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Write the flow, motion vectors and masks of every frame to a folder, for compositing programs and generators."""
    from photoflow.animator import frame_count
    from photoflow.compositing import check_export

    options = ClipOptions(**said_options(context))
    check_export(output, format)
    check_files(options.read(photo), [output])
    with progress_bar(frame_count(seconds, fps)) as (advance, report):
        layers = LayerOptions(mask, box, point, not_point, free, pin)
        clip = options.clip(options.animator(), photo, report, layers)
        clip.export(output, format=format, frames=frames, noise=noise, seed=seed, progress=advance)
    said = f"{output}: {len(clip)} frames of {clip.width}x{clip.height}, described by export.json"
    console.print(said, markup=False, soft_wrap=True)
