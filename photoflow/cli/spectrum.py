"""Command `photoflow spectrum`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoflow.cli.app import Device, Offline, app, check_files, console, weights_files
from photoflow.errors import InputError

if TYPE_CHECKING:
    from photoflow.motion.spectral import SpectralVolume
    from photoflow.motion.trajectories import Footage, Measured


@app.command()
def spectrum(
    video: Annotated[Path, typer.Argument(help="A clip of something that moves.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .safetensors file.")] = Path("volume.safetensors"),
    frequencies: Annotated[int, typer.Option(min=1, help="How many of them are kept, the mean included.")] = 16,
    size: Annotated[int, typer.Option(help="Longest side, in pixels, on which motion is measured.")] = 512,
    start: Annotated[float, typer.Option(help="Seconds of the clip that are left out.")] = 0.0,
    seconds: Annotated[
        float | None, typer.Option(help="How much of the clip is taken.  [the rest, at most 300 frames]")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Write a picture too: an x-t slice and the spectrum.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Measure by RAFT with these weights: a name from `photoflow weights list`, or a file."),
    ] = None,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Measure how everything in a clip moves, and keep it as a spectral volume (for --motion spectral:FILE)."""
    from photoflow.motion.trajectories import Footage, measure

    check_spectrum_files(video, weights, output, png)
    footage = Footage(video, size, start, seconds)
    measured = measure(footage, frequencies, **flow_network(weights, device, offline))
    measured.volume.save(output)
    if png:
        from photoflow.io import write_image

        write_image(png, spectrum_picture(footage, measured.volume))
    for line in spectrum_report(video, output, footage, measured):
        console.print(line, markup=False, soft_wrap=True)


def check_spectrum_files(video: Path, weights: str | None, output: Path, png: Path | None) -> None:
    """Check before any work that both results can be written, and replace neither the clip nor the weights.

    Raises:
        InputError: one of them cannot be written, or would replace another file.
    """
    from photoflow.io import check_target

    written = {output: (".safetensors",)} | ({png: (".png", ".jpg", ".jpeg", ".webp")} if png else {})
    for path, suffixes in written.items():
        check_target(path)
        if path.suffix.lower() not in suffixes:
            raise InputError(f"cannot write {path}: expected a suffix {' or '.join(suffixes)}")
    check_files({"the clip": [video], "the weights": weights_files(weights)}, [output, *([png] if png else [])])


def flow_network(weights: str | None, device: str, offline: bool) -> dict[str, Any]:
    """Load RAFT and return it with its device, as arguments of `measure`; empty if no weights are named.

    Raises:
        InputError: the device or the weights are missing, or the weights are not RAFT's.
    """
    from photoflow.device import check_device

    check_device(device)
    if weights is None:
        return {}
    from photoflow.device import settled_device
    from photoflow.models.networks import load_network

    chosen = settled_device(device)
    return {"network": load_network("raft", weights, offline=offline).to(chosen), "device": chosen}


def spectrum_report(video: Path, output: Path, footage: Footage, measured: Measured) -> list[str]:
    """Describe what was read and what is odd about it, whether it is a loop, and how much of its motion is kept."""
    volume = measured.volume
    height, width = volume.size
    read = f"{video}: {measured.frames} frames, {volume.seconds:.3g} s, measured at {width}x{height}"
    if measured.left_out:
        read += f"; about {measured.left_out} more are left out (--start and --seconds choose a part)"
    ends = "it does not close: the end of its motion was faded into its beginning" if measured.closed else "it closes"
    kept = f"{volume.count} frequencies to {volume.frequencies[-1]:.3g} Hz keep {measured.kept:.1%} of the energy"
    noted = [f"{video}: {note}" for note in footage.notes]
    return [read, *noted, ends, f"{output}: {kept}, within {measured.error:.3f} pixels on average"]


def spectrum_picture(footage: Footage, volume: SpectralVolume) -> Any:
    """Draw the line of the clip that moves most, over time, and below it the power of its motion, uint8 (h, w, 3)."""
    import cv2
    import numpy as np

    from photoflow import viz

    energy = np.square(np.abs(volume.coefficients)).sum(axis=0)
    across = energy[0].sum() >= energy[1].sum()  # a row shows motion from side to side, a column motion up and down
    line = int(energy.sum(axis=(0, 2) if across else (0, 1)).argmax())
    frames = footage.evenly()
    slice_ = viz.xt_slice(frames, row=line) if across else viz.xt_slice(frames, column=line)
    # 0 Hz is left out: the mean is not an oscillation.
    curves = {"motion": (list(volume.frequencies[1:]), list(volume.power[1:]))}
    width = max(slice_.shape[1], 320)
    shown = [cv2.copyMakeBorder(slice_, 0, 8, 0, width - slice_.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3)]
    if volume.count > 1:
        shown.append(viz.spectrum_plot(curves, width, 240))
    return np.concatenate(shown)
