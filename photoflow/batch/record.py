"""Records: what came of an item, one line of JSON each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from photoflow.batch.storage import RECORDS, ResultFolder
from photoflow.errors import InputError


@dataclass(frozen=True)
class Record:
    """Outcome of an item.

    Args:
        photo: its path or URL.
        output: the name of its result in the folder.
        error: why there is none, in one line; None where there is one.
        seconds: how long it took, without the time that it waited.
        made: what the result is: of a clip the motions that were chosen, frames, width, height and bytes.
        kept: it was there already. Not in the line: a run that goes on says what an undisturbed one does.
    """

    photo: str
    output: str
    error: str | None = None
    seconds: float = 0.0
    made: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kept: bool = False

    def line(self) -> str:
        """Return the record as one line of JSON, without its end."""
        what = {"photo": self.photo, "output": self.output, "error": self.error, "seconds": round(self.seconds, 3)}
        return json.dumps({**what, **self.made}, ensure_ascii=False)

    def keep(self, folder: ResultFolder, key: str) -> None:
        """Write beside the results that this one is done, so that whoever comes later passes it over.

        Args:
            folder: of the results; the result itself is in it.
            key: of all that it was made from, see `key_of`.

        Raises:
            InputError: it cannot be written.
        """
        folder.write(_place(self.output), json.dumps({"key": key, **json.loads(self.line())}).encode())

    @classmethod
    def kept_in(cls, folder: ResultFolder, output: str, key: str) -> Record | None:
        """Return the record of a result that is there and was made from the same; None where it is not.

        Args:
            folder: of the results.
            output: its name.
            key: of all that it is to be made from.
        """
        data = folder.read(_place(output))
        if data is None:
            return None
        try:
            found = json.loads(data)
            if found.pop("key") != key or not folder.has(output, int(found["bytes"])):
                return None
            said = {name: found.pop(name) for name in ("photo", "output", "error", "seconds")}
        except (ValueError, TypeError, AttributeError, KeyError):  # damaged: it is made again
            return None
        return cls(**said, made=found, kept=True)


def check_ours(folder: ResultFolder, output: str) -> None:
    """Check that a result replaces nothing but one that a batch made, or had begun to make, and nobody changed.

    Raises:
        InputError: there is a file of somebody else under its name.
    """
    if not folder.holds(output):
        return
    data = folder.read(_place(output))
    size = _size_in(data or b"")
    whose = "is not from a batch" if data is None else "was changed since a batch made it"
    # One without a size was begun; in an empty file, which a crash of the system may leave, nothing is lost.
    if data is None or (size is not None and not folder.has(output, size) and not folder.has(output, 0)):
        raise InputError(f"cannot write {folder.path(output)}: the file there {whose}; expected another folder or "
                         "name, or that file elsewhere")  # fmt: skip


def _size_in(record: bytes) -> int | None:
    """Return the bytes of the result that a record is of; None where it does not say."""
    try:
        return int(json.loads(record)["bytes"])
    except (ValueError, TypeError, KeyError):
        return None


def claim(folder: ResultFolder, output: str) -> None:
    """Write that a result is begun, so that whoever finds it without a record after a crash knows whose it is.

    Raises:
        InputError: it cannot be written.
    """
    folder.write(_place(output), b"{}")


def key_of(what: Mapping[str, Any]) -> str:
    """Return a digest of what a result is made from: options, and the states of the files."""
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _place(output: str) -> str:
    """Return the name of an output's record; in many folders, as one of a million files is slow."""
    digest = hashlib.blake2b(output.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{RECORDS}/{digest[:2]}/{digest[2:]}.json"


def check_output_name(name: str) -> str:
    """Return a name for a result in the folder.

    Raises:
        InputError: it leads out of the folder, or to the records.
    """
    parts = name.replace("\\", "/").split("/")
    drive = os.name == "nt" and ":" in name
    if drive or any(part in ("", ".", "..") for part in parts) or parts[0] == RECORDS:
        raise InputError(f"output: expected a name within the folder of the results, got {name!r}")
    return "/".join(parts)
