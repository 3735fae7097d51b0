"""photoflow studio."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import Device, Offline, SegmenterName, app
from photoflow.errors import InputError


@app.command()
def studio(
    photo: Annotated[
        Path | None, typer.Argument(help="A photo, or a .stage, that the page opens with.", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="[8425, or any that is free]")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this machine's own ask for a token.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Say by hand how a photo moves, on a page in the browser, and see it at once."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InputError('studio: expected FastAPI and uvicorn; pip install "photoflow[studio]"')
    # Said before numpy is loaded: the small matrices of a preview are no faster in threads that wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from photoflow.animator import Animator
    from photoflow.studio.server import serve

    serve(Animator(device, segmenter, offline), photo, host, port, browser, typer.echo)
