"""The command line: parse, hand over to the animator, report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from photoflow import __version__
from photoflow.errors import InputError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(stderr=True, highlight=False)

# Options that several commands have.
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never fetch network weights.")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Take weights that may not be used commercially.")
]


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2, an interrupt in 130 and no file."""
    # A terminated run cleans up after itself as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except InputError as error:
        fail(str(error))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        fail("not enough memory for this picture; a smaller --size needs less")


def is_out_of_memory(error: Exception) -> bool:
    """Whether numpy, torch or OpenCV could not get the memory they asked for."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "allocate memory" in said or "out of memory" in said or "-4:" in said


def fail(line: str) -> None:
    """Print one line and exit with code 2."""
    console.print(f"photoflow: {' '.join(line.split())}", markup=False, soft_wrap=True)
    sys.exit(2)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Bring a still photo to life: its subject moves as you say, everything else stays as it was."""
    if version:
        typer.echo(f"photoflow {__version__}")
        raise typer.Exit


@app.command()
def animate(
    photo: Annotated[Path, typer.Argument(help="JPEG, PNG, WebP or TIFF.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help=".mp4, .webm, .gif, .apng, or a folder for png frames.")
    ] = Path("out.mp4"),
    motion: Annotated[
        list[str] | None,
        typer.Option("--motion", help="'NAME[@SUBJECT] [PARAMETER=VALUE ...]' or a .json file; several add up."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the clip.")] = 4.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 30.0,
    size: Annotated[
        str | None, typer.Option(help="Longest side in pixels, WIDTHxHEIGHT to fit into, or original.  [at most 1920]")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop/--no-loop", help="The end leads into the beginning.")] = True,
    mask: Annotated[Path | None, typer.Option(help="Picture of the photo's size, white where the subject is.")] = None,
    box: Annotated[str | None, typer.Option(help="X,Y,W,H around the subject, in pixels.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="X,Y on the subject, in pixels; may be repeated.")] = None,
    subject: Annotated[int, typer.Option(help="Which of several subjects moves.")] = 1,
    all_subjects: Annotated[bool, typer.Option("--all-subjects", help="All of them move.")] = False,
    alpha: Annotated[bool, typer.Option("--alpha", help="The subject alone, over nothing (webm, apng, png).")] = False,
    quality: Annotated[int, typer.Option(min=0, max=100, help="0 to 100.")] = 80,
    explain: Annotated[Path | None, typer.Option(help="Folder for pictures of the mask, flow and paths.")] = None,
    save_motion: Annotated[Path | None, typer.Option(help="Write the motion to a .json file.")] = None,
    segmenter: Annotated[str, typer.Option(help="auto, mask_rcnn, u2netp or grabcut.")] = "auto",
    blueprint: Annotated[str, typer.Option(help="Where the flow is from: exact, or raft (measured).")] = "exact",
    renderer: Annotated[str, typer.Option(help="splat, or gan (the flow-guided generator).")] = "splat",
    interpolate: Annotated[str, typer.Option(help="What draws frames between keyframes: none, rife or amt.")] = "none",
    keyframe_fps: Annotated[
        float | None, typer.Option(help="Keyframes a second, with --interpolate.  [a quarter of --fps]")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NETWORK=NAME or NETWORK=FILE for raft, gan, rife or amt; may be repeated."),
    ] = None,
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Animate a photo."""
    from photoflow import motion as motions
    from photoflow.animator import Animator, frame_count
    from photoflow.clip import EXPLAIN_ROWS

    check_files(photo, mask, output, alpha, explain, save_motion)
    planned = combined([motions.parse(text) for text in motion or ["sway"]])
    frames = frame_count(seconds, fps)
    with progress_bar(frames + (min(frames, EXPLAIN_ROWS) if explain else 0)) as (advance, report):
        animator = Animator(
            device, segmenter, offline, blueprint=blueprint, renderer=renderer, interpolate=interpolate,
            weights=parse_weights(weights or []), accept_licence=accept_licence,
        )  # fmt: skip
        clip = animator.animate(
            photo, planned, seconds=seconds, fps=fps, loop=loop, size=parse_size(size), mask=mask,
            box=None if box is None else numbers("box", box, 4),
            points=None if point is None else [numbers("point", text, 2) for text in point],
            subject="all" if all_subjects else subject, keyframe_fps=keyframe_fps, report=report,
        )  # fmt: skip
        clip.save(output, quality=quality, alpha=alpha, progress=advance)
        if explain:
            clip.explain(explain, progress=advance)
        if save_motion:
            planned.save(save_motion)
    said = f"{output}: {len(clip)} frames, {clip.seconds:g} s at {fps:g} fps"
    console.print(said, markup=False, soft_wrap=True)


@app.command()
def flow(
    first: Annotated[Path, typer.Argument(metavar="A", help="A picture.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another of its size.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help=".flo, or .png as KITTI keeps flow.")] = Path(
        "flow.flo"
    ),
    png: Annotated[
        Path | None, typer.Option(help="Write a picture too: the hue is the direction, the saturation the length.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="RAFT's weights: a name from `photoflow weights list`, or a file.")
    ] = None,
    updates: Annotated[int, typer.Option(min=1, help="How often the flow is refined.")] = 12,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Measure where each pixel of picture A is in picture B (optical flow, by RAFT)."""
    from photoflow.io import read_photo, write_flow, write_image
    from photoflow.viz import flow_to_rgb, with_legend

    if weights is None:
        raise InputError(
            "weights: expected --weights with raft_large, raft_small or a file; untrained, RAFT sees nothing"
        )
    check_flow_files(first, second, output, png)
    pictures = [read_photo(path).rgb for path in (first, second)]
    if pictures[0].shape != pictures[1].shape:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in pictures]
        raise InputError(f"{second}: expected {sizes[0]} pixels, as {first} has, got {sizes[1]}")
    measured = measure_flow(pictures[0], pictures[1], weights, updates, device, offline)
    write_flow(output, measured)
    if png:
        write_image(png, with_legend(flow_to_rgb(measured)))
    length = (measured**2).sum(0) ** 0.5
    said = f"{length.mean():.2f} pixels on average, {length.max():.2f} at most"
    console.print(f"{output}: {measured.shape[2]}x{measured.shape[1]}, {said}", markup=False, soft_wrap=True)


@app.command("interpolate")
def add_frames(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video, or a folder of pictures.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="As for `photoflow animate -o`.", show_default=False)],
    factor: Annotated[int, typer.Option(min=2, help="How many times the frames a second.")] = 2,
    network: Annotated[str, typer.Option(help="What draws them: rife or amt.")] = "rife",
    weights: Annotated[
        str | None, typer.Option(help="The network's weights: a name from `photoflow weights list`, or a file.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Pictures a second of a folder; a video has its own.")] = 30.0,
    quality: Annotated[int, typer.Option(min=0, max=100, help="0 to 100.")] = 80,
    accept_licence: AcceptLicence = False,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Draw frames between those of a video, so that it plays smoother; scene cuts stay cuts."""
    if network not in ("rife", "amt"):
        raise InputError(f"network: expected rife or amt, got {network!r}")
    if weights is None:
        named = "rife_v4.26" if network == "rife" else "amt_s"
        raise InputError(
            f"weights: expected --weights with {named}, say, or a file; untrained, no network interpolates"
        )
    from photoflow.interpolation import check_target, interpolate, open_frames
    from photoflow.models.networks import load_network

    frames = open_frames(source, fps)
    check_target(frames, target)
    with progress_bar(frames.count * factor) as (advance, _):
        drawn_by = load_network(network, weights, offline=offline, accept_licence=accept_licence)
        done = interpolate(frames, target, drawn_by, factor=factor, quality=quality, device=device, progress=advance)
    cuts = f", {done.cuts} scene cut{'s' * (done.cuts != 1)} kept" if done.cuts else ""
    console.print(f"{target}: {done.frames} frames at {float(done.fps):g} fps{cuts}", markup=False, soft_wrap=True)


@app.command("motions")
def list_motions() -> None:
    """List the motions and their parameters."""
    import dataclasses

    from photoflow.motion import MOTIONS

    for name, kind in MOTIONS.items():
        summary = (kind.__doc__ or "").split("\n")[0]
        values = [
            f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default}" for f in dataclasses.fields(kind)
        ]
        typer.echo(f"{name:10} {summary}\n{'':10}   {' '.join(values)}")


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


@app.command("build-info")
def show_build_info() -> None:
    """Say in one line what this installation was built with."""
    from photoflow import ops

    typer.echo(ops.build_info()["summary"])


def check_files(
    photo: Path, mask: Path | None, output: Path, alpha: bool, explain: Path | None, save_motion: Path | None
) -> None:
    """Before any work: everything can be written, nothing that is read is replaced, no two results are one.

    Raises:
        InputError: something cannot, is, or are.
    """
    from photoflow.io import check_directory, check_output, check_target

    check_output(output, alpha)
    if explain:
        check_directory(explain)
    if save_motion:
        check_target(save_motion)
        if save_motion.suffix.lower() != ".json":
            raise InputError(f"{save_motion}: expected a name that ends in .json for the motion")
    written = [path.resolve() for path in (output, explain, save_motion) if path]
    for path in written:
        if path in [given.resolve() for given in (photo, mask) if given]:
            raise InputError(f"{path}: the output would replace the photo or its mask; expected another name")
        if written.count(path) > 1 or any(path in other.parents for other in written):
            raise InputError(f"{path}: two outputs would be in one place; expected different names")


def check_flow_files(first: Path, second: Path, output: Path, png: Path | None) -> None:
    """Before any work: both results can be written, and replace neither each other nor a picture.

    Raises:
        InputError: they cannot, or would.
    """
    from photoflow.io import check_target

    written = {output: (".flo", ".png")} | ({png: (".png", ".jpg", ".jpeg", ".webp")} if png else {})
    for path, suffixes in written.items():
        check_target(path)
        if path.suffix.lower() not in suffixes:
            raise InputError(f"cannot write {path}: expected a suffix {' or '.join(suffixes)}")
        if path.resolve() in (first.resolve(), second.resolve()):
            raise InputError(f"{path}: the output would replace a picture; expected another name")
    if png and png.resolve() == output.resolve():
        raise InputError(f"{png}: two outputs would be in one place; expected different names")


def measure_flow(first: Any, second: Any, weights: str, updates: int, device: str, offline: bool) -> Any:
    """RAFT's flow, float32 (2, H, W) in pixels, between two pictures, uint8 (H, W, 3).

    Raises:
        InputError: the device is not there, or the weights are not or not RAFT's.
    """
    import torch

    from photoflow.models.device import settled_device
    from photoflow.models.networks import load_network

    chosen = settled_device(device)
    network = load_network("raft", weights, offline=offline).to(chosen)
    with torch.inference_mode():
        images = (torch.from_numpy(rgb).to(chosen).permute(2, 0, 1)[None].float() / 255 for rgb in (first, second))
        return network(*images, updates=updates)[0].cpu().numpy()


@contextmanager
def progress_bar(frames: int) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """A bar over the whole job, of which planning is the first tenth; none where no person watches.

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


def combined(parts: list[Any]) -> Any:
    """The sum of one or more motions."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def numbers(name: str, text: str, count: int) -> tuple[float, ...]:
    """`count` numbers from a text with commas between them."""
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InputError(f"{name}: expected {count} numbers with commas between them, got {text!r}")
    return values


def parse_weights(texts: list[str]) -> dict[str, str]:
    """NETWORK=NAME or NETWORK=FILE, as a dictionary."""
    parsed = {}
    for text in texts:
        network, separator, source = text.partition("=")
        if not separator or not source:
            raise InputError(f"weights: expected NETWORK=NAME or NETWORK=FILE, got {text!r}")
        parsed[network] = source
    return parsed


def parse_size(text: str | None) -> int | tuple[int, int] | str | None:
    """A side, a pair of sides or "original"."""
    if text is None or text == "original":
        return text
    try:
        sides = [int(v) for v in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return sides[0]
    if len(sides) == 2:
        return sides[0], sides[1]
    raise InputError(f"size: expected a number of pixels, WIDTHxHEIGHT or original, got {text!r}")
