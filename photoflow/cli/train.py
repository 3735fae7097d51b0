"""Command `photoflow train`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from photoflow.cli.app import Device, app, console
from photoflow.errors import InputError


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="gan, raft, dis, interpolation, refined, pyramid, spectral, completion, amt, mask_rcnn or photomaker.",
            show_default=False,
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            help="procedural[:FOLDER of photos], chairs:FOLDER, photos:FOLDER, video:FOLDER, "
            "spectral:FOLDER of clips or spectral:procedural[:FOLDER of photos], masks:FOLDER (images/NAME.jpg and "
            "masks/NAME.png or masks/CLASS/NAME.png), coco:FILE[:FOLDER] or portraits:FOLDER (of photoflow "
            "portrait-data); of several, one is drawn per batch.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="RUN", help="Folder for the checkpoint and the weights.", show_default=False)
    ],
    minutes: Annotated[float | None, typer.Option(min=0, help="How long to train now.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Or: steps to take now.", show_default=False)] = None,
    total: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes (or steps) of the whole training, in slices.  [to the end of this one]"),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples of a forward pass; as --set batch=.")] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Of the pictures; as --set size=.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and draws; as --set seed=.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Of the recipe's configuration; repeat.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Train a network; the same command goes on where the last one stopped. SIGINT and SIGTERM save, then exit."""
    if (minutes is None) == (steps is None):
        raise InputError("expected either --minutes or --steps")
    if total is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        # Else the training would be longer by as much as was done of it before the restart.
        raise InputError(
            "total: expected it with torchrun --max-restarts, for a restart to end where the training does"
        )
    from photoflow.data import open_source
    from photoflow.train.checkpoint import check_place
    from photoflow.train.distributed import process_group
    from photoflow.train.feed import Mixture
    from photoflow.train.log import check_table
    from photoflow.train.loop import train as run
    from photoflow.train.recipes import entry_of
    from photoflow.train.schedule import Plan

    entry = entry_of(recipe)
    shortcuts = {"batch": batch, "size": size, "seed": seed}
    texts = {name: str(value) for name, value in shortcuts.items() if value is not None}
    config = entry.configured(texts | parse_settings(settings or []))
    check_table(check_place(out))  # first, as opening data and networks takes a while
    with process_group(device) as ranks:
        clips = "frames" in entry.recipe.needs
        sources = [
            open_source(
                text, size=config.data_size, device=ranks.device, seed=config.seed, clips=clips, whole=config.whole
            )
            for text in data
        ]
        config = config.for_data(sources)
        made = entry.made(config, ranks.device)
        outcome = run(made, Mixture(sources, config.seed), out, Plan(steps, minutes, total), console, ranks)
    done = outcome.progress
    if ranks.rank == 0:
        if outcome.signal:
            ending = "interrupted; the same command goes on"
        else:
            ending = "the training is done" if outcome.done else "the same command goes on"
        kept = outcome.weights if outcome.weights.is_file() else out  # none before the first step
        said = f"{kept}: {done.step} steps, {done.seconds / 60:.1f} min; {ending}"
        console.print(said, markup=False, soft_wrap=True)
    if outcome.signal:
        sys.exit(128 + outcome.signal)


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Parse texts of the form FIELD=VALUE into a dictionary.

    Raises:
        InputError: a text has another form.
    """
    parsed = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InputError(f"set: expected FIELD=VALUE, got {text!r}")
        parsed[name] = value
    return parsed
