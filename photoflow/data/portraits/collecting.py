"""Walk of the steps over a tree of pictures, which goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from photoflow.data.portraits.layout import (
    DROPPED,
    SETTINGS,
    STEPS,
    Outcome,
    Record,
    essence,
    free_name,
    identities_in,
    made_folder,
    records_of,
)
from photoflow.data.portraits.models import Models
from photoflow.data.portraits.table import PICTURE, TABLE, Settings, Step
from photoflow.errors import InputError
from photoflow.io import PICTURES, check_directory, decode_photo, natural_order, write_image
from photoflow.io.atomic import write_bytes
from photoflow.io.reading import read_bytes
from photoflow.weights import WeightsError

ORIGIN = ".portraits.json"  # in a folder of portraits: no identity's name begins with a point

Report = Callable[[str], None]


@dataclass(frozen=True)
class Count:
    """Progress of a step.

    Args:
        passed: pictures that it let through.
        dropped: pictures that it dropped, by reason.
        waiting: pictures that it has not seen, and that the steps before let through.
    """

    passed: int
    dropped: Counter[str]
    waiting: int


def begin(pictures: Path, folder: Path) -> None:
    """Note in a folder of portraits where its pictures come from, and make it if it is missing.

    Raises:
        InputError: no such folder of pictures, or one without a folder for each person; one of them lies in the other;
            or the portraits come from elsewhere.
    """
    if not os.path.isdir(pictures):
        raise InputError(f"{pictures}: no such folder; expected one with a folder of pictures for each identity")
    source, target = Path(os.path.realpath(pictures)), Path(os.path.realpath(folder))
    if source == target or source in target.parents or target in source.parents:
        raise InputError(f"{folder}: expected a folder beside that of the pictures, which is {pictures}")
    if not identities_in(pictures, links=True):
        raise InputError(f"{pictures}: expected a folder for each person, with their pictures below, found none")
    check_directory(folder)
    folder.mkdir(exist_ok=True)
    known = _origin(folder)
    if known is not None and known != source and known.is_dir():
        raise InputError(f"{folder} holds portraits from {known}; expected another folder for those from {source}")
    if known != source:
        write_bytes(folder / ORIGIN, json.dumps({"pictures": str(source)}).encode())


def collect(
    step: str, folder: Path, models: Models, settings: Settings | None = None, report: Report = lambda line: None
) -> int:
    """Take the pictures of all identities through a step, those that have not passed it.

    What was done stays done, also where this is stopped at any time: each picture is written when its step is done, as
    a whole. A picture that cannot be read is dropped, and the rest goes on. Done again with another setting or model, a
    step works on all pictures, and what later steps made of those that come out differently is made again by them.

    Args:
        step: one of `STEPS`.
        folder: of portraits, after `begin`.
        models: what is called.
        settings: numbers; None: the paper's.
        report: told of every picture that is dropped, in a line.

    Returns:
        How many pictures it worked on.

    Raises:
        InputError: no such folder, a damaged record, or a file that cannot be written.
        WeightsError: a network or its weights are missing.
    """
    pictures = _noted(folder)
    walk = _Walk(TABLE[step], pictures, models, settings or Settings(), report)
    groups = _enrolled(pictures, folder) if step == STEPS[0] else _known(folder)
    return sum(walk.through(records) for records in groups)


def status(folder: Path) -> dict[str, Count]:
    """Count what each step did so far.

    Raises:
        InputError: no such folder, one that was not begun, or a damaged record.
    """
    passed: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = {step: Counter() for step in STEPS}
    pictures = _noted(folder)
    for records in _enrolled(pictures, folder) if pictures.is_dir() else _known(folder):
        for record in records:
            passed.update(step for step in STEPS if record.has_passed(step))
            if (drop := record.dropped()) is not None:
                dropped[drop[0]][drop[1].partition(":")[0]] += 1
            else:
                waiting.update([step for step in STEPS if step not in record.outcomes][:1])
    return {step: Count(passed[step], dropped[step], waiting[step]) for step in STEPS}


class _Walk:
    """A step on its way through the identities."""

    def __init__(self, step: Step, pictures: Path, models: Models, settings: Settings, report: Report) -> None:
        self._step, self._pictures, self._models = step, pictures, models
        self._settings, self._report = settings, report

    def through(self, records: Sequence[Record]) -> int:
        """Take the pictures of an identity through the step, and return how many it worked on."""
        place = STEPS.index(self._step.name)
        ready = [record for record in records if place == 0 or record.has_passed(STEPS[place - 1])]
        by = self._step.by(self._models, self._settings)
        if self._step.of_group is not None:
            by += f"; pictures {_digest(ready, STEPS[place - 1])}"
        todo = [record for record in ready if record.outcomes.get(self._step.name, {}).get(SETTINGS) != by]
        if not todo:
            return 0
        count = 0
        for record, outcome in self._of_group(ready) if self._step.of_group else self._of_each(todo):
            if self._step.writes is not None and PICTURE in outcome:
                write_image(made_folder(self._step.writes(record)), outcome.pop(PICTURE))
            record.put(self._step.name, {**outcome, SETTINGS: by})
            count += 1
            if DROPPED in outcome:
                self._report(f"{record.folder.name}/{record.name}: dropped by {self._step.name}: {outcome[DROPPED]}")
        return count

    def _of_group(self, ready: Sequence[Record]) -> Iterator[tuple[Record, Outcome]]:
        assert self._step.of_group is not None
        yield from zip(ready, self._step.of_group(ready, self._models, self._settings))

    def _of_each(self, todo: Sequence[Record]) -> Iterator[tuple[Record, Outcome]]:
        for record in todo:
            path = record.image if self._step.reads_crop else self._pictures / record.source
            if not path.is_file():  # not dropped: it may come back, with the disk that it is on
                self._report(f"{record.folder.name}/{record.name}: no file {path}; left as it is")
                continue
            yield record, self._outcome(path, record)

    def _outcome(self, path: Path, record: Record) -> Outcome:
        assert self._step.of_picture is not None
        try:
            rgb = decode_photo(read_bytes(path, "a picture"), record.source).rgb
        except InputError as error:
            return {DROPPED: f"cannot be read: {error}"}
        try:
            return self._step.of_picture(rgb, record, self._models, self._settings)
        except WeightsError:
            raise
        except InputError as error:  # of a model that wants another picture
            return {DROPPED: f"cannot be used: {error}"}


def _digest(records: Sequence[Record], step: str) -> str:
    """Return a short text that changes with what a step found in an identity's pictures."""
    found = [[record.name, essence(record.outcomes[step])] for record in records]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def _known(folder: Path) -> Iterator[list[Record]]:
    """Yield the records of each identity."""
    yield from map(records_of, identities_in(folder))


def _enrolled(pictures: Path, folder: Path) -> Iterator[list[Record]]:
    """Yield the records of each identity, also of pictures that have none yet."""
    for identity in identities_in(pictures, links=True):
        target = folder / identity.name
        if target.is_symlink():
            raise InputError(f"{target}: expected a folder of portraits, got a link")
        records = records_of(target)
        known, taken = {record.source for record in records}, {record.name.casefold() for record in records}
        for file in _pictures_below(identity):
            source = str(PurePosixPath(identity.name, *file.relative_to(identity).parts))
            if source not in known:
                name = free_name(source, taken)
                taken.add(name.casefold())
                records.append(Record(target, name, source))
        yield records


def _pictures_below(folder: Path) -> list[Path]:
    """List the pictures below a folder at any depth, in their natural order; hidden ones are left out."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        found += [Path(place, name) for name in files if name[0] != "." and Path(name).suffix.lower() in PICTURES]
    return sorted(found, key=natural_order)


def _noted(folder: Path) -> Path:
    """Return the folder that pictures come from.

    Raises:
        InputError: there is no such folder of portraits, none is noted, or the note is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    pictures = _origin(folder)
    if pictures is None:
        raise InputError(f"{folder}: expected a folder that photoflow portrait-data detect has begun")
    return pictures


def _origin(folder: Path) -> Path | None:
    """Return the folder that pictures come from; None where none is noted.

    Raises:
        InputError: the note is damaged.
    """
    file = folder / ORIGIN
    if not file.is_file():
        return None
    try:
        return Path(json.loads(file.read_bytes())["pictures"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: expected a note of photoflow portrait-data, but {error}") from error
