"""Command `photoflow prune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import AcceptLicence, Offline, app, check_files, console, weights_files
from photoflow.errors import InputError


@app.command()
def prune(
    output: Annotated[Path, typer.Option("-o", "--output", help="A .safetensors file.", show_default=False)],
    keep: Annotated[float, typer.Option(help="Share of the channels that stays, up to 1.")] = 0.5,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A splat generator's, a name or a file.  [those that come with photoflow]", show_default=False
        ),
    ] = None,
    accept_licence: AcceptLicence = False,
    offline: Offline = False,
) -> None:
    """Take channels out of a splat generator. `train gan --set start=FILE` trains what is left."""
    from photoflow.io import check_target

    check_target(output)
    if output.suffix.lower() != ".safetensors":
        raise InputError(f"cannot write {output}: expected a suffix .safetensors")
    check_files({"the weights": weights_files(weights)}, [output])
    from photoflow.deploy import prune as narrowed
    from photoflow.models.networks import load_network
    from photoflow.train.checkpoint import write_weights

    network = load_network("gan", weights, offline=offline, accept_licence=accept_licence)
    pruned = narrowed(network, keep)
    write_weights(output, pruned, {"format": "pt", "network": "PrunedSplatGenerator()", "keep": f"{keep:g}"})
    left, before = (sum(one.numel() for one in net.parameters()) for net in (pruned, network))
    console.print(f"{output}: {left} of {before} parameters", markup=False, soft_wrap=True)
