"""Whole files, pipes and standard input; and what is none of them."""

import io
import os
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from photoflow.errors import InputError
from photoflow.io import read_mask, read_photo, reading
from photoflow.io.reading import read_bytes

WANTED = "a PNG image"


def written(path: Path, data: bytes, wait: float = 0.0) -> threading.Thread:
    """Write to a pipe from another thread, `wait` seconds after it was opened for that."""

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            time.sleep(wait)
            for start in range(0, len(data), 50_000):
                pipe.write(data[start : start + 50_000])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (10, 20, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_regular_files(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "file").write_bytes(data)
    assert read_bytes(tmp_path / "file", WANTED) == data
    assert read_bytes(str(tmp_path / "file"), WANTED, most=size) == data
    if size:
        with pytest.raises(InputError, match=r"file has more than [\d.]+ (bytes|MiB), expected a PNG image"):
            read_bytes(tmp_path / "file", WANTED, most=size - 1)


def test_named_pipes(pipe: Path) -> None:
    data = bytes(range(256)) * 1000
    thread = written(pipe, data)
    assert read_bytes(pipe, WANTED) == data
    thread.join()
    thread = written(pipe, data, wait=0.3)
    assert read_bytes(pipe, WANTED) == data
    thread.join()


def test_pipes_without_a_name() -> None:
    end, start = os.pipe()
    os.write(start, b"hello")
    os.close(start)
    assert read_bytes(f"/dev/fd/{end}", WANTED) == b"hello"
    os.close(end)


def test_a_pipe_waits_for_a_writer_but_not_for_ever(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Timer(0.3, lambda: written(pipe, b"late"))
    late.start()
    assert read_bytes(pipe, WANTED) == b"late"
    late.join()
    monkeypatch.setattr(reading, "_PATIENCE", 0.2)
    with pytest.raises(InputError, match="pipe: no one writes to the pipe, expected a PNG image"):
        read_bytes(pipe, WANTED)


def test_a_writer_that_writes_nothing_leaves_an_empty_file(pipe: Path) -> None:
    thread = written(pipe, b"", wait=0.3)
    time.sleep(0.1)
    assert read_bytes(pipe, WANTED) == b""
    thread.join()


@pytest.mark.parametrize("most", [100, 2_000_000])
def test_endless_sources_are_read_up_to_the_limit(most: int) -> None:
    with pytest.raises(InputError, match="/dev/zero has more than"):
        read_bytes("/dev/zero", WANTED, most)
    assert read_bytes("/dev/null", WANTED) == b""


def test_what_is_no_file_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)  # names of sockets are short
        server.bind("socket")
        with pytest.raises(InputError, match="socket is a socket, expected a PNG image"):
            read_bytes(tmp_path / "socket", WANTED)
    (tmp_path / "file").touch()
    cases = {
        tmp_path: "is a folder, expected a PNG image",
        tmp_path / "none": "no such file",
        tmp_path / "file" / "inside": "cannot be read",
        tmp_path / ("n" * 400): "cannot be read",
        "nul\0.png": "cannot be read",
        "two\nlines.png": "no such file",
    }
    for path, message in cases.items():
        with pytest.raises(InputError, match=message) as fault:
            read_bytes(path, WANTED)
        assert str(fault.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0)
    with pytest.raises(InputError, match="no permission"):
        read_bytes(tmp_path / "file", WANTED)


def test_standard_input(picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("-", Path("-")):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(picture)))
        assert read_photo(source).rgb[0, 0].tolist() == [10, 20, 30]
    end, start = os.pipe()
    os.write(start, picture)
    os.close(start)
    with os.fdopen(end) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert read_mask("-").shape == (2, 3)
        with pytest.raises(InputError, match="standard input is empty, expected a JPEG"):
            read_photo("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed, expected a JPEG"):
        read_photo("-")


def test_photos_come_from_pipes(pipe: Path, picture: bytes) -> None:
    thread = written(pipe, picture)
    np.testing.assert_array_equal(read_photo(pipe).rgb, np.full((2, 3, 3), (10, 20, 30)))
    thread.join()
