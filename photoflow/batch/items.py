"""Items: the photos that there are to do, from folders, patterns, lists and URLs, one after the other."""

from __future__ import annotations

import csv
import functools
import glob
import hashlib
import io
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath
from typing import Any

from photoflow.batch.record import check_output_name
from photoflow.batch.storage import file_system, is_url, local_file, reaching
from photoflow.errors import InputError, shown

PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")  # in a folder
_LISTS = (".csv", ".jsonl", ".ndjson")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Item:
    """A photo that is to be done.

    Args:
        photo: its path or URL.
        output: the name of its result in the folder of the results, with a suffix; "/" between folders.
        options: what is said of this photo alone, as a list has it.
        place: where that stands, for messages.
    """

    photo: str
    output: str
    options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""


class Items:
    """The items of what a person names, found anew and in the same order whenever they are iterated.

    None is kept, so that a million take no more memory than one folder's names.

    Args:
        inputs: each a photo, a folder (all photos in it and in its folders, without hidden ones), a pattern
            (`photos/**/*.jpg`), a list (.csv with a column `photo`, or .jsonl with an object a line; `output` and
            options of `photoflow animate` besides), or a URL of one of these. Paths in lists begin at the working
            folder, as on the command line.
        suffix: of the results.
        without: a folder that is left out, that of the results.
        check: gets the name of every option in a list, and raises InputError where there is none of it.

    Raises:
        InputError: when they are iterated: something is not there, or a list cannot be read or has an unknown option.
    """

    def __init__(
        self, inputs: Sequence[str], suffix: str, without: str = "", check: Callable[[str], object] = lambda name: None
    ) -> None:
        self._inputs, self._suffix, self._check = list(inputs), suffix, check
        self._without = without if is_url(without) or not without else os.path.realpath(without)

    def __iter__(self) -> Iterator[Item]:
        for source in self._inputs:
            with reaching(source) if is_url(source) else nullcontext():
                yield from self._of(source)

    def count(self) -> int:
        """Return how many there are; it takes sixteen bytes of memory for each.

        Raises:
            InputError: something is not there, a list cannot be read, or two results would be one file.
        """
        import numpy as np

        seen = np.frombuffer(array("Q", (_hash(item.output) for item in self)), np.uint64)
        ordered = np.sort(seen)
        if (twice := ordered[1:][ordered[1:] == ordered[:-1]]).size:
            self._refuse(set(twice.tolist()))
        return len(seen)

    def _refuse(self, twice: set[int]) -> None:
        """Name two items with one output."""
        first: dict[str, Item] = {}
        for item in self:
            if _hash(item.output) not in twice:
                continue
            if (other := first.setdefault(item.output, item)) is not item:
                names = " and ".join(one.place or one.photo for one in (other, item))
                raise InputError(f"{names}: both would be written to {item.output}; expected an 'output' in a list")

    def _of(self, source: str) -> Iterator[Item]:
        suffix = PurePath(source).suffix.lower()
        if _MAGIC.search(source) and not os.path.exists(source):
            return self._matching(source)
        if suffix in _LISTS:
            return self._listed(source, suffix)
        if self._is_folder(source):
            return self._within(source)
        if not is_url(source) and not os.path.exists(source):
            raise InputError(f"{source}: no such file or folder")
        return iter([Item(source, PurePath(source).stem + self._suffix)])

    def _is_folder(self, source: str) -> bool:
        if not is_url(source):
            return os.path.isdir(source)
        files, path = file_system(source)
        return bool(files.isdir(path))

    def _within(self, root: str) -> Iterator[Item]:
        """Yield the photos of a folder, folder by folder."""
        found = False
        for folder, names in self._folders(root):
            photos = [name for name in names if PurePath(name).suffix.lower() in PHOTOS and name[0] != "."]
            for photo, output in zip(photos, _stems(photos)):
                found = True
                prefix = f"{folder}/" if folder else ""
                yield Item(_joined(root, prefix + photo), prefix + output + self._suffix)
        if not found:
            raise InputError(f"{root}: expected a folder with photos in it ({', '.join(PHOTOS)})")

    def _folders(self, root: str) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder's path in the root, with / between its parts, and the names of its files, in order."""
        if is_url(root):
            files, top = file_system(root)
            for path, _, names in files.walk(top):
                inner = path[len(top) :].strip("/") if path.startswith(top) else path
                if not any(part.startswith(".") for part in inner.split("/")):
                    yield inner, sorted(name for name in names if name)
            return
        for path, inner_folders, names in os.walk(root, onerror=_refuse_unreadable):
            inner_folders[:] = sorted(
                name
                for name in inner_folders
                if name[0] != "." and os.path.realpath(os.path.join(path, name)) != self._without
            )
            inner = os.path.relpath(path, root)
            yield "" if inner == "." else inner.replace(os.sep, "/"), sorted(names)

    def _matching(self, pattern: str) -> Iterator[Item]:
        """Yield the files of a pattern; results stand as they do below what of it is no pattern.

        Those of an earlier run are left out, unless the pattern begins where they are.
        """
        if is_url(pattern):
            files, path = file_system(pattern)
            names = sorted(files.glob(path))
            photos, base = [str(files.unstrip_protocol(name)) for name in names], _fixed(path)
        else:
            names = photos = sorted(filter(os.path.isfile, glob.iglob(pattern, recursive=True)))
            base = _fixed(pattern)
        if not self._is_result(pattern[: len(pattern) - len(path) + len(base)] if is_url(pattern) else base):
            kept = [place for place, photo in enumerate(photos) if not self._is_result(photo)]
            names, photos = [names[place] for place in kept], [photos[place] for place in kept]
        if not photos:
            raise InputError(f"{pattern}: expected a pattern that some file has")
        for photo, output in zip(photos, _stems([_inner(name[len(base) :]) for name in names])):
            yield Item(photo, output + self._suffix)

    def _is_result(self, path: str) -> bool:
        """Return whether a file, or a folder that ends in a separator, is within the folder that is left out."""
        if not self._without or is_url(path) != is_url(self._without):
            return False
        if is_url(path):
            return path.startswith(self._without.rstrip("/") + "/")
        return os.path.join(_real(os.path.dirname(path)), "").startswith(os.path.join(self._without, ""))

    def _listed(self, source: str, suffix: str) -> Iterator[Item]:
        """Yield the items of a list."""
        rows = _csv_rows if suffix == ".csv" else _json_rows
        with local_file(source) as path:
            try:
                with open(path, encoding="utf-8-sig", newline="") as lines:
                    for number, row in rows(lines):
                        yield self._row(row, f"{source}, line {number}")
            except UnicodeDecodeError as error:
                raise InputError(f"{source}: expected a list in UTF-8") from error
            except OSError as error:
                raise InputError(f"{source}: {error.strerror or error}") from error
            except _Unreadable as error:
                raise InputError(f"{source}, {error}") from error

    def _row(self, row: dict[str, Any], place: str) -> Item:
        options = dict(row)
        photo, output = options.pop("photo", None), options.pop("output", None)
        if not isinstance(photo, str) or not photo:
            raise InputError(f"{place}: expected 'photo', a path or a URL, got {shown(photo)}")
        if output is not None and not isinstance(output, str):
            raise InputError(f"{place}: expected 'output', a name, got {shown(output)}")
        try:
            name = check_output_name(output or _flat(photo) + self._suffix)
            for option in options:
                self._check(option)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        return Item(photo, name if PurePosixPath(name).suffix else name + self._suffix, options, place)


class _Unreadable(Exception):
    """A list that cannot be read: the line, and what was expected in it."""


def _csv_rows(lines: io.TextIOBase) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines of a CSV file with their numbers; a column that stands twice is a list of its cells."""
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        if "photo" not in header:
            raise _Unreadable("line 1: expected names of columns, 'photo' among them")
        repeated = {name for name, times in Counter(header).items() if times > 1}
        for cells in reader:
            if not any(cell.strip() for cell in cells):  # a spreadsheet's empty row has commas
                continue
            if len(cells) > len(header):
                raise _Unreadable(f"line {reader.line_num}: expected {len(header)} cells, got {len(cells)}")
            row: dict[str, Any] = {}
            for name, cell in zip(header, cells):
                if name in repeated and (name or cell):  # spreadsheets add columns that have neither
                    row.setdefault(name, []).append(cell)
                elif cell:
                    row[name] = cell
            yield reader.line_num, row
    except csv.Error as error:
        raise _Unreadable(f"line {reader.line_num}: {error}") from error


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with one in every line, with their numbers."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Unreadable(f"line {number}: expected a JSON object") from error
        if not isinstance(row, dict):
            raise _Unreadable(f"line {number}: expected a JSON object, got {shown(row)}")
        yield number, row


def _stems(names: Sequence[str]) -> list[str]:
    """Return the names without suffixes, but where two would be the same."""
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    times = Counter(stems)
    return [stem if times[stem] == 1 else name for stem, name in zip(stems, names)]


def _fixed(pattern: str) -> str:
    """Return the folders at the beginning of a pattern that are no pattern, with the separator."""
    plain = pattern[: match.start()] if (match := _MAGIC.search(pattern)) else pattern
    return plain[: max(plain.rfind("/"), plain.rfind(os.sep)) + 1]


def _flat(photo: str) -> str:
    """Return the path of a photo as a name within a folder, without its suffix."""
    inner = photo.partition("://")[2] if is_url(photo) else os.path.splitdrive(photo)[1].replace(os.sep, "/")
    return str(PurePosixPath(flat).with_suffix("")) if (flat := _inner(inner)) else ""


def _inner(path: str) -> str:
    """Return a path with / between its parts and nothing that leads out of a folder."""
    return "/".join(part for part in path.replace(os.sep, "/").split("/") if part not in ("", ".", ".."))


def _refuse_unreadable(error: OSError) -> None:
    """Say that a folder cannot be looked through; one that is gone by now has no photos."""
    if isinstance(error, PermissionError):
        raise InputError(f"{error.filename}: {error.strerror}; expected folders that can be read") from error


@functools.lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _joined(root: str, inner: str) -> str:
    return f"{root.rstrip('/')}/{inner}" if is_url(root) else os.path.join(root, *inner.split("/"))


def _hash(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
