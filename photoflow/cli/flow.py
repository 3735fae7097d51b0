"""Command `photoflow flow`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photoflow.cli.app import Device, Offline, app, check_files, console, weights_files
from photoflow.errors import InputError


@app.command()
def flow(
    first: Annotated[Path, typer.Argument(metavar="A", help="A picture.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another of its size.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help=".flo, or .png as KITTI keeps flow.")] = Path(
        "flow.flo"
    ),
    png: Annotated[
        Path | None, typer.Option(help="Write a picture too: the hue is the direction, the saturation the length.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="RAFT's, a name from `photoflow weights list` or a file, or a file of refined DIS. Without: those of "
            "refined DIS that come with photoflow."
        ),
    ] = None,
    updates: Annotated[int, typer.Option(min=1, help="How often RAFT updates the flow.")] = 12,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Measure where each pixel of picture A is in picture B (optical flow, by RAFT or DIS)."""
    from photoflow.io import read_photo, write_flow, write_image
    from photoflow.viz import flow_to_rgb, with_legend

    check_flow_files(first, second, weights, output, png)
    pictures = [read_photo(path).rgb for path in (first, second)]
    if pictures[0].shape != pictures[1].shape:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in pictures]
        raise InputError(f"{second}: expected {sizes[0]} pixels, as {first} has, got {sizes[1]}")
    measured, method = measure_flow(pictures[0], pictures[1], weights, updates, device, offline)
    write_flow(output, measured)
    if png:
        write_image(png, with_legend(flow_to_rgb(measured)))
    length = (measured**2).sum(0) ** 0.5
    said = f"{length.mean():.2f} pixels on average, {length.max():.2f} at most"
    size = f"{measured.shape[2]}x{measured.shape[1]}"
    console.print(f"{output}: {size}, {said}, by {method}", markup=False, soft_wrap=True)


def check_flow_files(first: Path, second: Path, weights: str | None, output: Path, png: Path | None) -> None:
    """Check before any work that both results can be written, and replace neither each other nor a picture.

    Raises:
        InputError: one of them cannot be written, or would replace another file.
    """
    from photoflow.io import check_target

    written = {output: (".flo", ".png")} | ({png: (".png", ".jpg", ".jpeg", ".webp")} if png else {})
    for path, suffixes in written.items():
        check_target(path)
        if path.suffix.lower() not in suffixes:
            raise InputError(f"cannot write {path}: expected a suffix {' or '.join(suffixes)}")
    check_files(
        {"a picture": [first, second], "the weights": weights_files(weights)}, [output, *([png] if png else [])]
    )


def measure_flow(
    first: Any, second: Any, weights: str | None, updates: int, device: str, offline: bool
) -> tuple[Any, str]:
    """Measure the flow between two pictures, uint8 (H, W, 3).

    Returns:
        The flow, float32 (2, H, W), pixels, and the name of the method.

    Raises:
        InputError: the device or the weights are missing, or the weights are not those of a flow network.
    """
    import torch

    from photoflow.device import settled_device
    from photoflow.models.networks import load_network
    from photoflow.models.raft import RAFT

    chosen = settled_device(device)
    images = (torch.from_numpy(rgb).to(chosen).permute(2, 0, 1)[None].float() / 255 for rgb in (first, second))
    network = load_network("flow", weights, offline=offline).to(chosen)
    raft = isinstance(network, RAFT)
    with torch.inference_mode():
        measured = network(*images, updates=updates) if raft else network(*images)
    return measured[0].cpu().numpy(), "RAFT" if raft else "refined DIS"
