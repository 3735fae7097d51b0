"""Command `photoflow sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photoflow.cli.app import Device, Offline, app, check_files, console, weights_files
from photoflow.errors import InputError

if TYPE_CHECKING:
    from photoflow.motion.spectral import SpectralVolume


@app.command()
def sample(
    photo: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .safetensors file.")] = Path("volume.safetensors"),
    seed: Annotated[int, typer.Option(min=0, help="Another one draws another motion.")] = 0,
    seconds: Annotated[float, typer.Option(help="After which the motion repeats; the longer, the slower it is.")] = 5.0,
    steps: Annotated[int, typer.Option(min=1, help="Of the diffusion; the more, the longer it takes.")] = 100,
    guidance: Annotated[
        float, typer.Option(help="How much more than once the photo counts, w; the paper's loops have 1.75.")
    ] = 0.0,
    loop: Annotated[
        float | None,
        typer.Option(
            help="Seconds, less than --seconds, after which the motion is to be where it began; takes about twenty "
            "times as long. `photoflow animate --no-loop` with as many --seconds plays it.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="The prior's, a name from `photoflow weights list` or a file. Without: those that come with it."
        ),
    ] = None,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Draw how everything in a photo may move, by the learned prior, and keep it (for --motion spectral:FILE)."""
    import torch

    from photoflow.device import settled_device
    from photoflow.io import read_photo
    from photoflow.models.networks import load_network
    from photoflow.motion.learned import sample_volume
    from photoflow.motion.trajectories import SIDE
    from photoflow.stage.working_size import resize_photo

    check_sample_files(photo, weights, output)
    rgb = read_photo(photo).rgb
    if max(rgb.shape) > SIDE:  # the prior works at a smaller size, so a larger volume holds no more detail
        rgb, _ = resize_photo(rgb, SIDE)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    network = load_network("spectral", weights, offline=offline).to(settled_device(device))
    volume = sample_volume(network, image, seconds=seconds, seed=seed, loop=loop, guidance=guidance, steps=steps)
    volume.save(output)
    console.print(sample_report(output, volume, loop), markup=False, soft_wrap=True)


def check_sample_files(photo: Path, weights: str | None, output: Path) -> None:
    """Check before any work that the result can be written, and replaces neither the photo nor the weights.

    Raises:
        InputError: it cannot be written, or would replace one of them.
    """
    from photoflow.io import check_target

    check_target(output)
    if output.suffix.lower() != ".safetensors":
        raise InputError(f"cannot write {output}: expected a suffix .safetensors")
    check_files({"the photo": [photo], "the weights": weights_files(weights)}, [output])


def sample_report(output: Path, volume: SpectralVolume, loop: float | None = None) -> str:
    """Describe the sampled volume in one line; of a loop of `loop` seconds, also how far its ends are apart."""
    height, width = volume.size
    moved = float(volume.power[1:].sum()) ** 0.5
    frequencies = f"{volume.count} frequencies to {volume.frequencies[-1]:.3g} Hz"
    said = f"{output}: {width}x{height}, {frequencies}, displaced by {moved:.3g} pixels (root mean square)"
    if loop is None:
        return said
    first, last = volume.trajectories([0.0, loop])
    apart = float(((last - first) ** 2).sum(0).mean()) ** 0.5
    return f"{said}; after {loop:g} s it is {apart:.3g} pixels from where it began"
