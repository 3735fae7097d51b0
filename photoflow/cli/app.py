"""Common parts of all commands: the application, the console, options, and the end of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from photoflow import __version__
from photoflow.cli.interrupts import end_runs_cleanly
from photoflow.errors import InputError, is_out_of_memory

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(stderr=True, highlight=False)

# Options that several commands have.
PhotoPath = Annotated[
    Path,
    typer.Argument(
        help="JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, HEIC, - for standard input, or a .stage of photoflow prepare.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("-o", "--output", help=".mp4, .webm, .gif, .apng, .html, or a folder for png frames.")
]
Seconds = Annotated[float, typer.Option(help="Length of the clip.")]
Fps = Annotated[float, typer.Option(help="Frames a second.")]
Size = Annotated[
    str | None, typer.Option(help="Longest side in pixels, WIDTHxHEIGHT to fit into, or original.  [at most 1920]")
]
Loop = Annotated[bool, typer.Option("--loop/--no-loop", help="The end leads into the beginning.")]
Depth = Annotated[
    Path | None, typer.Option(help="Picture of the photo's depth for a camera, near = bright, of 8 or 16 bits.")
]
DepthFarBright = Annotated[bool, typer.Option("--depth-far-bright", help="In that picture far is bright.")]
Behind = Annotated[
    Path | None,
    typer.Option(help="A clip that begins with the photo: what is hidden in it and seen later is taken from there."),
]
BorderPins = Annotated[
    bool, typer.Option("--border-pins/--no-border-pins", help="The border holds a subject that it cuts off.")
]
SegmenterName = Annotated[
    str, typer.Option(help="auto, mask_rcnn, u2netp, grabcut, sam2, or a file of Mask R-CNN's weights.")
]
Quality = Annotated[int, typer.Option(min=0, max=100, help="0 to 100.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never fetch network weights.")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Take weights that may not be used commercially.")
]


Read = Mapping[str, Sequence[Path | None]]  # files that are read, by what they are; None: not given


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2, an interrupt in 130 and no file."""
    end_runs_cleanly()
    try:
        os.getcwd()
    except FileNotFoundError:  # said at once: libraries that are loaded later end the process without a word of it
        fail("the working directory no longer exists; expected to be run in one that does")
    try:
        app(prog_name="photoflow")  # also where it runs as `python -m photoflow`
    except InputError as error:
        fail(str(error))
    except KeyboardInterrupt:  # before a command was found
        sys.exit(130)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        advice = "; a smaller --size needs less" if sys.argv[1:2] in (["animate"], ["poke"], ["prepare"]) else ""
        fail(f"not enough memory{advice}")


def fail(line: str) -> None:
    """Print one line and exit with code 2."""
    console.print(f"photoflow: {' '.join(line.split())}", markup=False, soft_wrap=True)
    sys.exit(2)


def check_files(read: Read, written: Sequence[Path]) -> None:
    """Check before any work that nothing that is read is replaced, and that no two outputs are in one place.

    Args:
        read: every file that is read.
        written: every file that is written, also those in a folder that is named.

    Raises:
        InputError: one would be.
    """
    given = [str(file) for files in read.values() for file in files if file]
    if given.count("-") > 1:
        raise InputError("-: expected once, as standard input can be read but once")
    for place, path in enumerate(written):
        for what, files in read.items():
            if any(_is_same(path, file) for file in files if file):
                raise InputError(f"{path}: the output would replace {what}; expected another name")
        for other in (other for number, other in enumerate(written) if number != place):
            if _is_same(path, other) or _real(path) in _real(other).parents:
                raise InputError(f"{path}: two outputs would be in one place; expected different names")


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths are of one file, also by links or where a file system does not tell A from a."""
    first, second = _real(path), _real(other)
    return first == second or (os.path.exists(first) and os.path.exists(second) and os.path.samefile(first, second))


def _real(path: Path) -> Path:
    """Return where a path leads; unlike `Path.resolve`, without an error for links in a circle."""
    return Path(os.path.realpath(path))


def weights_files(*weights: str | None) -> list[Path | None]:
    """Return the files among weights that are given by a name or a file."""
    return [Path(text).expanduser() for text in weights if text]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Bring a still photo to life: its subject moves as you say, everything else stays as it was."""
    if version:
        typer.echo(f"photoflow {__version__}")
        raise typer.Exit


@contextmanager
def progress_bar(frames: int) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Show a bar over the whole job, with planning as the first tenth; none where no person watches.

    Yields:
        What to call after every frame, and what to tell of the plan.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    watched = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not watched) as progress:
        plan = max(1, frames // 9)
        task = progress.add_task("planning", total=plan + frames)

        def report(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        def advance() -> None:
            if progress.tasks[0].completed < plan:
                progress.update(task, completed=plan, description="rendering")
            progress.advance(task)

        yield advance, report
