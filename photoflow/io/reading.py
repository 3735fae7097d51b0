"""Reading of whole files, once: regular files, pipes, standard input."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from pathlib import Path
from typing import Any

from photoflow.errors import InputError

MOST = 1 << 30
_CHUNK = 1 << 20
_PATIENCE = 5.0  # seconds in which a writer of a pipe must come
# Without O_NONBLOCK, a named pipe that nobody writes to would be waited for. Windows has no such pipes, but O_BINARY,
# without which it changes the ends of lines.
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


def read_bytes(path: str | os.PathLike[str], expected: str, most: int = MOST) -> bytes:
    """Read a file, a pipe or standard input to its end.

    Args:
        path: of a regular file, a pipe with or without a name, or a character device; "-" for standard input.
        expected: noun for the errors, such as "a JPEG or PNG image".
        most: bytes that are read at most.

    Raises:
        InputError: missing, a folder, a socket or a disk, no permission, an invalid name, more than `most` bytes, or
            a pipe that nobody writes to.
    """
    name = name_of(path)
    try:
        return _standard_input(name, expected, most) if is_standard_input(path) else _file(path, name, expected, most)
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder, expected {expected}") from error
    except PermissionError as error:
        raise InputError(f"{name}: no permission to read it") from error
    except InputError:  # is a ValueError too
        raise
    except (OSError, ValueError) as error:  # an invalid file name, a broken disk
        raise InputError(f"{name}: cannot be read ({_reason(error)})") from error


def is_standard_input(path: str | os.PathLike[str]) -> bool:
    """Return whether a path stands for standard input; a file of that name is read as ./- by a string."""
    return os.fspath(path) == "-"


def name_of(path: str | os.PathLike[str]) -> str:
    """Return how a path is written in one line of text."""
    text = "standard input" if is_standard_input(path) else str(Path(path))
    return text if text.isprintable() else repr(text)[1:-1]


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split("\n")[0]


def _standard_input(name: str, expected: str, most: int) -> bytes:
    if sys.stdin is None:
        raise InputError(f"{name} is closed, expected {expected}")
    stream: Any = sys.stdin.buffer
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, AttributeError):  # replaced by a stream in memory
        return _limited([stream.read(most + 1)], name, expected, most)
    return _drained(descriptor, name, expected, most)


def _file(path: str | os.PathLike[str], name: str, expected: str, most: int) -> bytes:
    mode = os.stat(path).st_mode  # a socket cannot be opened
    for is_kind, kind in ((stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a disk"), (stat.S_ISDIR, "a folder")):
        if is_kind(mode):
            raise InputError(f"{name} is {kind}, expected {expected}")
    descriptor = os.open(path, _FLAGS)
    try:
        return _drained(descriptor, name, expected, most, _PATIENCE if stat.S_ISFIFO(mode) else 0.0)
    finally:
        os.close(descriptor)


def _drained(descriptor: int, name: str, expected: str, most: int, patience: float = 0.0) -> bytes:
    """Read a descriptor to its end, for `patience` seconds also where nobody writes to it yet."""
    status = os.fstat(descriptor)
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    chunk = max(min(size, most) + 1, _CHUNK) if size else _CHUNK  # in one piece: nothing is held twice
    if size > most:
        raise _too_large(name, expected, most)
    pieces: list[bytes] = []
    left, deadline = most + 1, time.monotonic() + patience
    while left > 0:
        try:
            piece = os.read(descriptor, min(chunk, left))
        except BlockingIOError:  # somebody will write
            deadline = 0.0
            _wait(descriptor)
            continue
        if not piece and (pieces or time.monotonic() >= deadline):
            break
        if not piece:
            time.sleep(0.02)  # a poll would not wait
            continue
        pieces.append(piece)
        left -= len(piece)
    if not pieces and deadline and patience:
        raise InputError(f"{name}: no one writes to the pipe, expected {expected}")
    return _limited(pieces, name, expected, most)


def _wait(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()


def _limited(pieces: list[bytes], name: str, expected: str, most: int) -> bytes:
    if sum(len(piece) for piece in pieces) > most:
        raise _too_large(name, expected, most)
    return b"".join(pieces)


def _too_large(name: str, expected: str, most: int) -> InputError:
    size = f"{most / (1 << 20):g} MiB" if most >= 1 << 20 else f"{most} bytes"
    return InputError(f"{name} has more than {size}, expected {expected}")
