"""Command `photoflow poke`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.animate import check_clip_files, clip_report, drawn_frames
from photoflow.cli.app import (
    BorderPins,
    Device,
    Fps,
    Loop,
    Offline,
    Output,
    PhotoPath,
    Quality,
    Read,
    SegmenterName,
    Size,
    app,
    console,
    progress_bar,
)
from photoflow.cli.selection import Boxes, Frees, LayerOptions, Masks, NotPoints, Pins, Points
from photoflow.errors import InputError
from photoflow.options.clip_options import motion_files
from photoflow.options.parsing import numbers, parse_size
from photoflow.options.staged import staged


@app.command()
def poke(
    photo: PhotoPath,
    drag: Annotated[
        list[str],
        typer.Option(help="X,Y,DX,DY: pull the point by so many pixels; may be repeated.", show_default=False),
    ],
    output: Output = Path("poke.mp4"),
    at: Annotated[list[float] | None, typer.Option(help="Seconds, when the pull begins; one a drag.  [0.5]")] = None,
    hold: Annotated[float, typer.Option(help="Seconds from there to the release.")] = 0.8,
    like: Annotated[
        str | None,
        typer.Option(
            help="What it moves like: plant, tree, foliage, vine, flag, cloth, hair, candle or lantern.  [plant]"
        ),
    ] = None,
    volume: Annotated[
        Path | None, typer.Option(help="Spectral volume (.safetensors) or video, in place of --like.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Length of the clip: a plant rings down within three, a tree within six.")
    ] = 5.0,
    fps: Fps = 30.0,
    size: Size = None,
    loop: Loop = False,
    mask: Masks = None,
    box: Boxes = None,
    point: Points = None,
    not_point: NotPoints = None,
    free: Frees = None,
    pin: Pins = None,
    border_pins: BorderPins = True,
    quality: Quality = 80,
    explain: Annotated[Path | None, typer.Option(help="Folder for pictures of the mask, flow and paths.")] = None,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Pull a subject by a point and let it go."""
    from photoflow.animator import Animator
    from photoflow.clip import EXPLAIN_ROWS, frame_count
    from photoflow.motion import Poke
    from photoflow.motion.motion import total

    times = at or [0.5]
    if len(times) not in (1, len(drag)):
        raise InputError(f"at: expected one time, or one for each of the {len(drag)} drags, got {len(times)}")
    times = times * len(drag) if len(times) == 1 else times
    if like and volume:
        raise InputError(f"like: expected it or --volume, got {like} and {volume}")
    pulls = []
    for text, time in zip(drag, times):
        x, y, dx, dy = numbers("drag", text, 4)
        pulls.append(Poke(x, y, dx, dy, at=time, hold=hold, like=str(volume or like or "plant")))
    planned = total(pulls)
    options = LayerOptions(mask, box, point, not_point, free, pin)
    read: Read = {"the photo": [photo], "its mask": options.files, "the volume": motion_files(planned)}
    check_clip_files(read, output, False, explain, None)
    frames = frame_count(seconds, fps)
    if all(pull.at >= seconds for pull in pulls) or not any(pull.dx or pull.dy for pull in pulls):
        raise InputError(f"drag: expected a pull within the clip's {seconds:g} s, got none")
    drawn = drawn_frames(output, frames, fps) + (min(frames, EXPLAIN_ROWS) if explain else 0)
    with progress_bar(drawn) as (advance, report):
        animator = Animator(device, segmenter, offline)
        source, layers = staged(animator, photo, size, options, report)
        clip = animator.animate(
            source, planned, seconds=seconds, fps=fps, loop=loop, size=parse_size(size), layers=layers,
            border_pins=border_pins, report=report,
        )  # fmt: skip
        clip.save(output, quality=quality, progress=advance)
        if explain:
            clip.explain(explain, progress=advance)
    console.print(clip_report(output, len(clip), fps, clip.seconds), markup=False, soft_wrap=True)
