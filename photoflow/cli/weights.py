"""photoflow weights list, get and path."""

from __future__ import annotations

from typing import Annotated

import typer

from photoflow.cli.app import AcceptLicence, app
from photoflow.errors import InputError

weights_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The networks' weights: list, get, path.")
app.add_typer(weights_app, name="weights")


@weights_app.command("list")
def list_weights() -> None:
    """List the weights: size, whether they are here, licence, network, what they were trained on, published scores."""
    from photoflow.models import weights

    for name in weights.REGISTRY:
        typer.echo(weights.description(name))


@weights_app.command("get")
def get_weights(
    name: Annotated[str, typer.Argument(help="One of the names that `photoflow weights list` shows.")],
    accept_licence: AcceptLicence = False,
) -> None:
    """Fetch weights, continuing what an earlier attempt left, and print where they are."""
    from photoflow.models import weights

    typer.echo(weights.fetch(name, accept_licence=accept_licence))


@weights_app.command("path")
def show_weights_path(name: Annotated[str, typer.Argument(help="One of the names.")]) -> None:
    """Print where weights are."""
    from photoflow.models import weights

    path = weights.locate(name)
    if path is None:
        raise InputError(f"weights '{name}' are not here; `photoflow weights get {name}` fetches them")
    typer.echo(path)
