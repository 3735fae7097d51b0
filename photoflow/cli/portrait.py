"""Command `photoflow portrait`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from photoflow.cli.animate import clip_report, drawn_frames
from photoflow.cli.app import Device, app, check_files, console, progress_bar
from photoflow.errors import InputError
from photoflow.options.parsing import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from photoflow.motion import Motion
    from photoflow.portrait import Mixed

TERMS = "only of people who agreed to it; pictures are marked as made by a trained algorithm (IPTC, XMP)"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FPS, _FRAMES = 30.0, 120  # of a clip


@app.command()
def portrait(
    photo: Annotated[
        list[Path],
        typer.Option(help="A photo of the person, or a folder of them; may be repeated.", show_default=False),
    ],
    prompt: Annotated[
        str, typer.Option(help='With img after the word for the person: "a woman img in the rain".', show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help=".png, .jpg or .webp; of several, NAME-1.png and so on.")
    ] = Path("portrait.png"),
    negative: Annotated[str, typer.Option(help="What is not to be seen.")] = "",
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help="PHOTO=0.3, or FOLDER=0.3: another person, by the coefficient of their embeddings; =3/10: by three of "
            "ten photos. May be repeated."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Of the sampler (DDIM).")] = 50,
    guidance: Annotated[float, typer.Option(help="Weight of the prompt; 1: none.")] = 5.0,
    start_merge: Annotated[
        int | None,
        typer.Option(help="Steps that follow the text alone, before the person comes in.  [a fifth of them]"),
    ] = None,
    count: Annotated[int, typer.Option(help="How many portraits.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the first portrait; the next ones have the next numbers.")] = 0,
    size: Annotated[str, typer.Option(help="Side in pixels, or WIDTHxHEIGHT; about 1024 is what SDXL knows.")] = "1024",
    animate: Annotated[
        Path | None,
        typer.Option(help="The portrait as a clip, too: .mp4, .webm, .gif, .apng, .html."),
    ] = None,
    motion: Annotated[
        list[str] | None, typer.Option(help="Of that clip, as for photoflow animate; several add up.  [auto]")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="SDXL: a name at the hub, or a folder as diffusers saves it.  [SDXL base 1.0]")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="PhotoMaker's, a name or a file, of photoflow train photomaker, too.")
    ] = "photomaker_v1",
    precision: Annotated[str, typer.Option(help="auto, bfloat16 or float32.")] = "auto",
    offload: Annotated[
        bool | None,
        typer.Option(
            "--offload/--no-offload", help="On the GPU only what is running.  [where it has too little memory]"
        ),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download weights that are not at hand.")] = False,
    device: Device = "auto",
) -> None:
    """Draw new portraits of a person from a few photos of them and a text, by SDXL and PhotoMaker.

    Only of people who agreed to it. The pictures are marked as made by a trained algorithm.
    """
    from photoflow.io import write_image
    from photoflow.io.credentials import picture_signer
    from photoflow.io.origin import TRAINED
    from photoflow.models.photomaker.prompt import marked
    from photoflow.motion import parse
    from photoflow.motion.motion import total
    from photoflow.portrait import BASE, Portraitist
    from photoflow.portrait.identity import photos_at
    from photoflow.portrait.portraitist import check_numbers, merge_step

    sides, moves = _sides(size), total([parse(text) for text in motion or ["auto"]])
    merge = merge_step(steps) if start_merge is None else start_merge
    check_numbers(steps, guidance, merge, sides, count, seed)
    marked(prompt)
    if motion and not animate:
        raise InputError("motion: expected --animate CLIP with it, as a picture does not move")
    photos = [one for place in photo for one in photos_at(place)]
    others = [mixed(text) for text in mix or ()]
    pictures, clips = numbered(output, count), numbered(animate, count) if animate else []
    _check_outputs([*photos, *(one for other in others for one in other.photos)], pictures, clips)
    console.print(f"portrait: {TERMS}", markup=False, soft_wrap=True)
    sign = picture_signer(TRAINED, lambda line: console.print(f"portrait: {line}", markup=False, soft_wrap=True))
    artist = Portraitist(base or BASE, weights, device=device, precision=precision, offload=offload, fetch=fetch)
    console.print(artist.estimate(steps, count, sides), markup=False, soft_wrap=True)
    with _bar(steps * count) as (advance, report):
        drawn = artist.draw(
            photos, prompt, negative=negative, mix=others, steps=steps, guidance=guidance, start_merge=merge,
            size=sides, seed=seed, count=count, report=report, progress=advance,
        )  # fmt: skip
        for number, (path, picture) in enumerate(zip(pictures, drawn)):
            write_image(path, picture, source_type=TRAINED, sign=sign)
            report(f"{path}: seed {seed + number}")
    for picture_path, clip_path in zip(pictures, clips):
        _animate(picture_path, clip_path, moves, device, fetch)


def mixed(text: str) -> Mixed:
    """Return what `PHOTO=AMOUNT` or `FOLDER=AMOUNT` says.

    Raises:
        InputError: it has another form, there is no such photo, or the amount is no number from 0 to 1.
    """
    from photoflow.portrait import Mixed
    from photoflow.portrait.identity import photos_at

    place, sign, amount = text.rpartition("=")
    part, slash, whole = amount.partition("/")
    try:
        if not sign:
            raise ValueError
        value: float | Fraction = Fraction(int(part), int(whole)) if slash else float(amount)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"mix: expected PHOTO=0.3 or PHOTO=3/10, got {text}") from None
    return Mixed(photos_at(Path(place)), value, int(whole) if slash else None)


def numbered(path: Path, count: int) -> list[Path]:
    """Return a name for each of several files: the name itself for one, else NAME-1, NAME-2, ..."""
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, count + 1)]


def _sides(text: str) -> tuple[int, int]:
    """Return (height, width)."""
    size = parse_size(text)
    if isinstance(size, int):
        return size, size
    if not isinstance(size, tuple):
        raise InputError(f"size: expected a side such as 1024, or WIDTHxHEIGHT, got {text}")
    return size[1], size[0]


def _check_outputs(photos: Sequence[Path], pictures: Sequence[Path], clips: Sequence[Path]) -> None:
    """Check before any work that everything can be written, and that no photo is replaced."""
    from photoflow.clip import check_clip_output
    from photoflow.io import check_target

    for path in pictures:
        if path.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{path}: expected a name that ends in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}")
        check_target(path)
    for path in clips:
        check_clip_output(path, False)
    check_files({"a photo": photos}, [*pictures, *clips])


def _animate(picture: Path, clip: Path, motion: Motion, device: str, fetch: bool) -> None:
    """Write a clip of a portrait, of the length and rate that clips have by default."""
    from photoflow.animator import Animator
    from photoflow.segment import NoSubjectError

    with progress_bar(drawn_frames(clip, _FRAMES, _FPS)) as (advance, report):
        try:
            made = Animator(device, offline=not fetch).animate(picture, motion, fps=_FPS, report=report)
        except NoSubjectError:
            raise InputError(
                f"{clip} is not made: nothing in the portrait stands out to be moved; `photoflow animate {picture} "
                f"--point X,Y` with this motion moves what is there"
            ) from None
        made.save(clip, progress=advance)
    console.print(clip_report(clip, _FRAMES, _FPS, _FRAMES / _FPS), markup=False, soft_wrap=True)


@contextmanager
def _bar(steps: int) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Show a bar over all steps; none where no person watches."""
    columns = (TextColumn("drawing"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=steps)
        yield (
            lambda: progress.advance(task),
            lambda line: console.print(line, markup=False, soft_wrap=True),
        )
