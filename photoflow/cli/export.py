"""Command `photoflow export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photoflow.cli.animate import said_options, with_clip_options
from photoflow.cli.app import PhotoPath, app, check_files, console, progress_bar
from photoflow.cli.selection import LayerOptions
from photoflow.options import ClipOptions

# A clip that a generator draws, or that is interpolated, has no parts whose motion is known.
_WITHOUT = ("alpha", "quality", "blueprint", "renderer", "interpolate", "keyframe_fps", "weights", "accept_licence")


@app.command()
@with_clip_options(_WITHOUT)
def export(
    context: typer.Context,
    photo: PhotoPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="A new or an empty folder.", show_default=False)],
    format: Annotated[str, typer.Option(help="Of flow and vectors: flo (Middlebury), or exr (OpenEXR, y up).")] = "flo",
    frames: Annotated[bool, typer.Option("--frames", help="Write the frames, too, as png.")] = False,
    noise: Annotated[
        bool, typer.Option("--noise", help="Write Gaussian noise that moves along, for Go-with-the-Flow, and a video.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the noise.", min=0)] = 0,
    **_: Any,
) -> None:
    """Write the flow, motion vectors and masks of every frame to a folder, for compositing programs and generators."""
    from photoflow.clip import frame_count
    from photoflow.compositing import check_export

    options = ClipOptions(**said_options(context))
    check_export(output, format)
    check_files(options.read(photo), [output])
    with progress_bar(frame_count(options.seconds, options.fps)) as (advance, report):
        said = (context.params[name] for name in ("mask", "box", "point", "not_point", "free", "pin"))
        clip = options.clip(options.animator(), photo, report, LayerOptions(*said))
        clip.export(output, format=format, frames=frames, noise=noise, seed=seed, progress=advance)
    line = f"{output}: {len(clip)} frames of {clip.width}x{clip.height}, described by export.json"
    console.print(line, markup=False, soft_wrap=True)
