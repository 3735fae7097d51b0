"""photoflow batch."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from photoflow.cli.animate import said_options, with_clip_options
from photoflow.cli.app import app, console
from photoflow.errors import InputError
from photoflow.options import ClipOptions
from photoflow.options.clip_options import motion_files
from photoflow.options.parsing import parse_size

if TYPE_CHECKING:
    from photoflow.batch import Items, Record

FORMATS = ("mp4", "webm", "gif", "apng", "html")
ENGINES = ("local", "ray")
REPORT = "report.jsonl"
_PART = "report.part.jsonl"
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)i?B?", re.IGNORECASE)
_EVERY = 30.0  # seconds between two lines of progress where no person watches


@app.command()
@with_clip_options()
def batch(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Photos, folders, patterns, a .csv or .jsonl with a column photo, or URLs of these.",
            show_default=False,
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder of the clips, or a URL.", show_default=False)],
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes at once.  [one for each core]", show_default=False)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What they may have together, with ray each, as 8GB.  [three quarters of what is free]",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Who does it: local, processes of this machine, or ray, a Ray cluster.")
    ] = "local",
    gpus: Annotated[float, typer.Option(min=0, help="With ray, the share of a GPU that each process has.")] = 0.0,
    recipe: Annotated[
        Path | None, typer.Option(help='A .toml file with options of a clip, as motion = "sway".', show_default=False)
    ] = None,
    form: Annotated[str, typer.Option("--format", help=f"Of the clips: {', '.join(FORMATS)}.")] = "mp4",
    **_: Any,
) -> None:
    """Animate many photos: each once, whatever happens in between; what is made already is passed over.

    Options of a clip are those of photoflow animate. They are taken from the recipe, from here, and from the line of a
    list, the last of which counts. report.jsonl in the folder has a line for every photo.
    """
    from photoflow.batch import ClipWork, Items, Processes, RayCluster
    from photoflow.batch.processes import usual_jobs, usual_memory

    if form not in FORMATS:
        raise InputError(f"format: expected {', '.join(FORMATS)}, got {form!r}")
    if engine not in ENGINES:
        raise InputError(f"engine: expected {' or '.join(ENGINES)}, got {engine!r}")
    if gpus and engine != "ray":
        raise InputError(f"gpus: expected it with --engine ray alone, got {gpus:g}; --device says where else")
    options = ClipOptions.of(read_recipe(recipe) if recipe else {}, said_options(context, given=True))
    check_options(options, form)
    check_folders(inputs, output)
    items = Items(inputs, f".{form}", without=output, check=ClipOptions.named)
    count = items.count()
    work, most = ClipWork(output, dataclasses.asdict(options)), None if memory is None else parse_memory(memory)
    pool: Processes | RayCluster
    if engine == "ray":
        pool = RayCluster(work, count, jobs, most, gpus, say)
    else:
        pool = Processes(work, jobs or usual_jobs(), usual_memory() if most is None else most, say)
    failed = run(items, count, output, pool.records)
    if failed:
        raise typer.Exit(1)


def run(items: Items, count: int, output: str, records: Callable[[Items], Generator[Record, None, None]]) -> int:
    """Do the items, say how it goes, and write the report; return how many failed.

    Args:
        items: what there is to do.
        count: how many they are.
        output: folder of the results.
        records: does them and yields their records.
    """
    made = kept = failed = 0
    try:
        with report_file(output) as write, counted(count) as advance, closing(records(items)) as coming:
            for record in coming:
                write(record.line())
                made += not record.kept and not record.error
                kept += record.kept
                failed += record.error is not None
                if record.error:
                    photo = str(InputError(record.photo))  # escaped, whatever characters its name has
                    named = record.error.startswith(photo)
                    say(str(InputError(record.error if named else f"{photo}: {record.error}")))
                advance(record)
    except KeyboardInterrupt:
        say(f"interrupted: {made + kept} of {count} are there; the same command goes on")
        raise
    parts = [f"{made} made", f"{kept} there already" if kept else "", f"{failed} failed" if failed else ""]
    done = made + kept + failed  # of a folder that changed meanwhile these are not as many as were counted
    say(f"{done} photo{'s' * (done != 1)}: {', '.join(filter(None, parts))}; {REPORT} in {output} has all")
    return failed


@contextmanager
def report_file(output: str) -> Iterator[Callable[[str], None]]:
    """Write the report, line by line, beside the last one, which it replaces once it is whole.

    Yields:
        What takes a line.

    Raises:
        InputError: it cannot be written, another run writes to the folder, or a file of somebody else has its name.
    """
    from photoflow.batch.record import check_ours, claim
    from photoflow.batch.storage import ResultFolder, is_url
    from photoflow.io.atomic import naming_errors

    folder = ResultFolder(output)
    with folder.alone(), folder.writing(REPORT) as target:
        check_ours(folder, REPORT)
        claim(folder, REPORT)
        part = target if is_url(output) else target.with_name(_PART)

        def write(line: str) -> None:
            # What of a name is not UTF-8 becomes an escape of JSON: whoever reads the report gets the same name.
            with naming_errors(target), open(part, "a", encoding="utf-8", errors="backslashreplace") as file:
                print(line, file=file)

        with naming_errors(target):
            part.write_bytes(b"")
        yield write
        with naming_errors(target):
            part.replace(target)


@contextmanager
def counted(count: int) -> Iterator[Callable[[Record], None]]:
    """Show how many are done, how fast, and the time left; as a line now and then where no person watches.

    Yields:
        What to call after every record.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("photos", total=count, pace="")
        begun = last = time.monotonic()
        done = worked = 0

        def advance(record: Record) -> None:
            nonlocal done, worked, last
            done, worked = done + 1, worked + (not record.kept)
            pace = pace_of(worked, count - done, time.monotonic() - begun)
            progress.update(task, completed=done, pace=pace)
            if not console.is_terminal and time.monotonic() - last > _EVERY:
                last = time.monotonic()
                say(f"{done} of {count} photos{', ' if pace else ''}{pace}")

        yield advance


def pace_of(worked: int, left: int, seconds: float) -> str:
    """Describe the rate and the time left; what was there already says nothing of either.

    Args:
        worked: items done in these seconds.
        left: items that there still are, at most.
        seconds: since the beginning.
    """
    if not worked:
        return ""
    rest = round(left * seconds / worked)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{60 * worked / seconds:.3g} a minute, {clock} left"


def say(line: str) -> None:
    """Print a line above the bar."""
    console.print(line, markup=False, soft_wrap=True)


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the options of a recipe.

    Raises:
        InputError: it cannot be read, or it is no TOML.
    """
    import tomllib

    from photoflow.io.reading import read_bytes

    data = read_bytes(path, "a recipe")
    try:
        return dict(tomllib.loads(data.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a recipe in TOML, as seconds = 4: {error}") from error


def parse_memory(text: str) -> int:
    """Return a size in bytes: `8GB`, `512MB`, `8G`.

    Raises:
        InputError: it is none.
    """
    match = _MEMORY.fullmatch(text.strip())
    if match is None or not (size := int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))):
        raise InputError(f"memory: expected a size as 8GB, got {text!r}")
    return size


def check_options(options: ClipOptions, form: str) -> None:
    """Check what all photos share: a mistake in it ends the run before it begins.

    Raises:
        InputError: there is one.
    """
    from photoflow.batch.storage import is_url
    from photoflow.clip import check_clip_output, frame_count
    from photoflow.device import settled_device

    frame_count(options.seconds, options.fps)
    parse_size(options.size)
    if form == "html":
        options.check_page()
    options.animator()
    if options.device.startswith("cuda"):
        settled_device(options.device)
    check_clip_output(os.path.join(tempfile.gettempdir(), f"clip.{form}"), options.alpha)
    motion_files(options.motions(), options.motion)
    for path in (*options.layers().paths, options.depth, options.behind):
        if path and not is_url(path) and not os.path.exists(path):
            raise InputError(f"{path}: no such file")


def check_folders(inputs: list[str], output: str) -> None:
    """Check that the clips do not go among the photos, where the next run would take them for some, and that they stay.

    Raises:
        InputError: they would go there, end with the processes that make them, the report would replace the list, or
            their folder cannot be written to or reached.
    """
    from photoflow.batch.storage import ResultFolder

    if output.startswith("memory://"):
        raise InputError(f"{output}: expected a folder or a store that outlasts the processes that write to it")
    reports = [os.path.realpath(os.path.join(output, name)) for name in (REPORT, _PART)]
    for source in inputs:
        if os.path.realpath(source) == os.path.realpath(output):
            raise InputError(f"{output}: expected another folder for the clips than that of the photos")
        if os.path.realpath(source) in reports:
            raise InputError(f"{source}: expected a list of another name; the report is written there")
    ResultFolder(output).holds(REPORT)  # a store that cannot be reached is said before any work
