"""Command `photoflow evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from photoflow.cli.app import AcceptLicence, Device, Offline, Read, app, check_files, console, weights_files
from photoflow.errors import InputError
from photoflow.options.clip_options import motion_files

if TYPE_CHECKING:
    from photoflow.evaluation import Evaluation
    from photoflow.motion import Motion

# The networks that a task can evaluate; weights without the name of a network belong to the first.
NETWORKS = {
    "render": ("gan", "pyramid"), "flow": ("flow", "raft"), "interpolation": ("rife", "amt", "refined"),
    "animation": ("raft",), "completion": ("completion",), "dynamics": ("spectral",), "portraits": (),
}  # fmt: skip
LEAST_SIDE, MOST_SIDE = 32, 2048  # pixels of the frames that are completed


@app.command()
def evaluate(
    task: Annotated[
        str,
        typer.Argument(
            help="render, flow, interpolation, animation, completion, dynamics or portraits.", show_default=False
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="Folder: FlyingChairs (render, flow), frames (render, interpolation), Middlebury (interpolation), "
            "photos (animation), clips (completion, dynamics), what a method made (portraits).",
            show_default=False,
        ),
    ],
    json: Annotated[Path | None, typer.Option(help="Write the scores to a .json file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for TASK.html, a page with tables and pictures.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="FILE or NAME for the task's network, or NETWORK=FILE; render also has pyramid=FILE, interpolation "
            "amt=FILE and refined=FILE.  [those that come with photoflow]"
        ),
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="CSV file of a training run, whose curves the page shows too.")
    ] = None,
    motion: Annotated[
        str | None,
        typer.Option(help="Of animation: 'NAME [PARAMETER=VALUE ...]' or a .json file; sway where none is given."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Of completion: WIDTHxHEIGHT of the frames; 432x240, as in papers, where none is given.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Of dynamics: a folder of clips to compare with the true ones, in place of photoflow's; of portraits: "
            "those of another method."
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=FILE",
            help="Of dynamics: weights of a network whose features are compared, picture= (Inception v3), video= or "
            "texture= (video ResNets); of portraits: picture=, or clip= or dino=, a folder or name of transformers'; "
            "repeat.  [those at hand]",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Of dynamics: seconds, part, frequencies, denoising, render, guidance, steps or seed; repeat.",
            show_default=False,
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Of portraits: folder of true photos, in a folder for each person.", show_default=False),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Of portraits: text file of prompts, one in a line.  [the 40 of PhotoMaker's paper]"),
    ] = None,
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Measure photoflow beside simpler methods on real data."""
    kind, source = chosen_weights(task, weights)
    planned, frame_size = planned_motion(task, motion), size_of_frames(task, size)
    compared = settings_of_dynamics(task, against, features or [], settings or [])
    people = settings_of_portraits(task, photos, prompts)
    read: Read = {
        "the weights": weights_files(source, *(text.partition("=")[2] for text in features or [])),
        "the curves of a training": [training],
        "the prompts": [prompts],
        "the motion": motion_files(planned, [motion or ""]) if planned else [],
    }
    check_outputs(read, json, report and report / f"{task}.html")
    from photoflow.device import settled_device
    from photoflow.evaluation import write_report, write_scores
    from photoflow.evaluation.comparison import network_or_none
    from photoflow.evaluation.training import training_figure

    curves = training_figure(training) if training else None
    chosen, notes = settled_device(device), list[str]()
    network = network_or_none(kind, source, notes, offline=offline, accept_licence=accept_licence) if kind else None
    if task != "render":
        notes.clear()  # nothing is left out: another method replaces the network, and the report says so
    if task == "dynamics":
        from photoflow.evaluation.clip_features import open_features

        compared["features"] = open_features(features or [], notes, chosen)
    with sample_bar(task) as progress:
        given: dict[str, Any] = {"device": chosen, "progress": progress, **compared}
        if task == "animation":
            given |= {"motion": planned, "offline": offline}
        if frame_size:
            given["size"] = frame_size
        if task == "portraits":
            from photoflow.evaluation.portrait_networks import open_portrait_networks

            judges = open_portrait_networks(features or [], notes, chosen, offline)
            methods = [data, *([against] if against else [])]
            result = evaluation_of(task)(methods, networks=judges, progress=progress, **people)
        else:
            result = evaluation_of(task)(data, network.to(chosen) if network else None, **given)
    result.notes[:0] = notes
    result.figures[:0] = [curves] if curves else []
    if json:
        write_scores(json, task, result.scores)
    if report:
        write_report(report, result)
    for note in result.notes:
        console.print(note, markup=False, soft_wrap=True)
    show_table(result)


def chosen_weights(task: str, weights: str | None) -> tuple[str, str | None]:
    """Choose the network that a task evaluates, and its weights.

    Args:
        task: a key of `NETWORKS`.
        weights: a name, a file, or NETWORK=FILE; None: the weights that come with photoflow.

    Returns:
        The kind of network, "" for a task without one, and the name or file of its weights, or None.

    Raises:
        InputError: there is no such task, or it has no such network.
    """
    if task not in NETWORKS:
        raise InputError(f"task: expected one of {', '.join(NETWORKS)}, got {task!r}")
    if not NETWORKS[task]:
        if weights is not None:
            raise InputError(f"weights: expected for other tasks than {task}, which runs none; got {weights!r}")
        return "", None
    from photoflow.weights.loading import shipped

    kinds = NETWORKS[task]
    if weights is None:
        return next((kind for kind in kinds if shipped(kind)), kinds[0]), None
    kind, separator, source = weights.partition("=")
    if not separator or not any(kind in own for own in NETWORKS.values()):  # a name or a file, "=" in it or not
        return kinds[0], weights
    if kind not in kinds or not source:
        raise InputError(f"weights: {task} expects {' or '.join(f'{kind}=FILE' for kind in kinds)}, got {weights!r}")
    return kind, source


def planned_motion(task: str, motion: str | None) -> Motion | None:
    """Parse the motion that photos are animated with; None for tasks without a motion.

    Raises:
        InputError: the motion cannot be parsed, or is given for a task without one.
    """
    from photoflow import motion as motions

    if task == "animation":
        return motions.parse("sway" if motion is None else motion)
    if motion is not None:
        raise InputError(f"motion: expected for the task animation alone, got it for {task}")
    return None


def size_of_frames(task: str, size: str | None) -> tuple[int, int] | None:
    """Parse the size of the frames that are completed, (width, height); None where none is given.

    Raises:
        InputError: the size cannot be parsed, is out of range, or is given for a task that resizes nothing.
    """
    if size is None:
        return None
    if task != "completion":
        raise InputError(f"size: expected for the task completion alone, got it for {task}")
    width, separator, height = size.partition("x")
    if not (separator and width.isdecimal() and height.isdecimal()) or not all(
        LEAST_SIDE <= int(side) <= MOST_SIDE for side in (width, height)
    ):
        raise InputError(f"size: expected WIDTHxHEIGHT, {LEAST_SIDE} to {MOST_SIDE} pixels each, got {size!r}")
    return int(width), int(height)


def settings_of_dynamics(
    task: str, against: Path | None, features: Sequence[str], texts: Sequence[str]
) -> dict[str, Any]:
    """Parse the settings of the task dynamics; none for other tasks.

    Raises:
        InputError: a setting cannot be parsed, is out of its range, or is given for another task.
    """
    if task != "dynamics":
        shared = () if task == "portraits" else (("against", against), ("features", features))
        for name, value in (*shared, ("set", texts)):
            if value:
                raise InputError(f"{name}: expected for the task dynamics alone, got it for {task}")
        return {}
    from photoflow.cli.train import parse_settings
    from photoflow.evaluation.dynamics import DynamicsSettings

    return {"settings": DynamicsSettings.of(parse_settings(texts)), "against": against}


def settings_of_portraits(task: str, photos: Path | None, prompts: Path | None) -> dict[str, Any]:
    """Return the folder of photos and the prompts by which portraits are judged; nothing for other tasks.

    Raises:
        InputError: the folder is missing, the prompts cannot be read, or one is given for another task.
    """
    if task != "portraits":
        for name, value in (("photos", photos), ("prompts", prompts)):
            if value:
                raise InputError(f"{name}: expected for the task portraits alone, got it for {task}")
        return {}
    if photos is None:
        raise InputError("photos: expected --photos FOLDER, the true photos, in a folder for each person")
    from photoflow.evaluation.portrait_pictures import PAPER_PROMPTS, read_prompts

    return {"photos": photos, "prompts": read_prompts(prompts) if prompts else PAPER_PROMPTS}


def check_outputs(read: Read, json: Path | None, page: Path | None) -> None:
    """Check before any work that the results can be written, and replace nothing that is read.

    Raises:
        InputError: one of them cannot be written, would replace a file that is read, or training curves are given
            without a page to show them.
    """
    from photoflow.io import check_directory, check_target

    if json:
        check_target(json)
        if json.suffix.lower() != ".json":
            raise InputError(f"{json}: expected a name that ends in .json for the scores")
    if page:
        check_directory(page.parent)
    if any(read["the curves of a training"]) and not page:
        raise InputError("training: expected --report too, whose page shows the curves")
    check_files(read, [path for path in (json, page) if path])


def evaluation_of(task: str) -> Callable[..., Evaluation]:
    """Return the function that carries out a task."""
    import importlib

    function: Callable[..., Evaluation] = getattr(
        importlib.import_module(f"photoflow.evaluation.{task}"), f"evaluate_{task}"
    )
    return function


@contextmanager
def sample_bar(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar of the samples done, if the output is a terminal; yield a function that updates it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(task, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield advance


def show_table(result: Evaluation) -> None:
    """Print the means of every method, one metric per line, or, of portraits, one method per line as in the paper."""
    from photoflow.evaluation.report import is_best, label, number

    means = result.scores.means()
    metrics = list(dict.fromkeys(name for own in means.values() for name in own))

    def cell(method: str, metric: str) -> str:
        return ("[bold]" if is_best(means, method, metric) else "") + number(metric, means[method].get(metric))

    if result.task == "portraits":
        table = Table(Column("method", overflow="fold"), title=f"portraits of {result.scores.samples} people")
        for title in map(label, metrics):  # a terminal of 80 columns shows every word and number
            table.add_column(title, width=max(6, *map(len, title.split())))
        for method in means:
            table.add_row(escape(method), *(cell(method, metric) for metric in metrics))
    else:
        table = Table("metric", *means, title=f"{result.task}, {result.scores.samples} samples")
        for metric in metrics:
            table.add_row(label(metric), *(cell(method, metric) for method in means))
    console.print(table)
