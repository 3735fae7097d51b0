"""Command `photoflow onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import AcceptLicence, Offline, app, check_files, console, weights_files
from photoflow.errors import InputError

NETWORKS = ("gan", "rife", "flow", "refined")


@app.command()
def onnx(
    network: Annotated[str, typer.Argument(help="gan, rife, flow or refined.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="An .onnx file.", show_default=False)],
    weights: Annotated[
        str | None,
        typer.Option(help="The network's, a name or a file.  [those that come with photoflow]", show_default=False),
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 (of the weights) or int8.")] = "float32",
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Of int8: folder of photos that ranges are measured on.  [scikit-image's or textures]",
            show_default=False,
        ),
    ] = None,
    accept_licence: AcceptLicence = False,
    offline: Offline = False,
) -> None:
    """Write a network as ONNX, for other runtimes. Of flow and refined it is the part that chooses among candidates."""
    check_export(network, output, weights, precision, photos)
    from photoflow.deploy import export
    from photoflow.models.networks import load_network

    loaded = load_network(network, weights, offline=offline, accept_licence=accept_licence)
    path = export(loaded, output, precision=precision, photos=photos)
    said = f"{output}: {type(loaded).__name__}, {precision}, {path.stat().st_size / 1e6:.2f} MB"
    console.print(said, markup=False, soft_wrap=True)


def check_export(network: str, output: Path, weights: str | None, precision: str, photos: Path | None) -> None:
    """Check before any work what is exported, and that the file can be written and replaces nothing that is read.

    Raises:
        InputError: there is no such network or precision, a package is not installed, photos are given where nothing
            is measured, or the file cannot be written or would replace the weights.
    """
    if network not in NETWORKS:
        raise InputError(f"network: expected {' or '.join(NETWORKS)}, got {network!r}")
    from photoflow.deploy.onnx_file import check_export_to

    check_export_to(output, precision)
    if photos is not None and precision != "int8":
        raise InputError(f"photos: expected with --precision int8 alone, got it with {precision}")
    check_files({"the weights": weights_files(weights)}, [output])
