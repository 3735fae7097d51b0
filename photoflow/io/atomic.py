"""Atomic writing of files: each is written under a hidden name beside the target, then renamed."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photoflow.errors import InputError


def check_target(path: str | os.PathLike[str]) -> Path:
    """Check that a file can be created at ``path`` before any work is spent on it.

    Args:
        path: the file to be written; it may exist and is then replaced.

    Returns:
        The absolute path.

    Raises:
        InputError: the folder is missing or not writable, or ``path`` is itself a folder.
    """
    target = Path(os.path.abspath(path))
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder, expected a file name")
    check_folder(target)
    return target


def check_directory(path: str | os.PathLike[str]) -> Path:
    """Check that ``path`` is a folder that can be written to, or that one can be made there.

    Returns:
        The absolute path.

    Raises:
        InputError: it is a file, or it or the folder that would hold it is missing or not writable.
    """
    folder = Path(os.path.abspath(path))
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write {folder}: it is a file, expected a folder or a name with a suffix")
    check_folder(folder / "a file" if folder.is_dir() else folder)
    return folder


def check_folder(target: Path) -> None:
    """Check that the folder that holds ``target`` exists and can be written to.

    Raises:
        InputError: it is missing, not a folder, or not writable.
    """
    folder = target.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {target}: the folder {folder} is not writable")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``target``, which is renamed to it on a clean exit and removed on any exception.

    The body may create a file or a folder there. A folder can only replace an empty folder.

    Args:
        target: path of the result.

    Yields:
        A path in the same folder (a rename within one file system is atomic) that does not exist yet.
    """
    hidden = target.with_name(f".photoflow-{secrets.token_hex(6)}.part")
    try:
        yield hidden
        if hidden.is_dir() and target.is_dir():
            target.rmdir()  # refuses a folder that is not empty
        os.replace(hidden, target)
    except BaseException:
        remove(hidden)
        raise


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
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise InputError(f"cannot write {target}: {reason}") from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file at once. On failure the file keeps its old content.

    Raises:
        InputError: the folder is missing or not writable, the disk is full.
    """
    target = check_target(path)
    with naming_errors(target), replacing(target) as hidden:
        hidden.write_bytes(data)
