"""A folder of portraits: which files a picture has in it, and what is known of it.

    FOLDER/.portraits.json               where the pictures came from
    FOLDER/IDENTITY/records/NAME.json    what each step found in a picture, or why it dropped it
    FOLDER/IDENTITY/images/NAME.png      its square crop about the face
    FOLDER/IDENTITY/masks/NAME.png       the person in it: 255, all else: 0

Names of files are those of the folder; none is taken from the text of a record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from photoflow.errors import InputError, shown
from photoflow.io import natural_order
from photoflow.io.atomic import naming_errors, write_bytes

STEPS = ("detect", "embed", "verify", "crop", "mask", "caption", "tag")
"""The steps that a picture passes, in their order."""

DROPPED = "dropped"  # in an outcome: the reason for which the picture is not used
SETTINGS = "by"  # in an outcome: what it was made with
_BESIDE = (SETTINGS, "score")  # what later steps do not depend on
_LONGEST = 1 << 24  # bytes of a record: far more than any has
_NAME_BYTES = 200  # of a record's name: file systems allow 255 with the suffix

Outcome = dict[str, Any]
"""What a step found in a picture, as JSON:

    detect     faces: a list of {box: [left, top, width, height], points: [[x, y]] * 5, or []}, pixels of the picture
    embed      embeddings: a list of numbers for each face
    verify     face: which of them is the identity's; score: the sum of its similarities to the others of the identity
    crop       square: [left, top, side], pixels of the picture; face: [left, top, width, height], pixels of the crop
    mask       overlap: the share of the face box that the mask covers
    caption    text: with its class words in the singular; tries: how many were needed
    tag        class_word: in the singular; index: which of the caption's words it is, from 0 on

or {dropped: the reason}. Each has {by: what it was made with}.
"""


@dataclass
class Record:
    """Outcomes of the steps for one picture.

    Args:
        folder: of its identity, in the folder of portraits.
        name: of its files there.
        source: its path below the folder that it came from, with / between the parts.
        outcomes: of the steps that it passed, in their order; of one that dropped it as the last.
    """

    folder: Path
    name: str
    source: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Return the path of its file."""
        return self.folder / "records" / f"{self.name}.json"

    @property
    def image(self) -> Path:
        """Return the path of the crop."""
        return self.folder / "images" / f"{self.name}.png"

    @property
    def mask(self) -> Path:
        """Return the path of the mask of the crop."""
        return self.folder / "masks" / f"{self.name}.png"

    def has_passed(self, step: str) -> bool:
        """Return whether the picture passed a step."""
        return step in self.outcomes and DROPPED not in self.outcomes[step]

    def dropped(self) -> tuple[str, str] | None:
        """Return the step that dropped the picture and its reason; None where none did."""
        found = ((step, outcome[DROPPED]) for step, outcome in self.outcomes.items() if DROPPED in outcome)
        return next(found, None)

    def put(self, step: str, outcome: Outcome) -> None:
        """Note the outcome of a step, and write the record.

        Where it differs from an earlier one, what later steps made of that is forgotten.

        Raises:
            InputError: the record cannot be written.
        """
        known = self.outcomes.get(step)
        if known is None or essence(known) != essence(outcome):
            kept = STEPS[: STEPS.index(step)]
            self.outcomes = {name: self.outcomes[name] for name in kept if name in self.outcomes}
        self.outcomes[step] = outcome
        text = json.dumps({"source": self.source, **self.outcomes})
        write_bytes(made_folder(self.path), text.encode())


def essence(outcome: Outcome) -> Outcome:
    """Return that part of an outcome which later steps depend on."""
    return {key: value for key, value in outcome.items() if key not in _BESIDE}


def made_folder(file: Path) -> Path:
    """Make the folder of a file, if it is missing, and return the file's path.

    Raises:
        InputError: it cannot be made.
    """
    with naming_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
    return file


def identities_in(folder: Path, links: bool = False) -> list[Path]:
    """List the folders of the identities in a folder, in their natural order; hidden ones are left out.

    Args:
        folder: that holds them.
        links: whether a link to a folder counts as one.

    Raises:
        InputError: no such folder.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    found = (path for path in folder.iterdir() if path.name[0] != "." and path.is_dir())
    return sorted((path for path in found if links or not path.is_symlink()), key=natural_order)


def records_of(identity: Path) -> list[Record]:
    """Read the records of an identity, in their natural order.

    Args:
        identity: its folder.

    Raises:
        InputError: a record that is damaged.
    """
    folder = identity / "records"
    files = folder.glob("*.json") if folder.is_dir() else ()
    return [_read(identity, file) for file in sorted(files, key=natural_order) if file.name[0] != "."]


def _read(identity: Path, file: Path) -> Record:
    try:
        if file.stat().st_size > _LONGEST:
            raise ValueError("it is too large")
        held = json.loads(file.read_bytes())
        source = held.pop("source")
        outcomes = {step: held[step] for step in STEPS if step in held}
        if not is_below(source) or not all(isinstance(outcome, dict) for outcome in outcomes.values()):
            raise ValueError(f"its source is {shown(source)}, or an outcome is none")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: expected a record of photoflow portrait-data, but {error}") from error
    return Record(identity, file.name.removesuffix(".json"), source, outcomes)


def is_below(source: object) -> bool:
    """Return whether a text is a path of a file below some folder, with / between its parts."""
    if not isinstance(source, str) or not source or "\0" in source:
        return False
    path = PurePosixPath(source)
    return not path.is_absolute() and ".." not in path.parts


def free_name(source: str, taken: set[str]) -> str:
    """Return a name for the files of a picture that no other of its identity has.

    Args:
        source: path of the picture; its name without the suffix is taken where it is free.
        taken: the names that are not, as `str.casefold` gives them: some file systems do not tell A from a.
    """
    path = PurePosixPath(source)
    stem, whole = (
        os.fsencode(text)[:_NAME_BYTES].decode("utf-8", "ignore").lstrip(".") for text in (path.stem, path.name)
    )
    return next(name for name in _candidates(stem or "picture", whole) if name.casefold() not in taken)


def _candidates(stem: str, whole: str) -> Iterator[str]:
    yield stem
    if whole:
        yield whole
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
