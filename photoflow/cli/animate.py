"""photoflow animate, photoflow motions."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from photoflow.cli.app import (
    AcceptLicence,
    Behind,
    BorderPins,
    Depth,
    DepthFarBright,
    Device,
    Fps,
    Loop,
    Offline,
    Output,
    PhotoPath,
    Quality,
    Read,
    Seconds,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
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
)
from photoflow.errors import InputError
from photoflow.options import ClipOptions


@app.command()
def animate(
    context: typer.Context,
    photo: PhotoPath,
    output: Output = Path("out.mp4"),
    motion: Annotated[
        list[str] | None,
        typer.Option(
            "--motion", help="'NAME[:SOURCE][@LAYER] [PARAMETER=VALUE ...]' or a .json file; several add up.  [auto]"
        ),
    ] = None,
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
    alpha: Annotated[bool, typer.Option("--alpha", help="The subject alone, over nothing (not mp4).")] = False,
    quality: Quality = 80,
    explain: Annotated[Path | None, typer.Option(help="Folder for pictures of the mask, flow and paths.")] = None,
    save_motion: Annotated[Path | None, typer.Option(help="Write the motion to a .json file.")] = None,
    segmenter: SegmenterName = "auto",
    blueprint: Annotated[str, typer.Option(help="Where the flow is from: exact, or raft (measured).")] = "exact",
    renderer: Annotated[str, typer.Option(help="splat, or drawn by a generator: gan, pyramid.")] = "splat",
    interpolate: Annotated[
        str, typer.Option(help="What draws frames between keyframes: none, dis, refined, rife, amt.")
    ] = "none",
    keyframe_fps: Annotated[
        float | None, typer.Option(help="Keyframes a second, with --interpolate.  [a quarter of --fps]")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NETWORK=NAME or NETWORK=FILE for raft, gan, pyramid, refined, rife or amt; repeatable."),
    ] = None,
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Animate a photo."""
    from photoflow import motion as motions
    from photoflow.clip import EXPLAIN_ROWS, frame_count, is_page
    from photoflow.motion.motion import summands
    from photoflow.stage.judgement import chooses

    options = ClipOptions(**said_options(context))
    check_clip_files(options.read(photo), output, alpha, explain, save_motion)
    if is_page(output):
        options.check_page()
    planned, frames = options.motions(), frame_count(seconds, fps)
    drawn = drawn_frames(output, frames, fps) + (min(frames, EXPLAIN_ROWS) if explain else 0)
    with progress_bar(drawn) as (advance, report):
        layers = LayerOptions(mask, box, point, not_point, free, pin)
        clip = options.clip(options.animator(), photo, report, layers)
        clip.save(output, quality=quality, alpha=alpha, progress=advance)
        if explain:
            clip.explain(explain, progress=advance)
        if save_motion:
            clip.motion.save(save_motion)
    console.print(clip_report(output, len(clip), fps, clip.seconds), markup=False, soft_wrap=True)
    if any(chooses(part) for _, part in planned.terms()):
        try:
            said = [word for part in summands(clip.motion) for word in ("--motion", motions.words(part))]
            line = f"chosen, and repeated by: {command_with(context, said)}"
        except InputError:  # a part of it is from a motion file, and no words say it
            line = "chosen; --save-motion FILE.json keeps it"
        console.print(line, markup=False, soft_wrap=True)


def with_clip_options(without: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command the options of a clip as `animate` has them; `said_options` reads them.

    Args:
        without: those that it does not have.
    """

    def extended(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [parameter for parameter in _parameters(function).values() if parameter.kind is not parameter.VAR_KEYWORD]
        known = _parameters(animate)
        also = [known[field.name] for field in dataclasses.fields(ClipOptions) if field.name not in without]
        function.__signature__ = inspect.Signature([*own, *also])  # type: ignore[attr-defined]
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *also)}
        return function

    return extended


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.items()
    return {name: parameter.replace(annotation=hints[name]) for name, parameter in parameters}


def said_options(context: typer.Context, given: bool = False) -> dict[str, Any]:
    """Return what a command says of a clip, by the names of `ClipOptions`, of which it may have but some.

    Args:
        context: of the command.
        given: only what stands on the command line, without defaults.
    """
    said = {}
    for field in dataclasses.fields(ClipOptions):
        value = context.params.get(field.name)
        source = context.get_parameter_source(field.name)
        if value in (None, [], ()) or (given and (source is None or source.name != "COMMANDLINE")):
            continue
        said[field.name] = (
            tuple(value) if isinstance(value, (list, tuple)) else str(value) if isinstance(value, Path) else value
        )
    return said


def command_with(context: typer.Context, said: Sequence[str]) -> str:
    """Return the command that was given, with other words for its motions.

    Args:
        context: of the command.
        said: those words.
    """
    words = ["photoflow", str(context.info_name)]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name == "motion" or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if parameter.param_type_name == "argument":
                words.append(str(one))
            elif isinstance(one, bool):
                words.append((parameter.opts if one else parameter.secondary_opts)[0])
            else:
                words += [parameter.opts[0], str(one)]
    return shlex.join([*words, *said])


def drawn_frames(output: Path, count: int, fps: float) -> int:
    """Return how many frames of a clip of `count` are drawn to write it."""
    from photoflow.clip import is_page
    from photoflow.player.page import video_frames

    return len(video_frames(count, fps)) if is_page(output) else count


def clip_report(output: Path, count: int, fps: float, seconds: float) -> str:
    """Describe the written clip of `count` frames in one line."""
    from photoflow.clip import is_page
    from photoflow.io import output_frames_and_rate

    if is_page(output):
        return f"{output}: a page that plays {seconds:g} s, {os.path.getsize(output) / 1e6:.1f} MB"
    frames, rate = output_frames_and_rate(output, count, fps)
    most = f" (of {count}: a GIF has at most {rate:g} a second)" if frames < count else ""
    return f"{output}: {frames} frames, {seconds:g} s at {rate:g} fps{most}"


@app.command("motions")
def list_motions() -> None:
    """List the motions and their parameters."""
    from photoflow.motion import MOTIONS

    for name, kind in MOTIONS.items():
        summary = (kind.__doc__ or "").split("\n")[0]
        values = [
            f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default}" for f in dataclasses.fields(kind)
        ]
        typer.echo(f"{name:10} {summary}\n{'':10}   {' '.join(values)}")


def check_clip_files(read: Read, output: Path, alpha: bool, explain: Path | None, save_motion: Path | None) -> None:
    """Check before any work that everything can be written, and that nothing read is replaced or written twice.

    Args:
        read: what must stay.
        output, alpha, explain, save_motion: see `animate`.

    Raises:
        InputError: something cannot, is, or are.
    """
    from photoflow.clip import EXPLAINED, check_clip_output
    from photoflow.io import check_directory, check_target

    check_clip_output(output, alpha)
    if explain:
        check_directory(explain)
    if save_motion:
        check_target(save_motion)
        if save_motion.suffix.lower() != ".json":
            raise InputError(f"{save_motion}: expected a name that ends in .json for the motion")
    pictures = [explain / name for name in EXPLAINED] if explain else []
    check_files(read, [path for path in (output, explain, save_motion) if path])
    check_files(read, [path for path in (output, save_motion, *pictures) if path])
