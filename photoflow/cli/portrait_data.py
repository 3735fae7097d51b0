"""Commands `photoflow portrait-data`: a command for each step, `all` and `status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photoflow.cli.app import Device, Offline, app, console

portrait_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Portraits by identity, to train PhotoMaker on: a command for each step, or all of them. The people in the "
    "pictures must have agreed to it, and the pictures' licences must allow it.",
)
app.add_typer(portrait_app, name="portrait-data")

Pictures = Annotated[Path, typer.Argument(metavar="IN", help="A folder for each identity, its pictures below.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder of portraits.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of portraits, as detect has begun it.")]
LeastSide = Annotated[int, typer.Option(help="Pixels that the short side of a picture has at least.")]
LeastFace = Annotated[float, typer.Option(help="Pixels that both sides of a face have at least.")]
Cut = Annotated[
    float,
    typer.Option(help="Faces so many standard deviations below the mean are dropped; 8 takes 66 faces to drop one."),
]
Captioner = Annotated[
    str | None,
    typer.Option(help="A folder with BLIP-2, or its name on the hub.  [Salesforce/blip2-flan-t5-xl, if at hand]"),
]
Tries = Annotated[int, typer.Option(help="Captions that are made until one has a class word, such as man or woman.")]
Seed = Annotated[int, typer.Option(help="Of captions that are drawn.")]
Scorer = Annotated[
    str | None, typer.Option(help="A folder with CLIP, or its name.  [openai/clip-vit-large-patch14, if at hand]")
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="A folder with a sentence transformer, or its name.  [sentence-transformers/all-MiniLM-L6-v2, if at hand]"
    ),
]
Parser = Annotated[
    str, typer.Option(help="What parts a caption: a pipeline of spaCy's, words (the words between people), or auto.")
]


@portrait_app.command()
def detect(
    pictures: Pictures, output: Output, least_side: LeastSide = 512, least_face: LeastFace = 256,
    offline: Offline = False,
) -> None:  # fmt: skip
    """Find faces; drop pictures that are too small, and those without a face that is large enough."""
    _begin(pictures, output)
    _collect(["detect"], output, {"offline": offline}, least_side=least_side, least_face=least_face)


@portrait_app.command()
def embed(folder: Folder, offline: Offline = False) -> None:
    """Embed each face that was found."""
    _collect(["embed"], folder, {"offline": offline})


@portrait_app.command()
def verify(folder: Folder, cut: Cut = 8) -> None:
    """Choose the identity's face in each picture; drop pictures whose face is another person's."""
    _collect(["verify"], folder, {}, cut=cut)


@portrait_app.command()
def crop(folder: Folder) -> None:
    """Cut out a square about each face, which takes more than 10 % of it."""
    _collect(["crop"], folder, {})


@portrait_app.command()
def mask(folder: Folder, device: Device = "auto", offline: Offline = False) -> None:
    """Mask the person with the face; drop pictures without such a mask."""
    _collect(["mask"], folder, {"device": device, "offline": offline})


@portrait_app.command()
def caption(
    folder: Folder, captioner: Captioner = None, tries: Tries = 10, seed: Seed = 0, device: Device = "auto",
    offline: Offline = False,
) -> None:  # fmt: skip
    """Describe each picture; drop those whose descriptions have no class word."""
    models = {"captioner": captioner, "device": device, "offline": offline}
    _collect(["caption"], folder, models, tries=tries, seed=seed)


@portrait_app.command()
def tag(
    folder: Folder, scorer: Scorer = None, labels: Labels = None, parser: Parser = "auto", device: Device = "auto",
    offline: Offline = False,
) -> None:  # fmt: skip
    """Find which class word of each description is the identity."""
    models = {"scorer": scorer, "labels": labels, "parser": parser, "device": device, "offline": offline}
    _collect(["tag"], folder, models)


@portrait_app.command("all")
def all_steps(
    pictures: Pictures, output: Output, least_side: LeastSide = 512, least_face: LeastFace = 256, cut: Cut = 8,
    captioner: Captioner = None, tries: Tries = 10, seed: Seed = 0, scorer: Scorer = None, labels: Labels = None,
    parser: Parser = "auto", device: Device = "auto", offline: Offline = False,
) -> None:  # fmt: skip
    """Take every step that is not done yet; the same command goes on where the last one stopped."""
    from photoflow.data.portraits.layout import STEPS

    _begin(pictures, output)
    models = {
        "captioner": captioner, "scorer": scorer, "labels": labels, "parser": parser, "device": device,
        "offline": offline,
    }  # fmt: skip
    numbers = {"least_side": least_side, "least_face": least_face, "cut": cut, "tries": tries, "seed": seed}
    _collect(STEPS, output, models, **numbers)


@portrait_app.command()
def status(folder: Folder) -> None:
    """Count what each step let through and dropped, and why."""
    from photoflow.data.portraits.collecting import status as counted

    for step, count in counted(folder).items():
        typer.echo(f"{step:8}{count.passed:7} passed{count.dropped.total():7} dropped{count.waiting:7} waiting")
        for reason, times in count.dropped.most_common():
            typer.echo(f"{times:15} {reason}")


def _begin(pictures: Path, output: Path) -> None:
    from photoflow.data.portraits.collecting import begin

    begin(pictures, output)


def _collect(steps: Any, folder: Path, models: dict[str, Any], **numbers: Any) -> None:
    """Take steps, and say of each what came of it."""
    from photoflow.data.portraits.collecting import collect
    from photoflow.data.portraits.collecting import status as counted
    from photoflow.data.portraits.defaults import default_models
    from photoflow.data.portraits.models import name_of
    from photoflow.data.portraits.table import Settings

    def report(line: str) -> None:
        shown = line.encode("utf-8", "backslashreplace").decode()  # a file's name may be no text
        console.print(shown, markup=False, soft_wrap=True)

    settings, called = Settings(**numbers), default_models(**models)
    for step in steps:
        done = collect(step, folder, called, settings, report)
        count = counted(folder)[step]
        said = f"{step}: {done} done now; {count.passed} passed, {count.dropped.total()} dropped"
        if step == "tag":
            said += f"; captions are parted by {name_of(called.parser)}"
        report(said)
