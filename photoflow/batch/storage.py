"""Storage of photos and results: folders, and object stores by URLs, as fsspec reads them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from photoflow.errors import InputError
from photoflow.io.atomic import check_directory, naming_errors, replacing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RECORDS = ".photoflow"  # folder of the records, in the folder of the results
# Where an object appears once it is whole, and a rename is a copy.
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"}


def is_url(path: str) -> bool:
    """Return whether a path is a URL (`s3://bucket/key`)."""
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system that a URL is of, and the path in it.

    Raises:
        InputError: nothing installed here reads such URLs.
    """
    import fsspec

    try:
        # What others write there meanwhile is to be seen.
        return fsspec.core.url_to_fs(url, use_listings_cache=False)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise InputError(f"{url}: expected a URL that an installed package of fsspec reads: {error}") from error


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn the errors of a store within into one line; its libraries have no kind in common.

    Raises:
        InputError: in place of an error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{url}: the store could not be reached or refused: {type(error).__name__}: {error}"
        ) from error


def state_of(path: str) -> str:
    """Return what tells a file from a later one of its name: its size, and its time or the store's mark.

    Raises:
        InputError: there is no such file.
    """
    if is_url(path):
        files, name = file_system(path)
        with reaching(path):
            try:
                info = files.info(name)
            except FileNotFoundError as error:
                raise InputError(f"{path}: no such file") from error
        mark = next((info[key] for key in ("ETag", "etag", "md5Hash", "mtime", "created") if info.get(key)), "")
        return f"{info.get('size')} {mark}"
    try:
        status = os.stat(path)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        raise InputError(f"{path}: {'no such file' if missing else error.strerror}") from error
    except ValueError as error:  # a zero byte, or a character that cannot be encoded
        raise InputError(f"{path}: the name has a character that no file name can have") from error
    return f"{status.st_size} {status.st_mtime_ns}"


@contextmanager
def local_file(path: str) -> Iterator[Path]:
    """Yield a file on this machine: itself, or for a URL a copy that is removed afterwards.

    Raises:
        InputError: there is no such file.
    """
    if not is_url(path):
        yield Path(path)
        return
    files, name = file_system(path)
    with tempfile.TemporaryDirectory(prefix="photoflow-") as folder:
        copy = Path(folder, PurePosixPath(name).name)
        with reaching(path):
            try:
                files.get_file(name, str(copy))
            except FileNotFoundError as error:
                raise InputError(f"{path}: no such file") from error
        yield copy


class ResultFolder:
    """Folder of results, on this machine or in an object store. Whatever appears in it is whole.

    Args:
        root: a path or a URL; it need not be there yet.

    Raises:
        InputError: it cannot be written to, or nothing installed here reads such a URL.
    """

    def __init__(self, root: str) -> None:
        self.root = root if is_url(root) else str(check_directory(root))
        if is_url(root):
            file_system(root)

    def path(self, name: str) -> str:
        """Return the path or URL of a result."""
        return f"{self.root.rstrip('/')}/{name}" if is_url(self.root) else os.path.join(self.root, name)

    def has(self, name: str, size: int) -> bool:
        """Return whether a result of this size in bytes is there."""
        if not is_url(self.root):
            try:
                return os.path.getsize(self.path(name)) == size
            except OSError:
                return False
        files, path = file_system(self.path(name))
        with reaching(self.root):
            try:
                return bool(files.info(path).get("size") == size)
            except FileNotFoundError:
                return False

    def holds(self, name: str) -> bool:
        """Return whether anything is there under this name, a link that leads nowhere, too."""
        if not is_url(self.root):
            return os.path.lexists(self.path(name))
        files, path = file_system(self.path(name))
        with reaching(self.root):
            return bool(files.exists(path))

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a small result; None where there is none."""
        with suppress(FileNotFoundError):
            if not is_url(self.root):
                return Path(self.path(name)).read_bytes()
            files, path = file_system(self.path(name))
            with reaching(self.root), suppress(FileNotFoundError):
                return bytes(files.cat_file(path))
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder within; in object stores and on systems without such locks nothing does.

        Raises:
            InputError: another run is in it.
        """
        if is_url(self.root) or fcntl is None:
            yield
            return
        target = Path(self.path(f"{RECORDS}/lock"))
        with naming_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(target, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with suppress(OSError):  # a file system without locks
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free when this process ends, however it does
                except BlockingIOError as error:
                    raise InputError(f"{self.root}: another batch writes to it; expected one at a time") from error
            yield
        finally:
            os.close(handle)

    def write(self, name: str, data: bytes) -> None:
        """Write a small result, at once or not at all.

        Raises:
            InputError: it cannot be written.
        """
        with self.writing(name) as path, naming_errors(path), replacing(path) as hidden:
            hidden.write_bytes(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield the path at which a result is to appear by a rename; into an object store it goes on a clean exit.

        Raises:
            InputError: its folder cannot be made.
        """
        if not is_url(self.root):
            target = Path(self.path(name))
            with naming_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            yield target
            return
        with tempfile.TemporaryDirectory(prefix="photoflow-") as folder:
            made = Path(folder, PurePosixPath(name).name)
            yield made
            with reaching(self.root):
                self._send(made, self.path(name))

    def _send(self, made: Path, url: str) -> None:
        files, path = file_system(url)
        parent = path.rpartition("/")[0]
        protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        if protocols & _WHOLE:
            files.put_file(str(made), path)
            return
        hidden = f"{parent}/.photoflow-{os.urandom(6).hex()}.part"
        files.makedirs(parent, exist_ok=True)
        files.put_file(str(made), hidden)
        files.mv(hidden, path)
