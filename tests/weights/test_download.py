"""Fetching: continued where it broke off, started anew where that cannot be trusted, and never kept if wrong."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from photoflow.weights import download
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError, WeightsFile

CONTENT = bytes(range(256)) * 80
OTHER = CONTENT[::-1]
CUT = 7000


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, and does to it what a test sets."""

    content, etag, ranges, cut, delay, shift = CONTENT, '"one"', True, len(CONTENT), 0.0, 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, str]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        served = self.server
        served.asked.append(dict(self.headers))
        time.sleep(served.delay)
        if self.path != "/tiny.bin":
            return self.send_error(404)
        start = self.range_start()
        if start is not None and start >= len(served.content):
            return self.send_error(416)
        body = served.content[start or 0 :]
        self.send_response(200 if start is None else 206)
        self.send_header("Content-Length", str(len(body)))
        if served.etag:
            self.send_header("ETag", served.etag)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        self.end_headers()
        self.wfile.write(body[: served.cut])

    def range_start(self) -> int | None:
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, self.server.etag)
        if not asked or not same or not self.server.ranges:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-")) + self.server.shift

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        register(monkeypatch, running)
        yield running
        running.shutdown()


def register(monkeypatch: pytest.MonkeyPatch, server: Server, content: bytes = CONTENT, file: str = "tiny.bin") -> None:
    """Let the weights "tiny" be `content`, from that server."""
    url = f"http://127.0.0.1:{server.server_port}/{file}"
    entry = WeightsFile("tiny", "tiny.bin", url, hashlib.sha256(content).hexdigest(), len(content), "MIT")
    monkeypatch.setitem(weights.REGISTRY, "tiny", entry)


def break_off(server: Server, cache: Path) -> None:
    """An attempt that gets the first bytes only, and leaves them."""
    server.cut = CUT
    with pytest.raises(WeightsError, match=rf"expected 20480 bytes, the connection ended after {CUT}\).* are kept"):
        weights.fetch("tiny")
    server.cut = len(server.content)
    assert (cache / "tiny.bin.part").read_bytes() == server.content[:CUT]


def ranges(server: Server) -> list[str | None]:
    return [asked.get("Range") for asked in server.asked]


def fetched_whole(cache: Path, content: bytes = CONTENT) -> bool:
    return weights.fetch("tiny").read_bytes() == content and os.listdir(cache) == ["tiny.bin"]


def test_a_fetched_file_is_whole_alone_and_announced(
    server: Server, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetched_whole(cache) and ranges(server) == [None]
    assert "licence MIT" in capsys.readouterr().err


def test_what_broke_off_is_continued(server: Server, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_off(server, cache)
    assert fetched_whole(cache)
    assert ranges(server) == [None, f"bytes={CUT}-"] and server.asked[1]["If-Range"] == '"one"'
    assert "continued after 0.0 MB" in capsys.readouterr().err


def test_an_interrupt_keeps_what_has_come(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupting(*_: Any) -> Iterator[Any]:
        def advance(_: int) -> None:
            raise KeyboardInterrupt

        yield advance

    with monkeypatch.context() as patch:
        patch.setattr(download, "_CHUNK", CUT)
        patch.setattr(download, "_announced", interrupting)
        with pytest.raises(KeyboardInterrupt):
            weights.fetch("tiny")
    assert (cache / "tiny.bin.part").read_bytes() == CONTENT[:CUT]
    assert fetched_whole(cache) and ranges(server) == [None, f"bytes={CUT}-"]


def test_a_server_without_ranges_sends_all_again(server: Server, cache: Path) -> None:
    break_off(server, cache)
    server.ranges = False
    assert fetched_whole(cache) and len(server.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(server, cache)
    server.content, server.etag = OTHER, '"two"'
    register(monkeypatch, server, OTHER)
    assert fetched_whole(cache, OTHER) and len(server.asked) == 2


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_tag_the_digest_tells_of_a_change(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, etag: str
) -> None:
    server.etag = etag
    break_off(server, cache)
    server.content = OTHER
    register(monkeypatch, server, OTHER)
    assert fetched_whole(cache, OTHER) and ranges(server) == [None, f"bytes={CUT}-", None]
    assert "If-Range" not in server.asked[1]


def test_an_answer_from_another_place_is_not_kept(server: Server, cache: Path) -> None:
    break_off(server, cache)
    server.shift = 5
    assert fetched_whole(cache) and ranges(server) == [None, f"bytes={CUT}-", None]


def test_a_part_that_is_complete_needs_no_more_bytes(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.bin.part").write_bytes(CONTENT)
    assert fetched_whole(cache) and ranges(server) == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_too_long_is_dropped(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.bin.part").write_bytes(CONTENT + b"more")
    assert fetched_whole(cache) and ranges(server) == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_wrong_file_is_not_kept(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, server, OTHER)
    with pytest.raises(WeightsError, match=r"expected sha256 [0-9a-f]{12}, got [0-9a-f]{12} in 20480 bytes"):
        weights.fetch("tiny")
    assert os.listdir(cache) == [] and len(server.asked) == 1


def test_a_damaged_file_is_replaced_and_survives_a_failed_attempt(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.bin").write_bytes(CONTENT[:100])
    break_off(server, cache)
    assert (cache / "tiny.bin").read_bytes() == CONTENT[:100]
    assert fetched_whole(cache)


def test_an_absent_file_is_said_by_the_server(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, server, file="gone.bin")
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:\d+: HTTP Error 404"):
        weights.fetch("tiny")
    assert os.listdir(cache) == []


def test_who_comes_second_waits_and_takes_what_the_first_got(server: Server, cache: Path) -> None:
    server.delay = 0.3
    found: list[Path] = []
    both = [threading.Thread(target=lambda: found.append(weights.fetch("tiny"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(10)
    assert found == [cache / "tiny.bin"] * 2 and fetched_whole(cache) and len(server.asked) == 1


def test_without_posix_locks_another_file_keeps_the_second_out(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, where a file that is open cannot be renamed either."""
    opened: list[IO[bytes]] = []
    replace, own_open = os.replace, open

    def noted(*words: Any, **more: Any) -> IO[bytes]:
        opened.append(own_open(*words, **more))
        return opened[-1]

    def refusing(source: Path, target: Path) -> None:
        assert all(file.closed for file in opened if file.name == source)
        replace(source, target)

    monkeypatch.setattr(download, "_POSIX_LOCKS", False)
    monkeypatch.setattr(download, "open", noted, raising=False)
    monkeypatch.setattr(os, "replace", refusing)
    server.delay = 0.3
    both = [threading.Thread(target=lambda: weights.fetch("tiny")) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(10)
    assert weights.fetch("tiny").read_bytes() == CONTENT and len(server.asked) == 1 and opened
    assert set(os.listdir(cache)) <= {"tiny.bin", "tiny.bin.part.lock"}


def test_no_network_is_said_in_one_line_and_soon(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = WeightsFile("tiny", "tiny.bin", "http://127.0.0.1:9/tiny.bin", "0" * 64, 1, "MIT")
    monkeypatch.setitem(weights.REGISTRY, "tiny", entry)
    start = time.monotonic()
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9.*can be put at .*tiny\.bin") as caught:
        weights.fetch("tiny")
    assert time.monotonic() - start < download.CONNECT_SECONDS + 1
    assert "\n" not in str(caught.value) and os.listdir(cache) == []


def test_a_silent_server_does_not_hold_us(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.2)
    server.delay = 1.0
    with pytest.raises(WeightsError, match="no answer within"):
        weights.fetch("tiny")


def test_a_cache_folder_that_cannot_be_made_is_one_line(server: Server, cache: Path) -> None:
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_text("a file in the way")
    with pytest.raises(WeightsError, match="could not be fetched") as caught:
        weights.fetch("tiny")
    assert "\n" not in str(caught.value)
