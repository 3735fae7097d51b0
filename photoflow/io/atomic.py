"""Atomic writing of files: each is written under a hidden name beside the target, then renamed."""

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from photoflow.errors import InputError

_HIDDEN = re.compile(r"\.photoflow-[0-9a-f]{12}\.part")
_unfinished: set[Path] = set()
_DAY, _HOUR = 86_400.0, 3_600.0  # seconds


def check_target(path: str | os.PathLike[str]) -> Path:
    """Check that a file can be created at ``path`` before any work is spent on it.

    Args:
        path: the file to be written; it may exist and is then replaced.

    Returns:
        The absolute path.

    Raises:
        InputError: the folder is missing or not writable, ``path`` is itself a folder, or no file can have its name.
    """
    target = _absolute(path)
    if os.path.isdir(target):
        raise InputError(f"cannot write {target}: it is a folder, expected a file name")
    check_folder(target)
    return target


def check_directory(path: str | os.PathLike[str]) -> Path:
    """Check that ``path`` is a folder that can be written to, or that one can be made there.

    Returns:
        The absolute path.

    Raises:
        InputError: it is a file, or it or the folder that would hold it is missing or not writable, or no folder can
            have its name.
    """
    folder = _absolute(path)
    is_folder = os.path.isdir(folder)
    if os.path.exists(folder) and not is_folder:
        raise InputError(f"cannot write {folder}: it is a file, expected a folder or a name with a suffix")
    check_folder(folder / "a file" if is_folder else folder)
    return folder


def check_folder(target: Path) -> None:
    """Check that the folder that holds ``target`` exists and can be written to.

    Raises:
        InputError: it is missing, not a folder, or not writable.
    """
    folder = target.parent
    if not os.path.isdir(folder):
        raise InputError(f"cannot write {target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {target}: the folder {folder} is not writable")


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return a path from the root, of a name that the file system accepts.

    Raises:
        InputError: it does not, or the path begins at a working directory that was removed.
    """
    try:
        target = Path(os.path.abspath(path))
    except FileNotFoundError as error:
        raise InputError(f"cannot write {path}: the working directory no longer exists") from error
    try:
        os.lstat(target)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # free, or told by the check of its folder
    except (OSError, ValueError) as error:  # too long, a loop of links, a zero byte, a character that cannot be encoded
        raise InputError(f"cannot write {target}: {_reason(error)}") from error
    return target


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):  # Python's own words differ from version to version
        return "the name has a character that no file name can have"
    return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``target``, which is renamed to it on a clean exit and removed on any exception.

    The body may create a file or a folder there. A folder can only replace an empty folder. What a run that was killed
    left there is removed when it has not changed for a day.

    Args:
        target: path of the result.

    Yields:
        A path in the same folder (a rename within one file system is atomic) that does not exist yet.
    """
    _remove_leftovers(target.parent, int(time.monotonic() // _HOUR))
    hidden = hidden_beside(target)
    _unfinished.add(hidden)
    try:
        yield hidden
        if hidden.is_dir() and target.is_dir():
            target.rmdir()  # refuses a folder that is not empty
        os.replace(hidden, target)
    except BaseException:
        remove(hidden)
        raise
    finally:
        _unfinished.discard(hidden)


def remove_unfinished() -> None:
    """Remove what is being written, for a process that is about to end at once."""
    for hidden in list(_unfinished):
        with suppress(OSError):
            remove(hidden)


def hidden_beside(target: Path) -> Path:
    """Return a path in the folder of ``target`` that does not exist; what is left there is removed after a day."""
    return target.with_name(f".photoflow-{secrets.token_hex(6)}.part")


@lru_cache(maxsize=64)
def _remove_leftovers(folder: Path, hour: int) -> None:
    """Remove the hidden files and folders of runs that were killed more than a day ago; at most once an ``hour``.

    Looking through a large folder takes longer than writing a small file to it.
    """
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if _HIDDEN.fullmatch(entry.name):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    kind = stat.S_IFMT(status.st_mode)
                    if kind in (stat.S_IFREG, stat.S_IFDIR) and time.time() - status.st_mtime > _DAY:
                        remove(Path(entry.path))


def remove(path: Path) -> None:
    """Remove a file or a folder that may not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def naming_errors(target: Path) -> Iterator[None]:
    """Turn an error of the file system into one line that names the file.

    Raises:
        InputError: in place of the OSError that the body raised.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {target}: {_reason(error)}") from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file at once. On failure the file keeps its old content.

    Raises:
        InputError: the folder is missing or not writable, the disk is full.
    """
    target = check_target(path)
    with naming_errors(target), replacing(target) as hidden:
        hidden.write_bytes(data)
