"""Command `photoflow interpolate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import AcceptLicence, Device, Offline, app, check_files, console, progress_bar, weights_files
from photoflow.errors import InputError


@app.command("interpolate")
def add_frames(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A video, an animated picture, or a folder of pictures.", show_default=False),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="As for `photoflow animate -o`.", show_default=False)],
    factor: Annotated[int, typer.Option(min=2, help="How many times the frames a second.")] = 2,
    network: Annotated[
        str | None,
        typer.Option(
            help="What draws them: dis, which has no weights; refined, better where things move far, and seven times "
            "as slow; rife or amt, by weights of theirs.  [rife with weights, else dis]"
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The network's weights: a name from `photoflow weights list`, or a file.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Pictures a second of a folder; a video has its own.")] = 30.0,
    quality: Annotated[int, typer.Option(min=0, max=100, help="0 to 100.")] = 80,
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Draw frames between those of a video, so that it plays smoother; scene cuts stay cuts."""
    from photoflow.io import FolderReader, output_frames_and_rate
    from photoflow.weights.loading import shipped

    network = network or ("rife" if weights else "dis")
    if network not in ("dis", "refined", "rife", "amt"):
        raise InputError(f"network: expected dis, refined, rife or amt, got {network!r}")
    if network == "dis" and weights is not None:
        raise InputError("weights: expected them for refined, rife or amt alone, dis has none")
    if network != "dis" and weights is None and shipped(network) is None:
        named = "rife_v4.26" if network == "rife" else "amt_s"
        raise InputError(
            f"weights: expected --weights with {named}, say, or a file; untrained, no network interpolates"
        )
    from photoflow.interpolation import check_target, interpolate, open_frames
    from photoflow.models.dis import DISInterpolation
    from photoflow.models.networks import load_network

    frames = open_frames(source, fps)
    check_target(frames, target)
    pictures = frames.files if isinstance(frames, FolderReader) else []
    check_files({"the input": [source, *pictures], "the weights": weights_files(weights)}, [target])
    with progress_bar(round(frames.seconds * frames.fps * factor)) as (advance, _):
        permits = {"offline": offline, "accept_licence": accept_licence}
        drawn_by = DISInterpolation() if network == "dis" else load_network(network, weights, **permits)
        done = interpolate(frames, target, drawn_by, factor=factor, quality=quality, device=device, progress=advance)
    for note in done.notes:
        console.print(f"{source}: {note}", markup=False, soft_wrap=True)
    cuts = f", {done.cuts} scene cut{'s' * (done.cuts != 1)} kept" if done.cuts else ""
    silence = ", without the sound (only .mp4 and .webm keep it)" if done.silenced else ""
    count, rate = output_frames_and_rate(target, done.frames, float(done.fps))
    console.print(f"{target}: {count} frames at {rate:g} fps{cuts}{silence}", markup=False, soft_wrap=True)
