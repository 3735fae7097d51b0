"""Command `photoflow inpaint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photoflow.cli.app import (
    AcceptLicence,
    Device,
    Offline,
    Quality,
    Read,
    SegmenterName,
    app,
    check_files,
    console,
    progress_bar,
    weights_files,
)
from photoflow.options.parsing import numbers


@app.command()
def inpaint(
    clip: Annotated[
        Path,
        typer.Argument(help="A video, an animated picture, or a folder of pictures.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help=".mp4, .webm, .gif, .apng, or a folder for png frames.")
    ] = Path("out.mp4"),
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Picture of the first frame, white where the thing is, which is carried through the clip; or a folder "
            "of pictures or a video, a mask for each frame."
        ),
    ] = None,
    box: Annotated[str | None, typer.Option(help="X,Y,W,H around the thing in the first frame, in pixels.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="X,Y on the thing there; may be repeated.")] = None,
    not_point: Annotated[list[str] | None, typer.Option(help="X,Y beside it; may be repeated.")] = None,
    still: Annotated[
        bool,
        typer.Option(
            "--still",
            help="What is said holds for every frame as it is: a logo, a scratch. A box is then removed as a whole.",
        ),
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0, help="Pixels around the thing that go with it: its soft rim, its shadow.  [1 % of the longer side]"
        ),
    ] = None,
    show_mask: Annotated[
        Path | None,
        typer.Option(
            help="Write the thing's masks there: into a folder, from which they can be corrected and given as --mask."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps what is done: after an interrupt the same command goes on from it."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of E²FGVI: a name from `photoflow weights list`, or a file.  [none are needed]")
    ] = None,
    fps: Annotated[float, typer.Option(help="Pictures a second of a folder; a video has its own.")] = 30.0,
    quality: Quality = 80,
    segmenter: SegmenterName = "auto",
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Remove a thing from a clip: what is behind it comes from the frames that show it."""
    from photoflow.completion import Inpainter
    from photoflow.interpolation import open_frames
    from photoflow.io import FolderReader, output_frames_and_rate
    from photoflow.segment import Segmenter

    said: dict[str, Any] = {
        "mask": mask,
        "box": None if box is None else numbers("box", box, 4),
        "points": [numbers("point", text, 2) for text in point or ()] or None,
        "not_points": [numbers("not-point", text, 2) for text in not_point or ()] or None,
    }
    frames = open_frames(clip, fps)
    pictures = frames.files if isinstance(frames, FolderReader) else []
    read: Read = {"the input": [clip, *pictures], "its mask": [mask], "the weights": weights_files(weights)}
    check_files(read, [path for path in (output, show_mask, work) if path])
    with progress_bar(2 * frames.count) as (advance, _):
        inpainter = Inpainter(
            weights, device=device, segmenter=Segmenter(device, offline, segmenter), offline=offline,
            accept_licence=accept_licence,
        )  # fmt: skip
        done = inpainter.inpaint(
            clip, output, **said, still=still, margin=margin, fps=fps, quality=quality, work=work, show_mask=show_mask,
            progress=advance,
        )  # fmt: skip
    for note in done.notes:
        console.print(f"{clip}: {note}", markup=False, soft_wrap=True)
    silence = ", without the sound (only .mp4 and .webm keep it)" if done.silenced else ""
    count, rate = output_frames_and_rate(output, done.frames, float(done.fps))
    console.print(
        f"{output}: {count} frames at {rate:g} fps, mask: {done.source}{silence}", markup=False, soft_wrap=True
    )
