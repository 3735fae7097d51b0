"""Commands `photoflow weights list`, `get` and `path`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import AcceptLicence, app
from photoflow.errors import InputError

weights_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The networks' weights: list, get, path.")
app.add_typer(weights_app, name="weights")


@weights_app.command("list")
def list_weights() -> None:
    """List the weights, first those that come with photoflow.

    Size, whether they are here, licence, network, what they were trained on, published scores.
    """
    from photoflow.models.networks import KINDS
    from photoflow.weights import loading as weights

    for kind in KINDS:
        path = weights.shipped(kind)
        if path is not None:
            size = path.stat().st_size / 1e6
            typer.echo(f"{kind:13} {size:6.1f} MB  shipped  MIT")
            typer.echo(f"{'':13} taken where none is named; card: {path.with_suffix('.md')}")
    for name in weights.REGISTRY:
        typer.echo(weights.description(name))


def shipped_path(name: str) -> Path | None:
    """Return the path of the weights of this name that come with photoflow, or None."""
    from photoflow.models.networks import KINDS
    from photoflow.weights import loading as weights

    return weights.shipped(name) if name in KINDS else None


@weights_app.command("get")
def get_weights(
    name: Annotated[str, typer.Argument(help="One of the names that `photoflow weights list` shows.")],
    accept_licence: AcceptLicence = False,
) -> None:
    """Fetch weights, continuing what an earlier attempt left, and print where they are."""
    from photoflow.weights import loading as weights

    typer.echo(shipped_path(name) or weights.fetch(name, accept_licence=accept_licence))


@weights_app.command("path")
def show_weights_path(name: Annotated[str, typer.Argument(help="One of the names.")]) -> None:
    """Print where weights are."""
    from photoflow.weights import loading as weights

    path = shipped_path(name) or weights.locate(name)
    if path is None:
        raise InputError(f"weights '{name}' are not here; `photoflow weights get {name}` fetches them")
    typer.echo(path)
