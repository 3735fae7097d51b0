"""Command `photoflow build-info`."""

from __future__ import annotations

import typer

from photoflow.cli.app import app


@app.command("build-info")
def show_build_info() -> None:
    """Say in one line what this installation was built with."""
    from photoflow import ops

    typer.echo(ops.build_info()["summary"])
