"""The sources of the operators, by a digest: a library that was built from others is not taken for theirs."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of all C++ and CUDA sources in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".h", ".cpp", ".cu", ".cuh"):
            found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
