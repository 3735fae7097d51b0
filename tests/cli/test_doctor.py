"""`photoflow doctor` says what is here, and finds what is broken."""

import socket
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
from command import run

import photoflow
from photoflow.cli import doctor

DEVELOPERS = {"test", "dev", "lint", "docs"}  # extras that no user needs


def findings(said: str) -> list[str]:
    """The lines of the report that are no titles."""
    return [line.strip() for line in said.splitlines() if line.startswith("  ")]


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something is fetched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(urllib.request, "urlopen", refused)


@pytest.mark.usefixtures("_no_network")
def test_a_working_photoflow_is_said_to_work(monkeypatch, capsys, cache):
    cache.mkdir(parents=True)
    (cache / "u2netp.onnx").write_bytes(b"there")
    code, said = run(monkeypatch, capsys, "doctor")
    lines = findings(said)
    assert code == 0 and said.splitlines()[-1] == f"photoflow {photoflow.__version__} works"
    assert not any("BROKEN" in line for line in lines)
    assert any(line.startswith("ok") and "a clip of 4 frames was rendered" in line for line in lines)
    assert any(line.startswith("ok") and "5 operators: CPU (" in line for line in lines)
    assert any(line.startswith("ok") and "u2netp, 4.57 MB" in line for line in lines)
    assert any(line.startswith("-") and line.endswith("-> photoflow weights get raft_large") for line in lines)
    assert any(line.endswith("-> photoflow weights get amt_s --accept-licence") for line in lines)
    assert [path.name for path in cache.iterdir()] == ["u2netp.onnx"]


def test_what_is_broken_ends_in_1_and_the_rest_is_still_said(monkeypatch, capsys, cache):
    def broken(*_: object, **__: object) -> None:
        raise OSError("libnothing.so: cannot\nopen")

    monkeypatch.setattr("photoflow.animator.Animator.animate", broken)
    code, said = run(monkeypatch, capsys, "doctor")
    assert code == 1 and "BROKEN OSError: libnothing.so: cannot open" in said and "FFmpeg of PyAV" in said
    assert said.splitlines()[-1] == f"photoflow {photoflow.__version__} does not work: see what is BROKEN"


def test_a_clip_that_is_not_the_photo_at_rest_is_found(monkeypatch):
    monkeypatch.setattr("photoflow.clip.Clip.__iter__", lambda clip: iter([clip.photo + 1] * 4), raising=False)
    assert doctor._rendered().state == doctor.BROKEN


def test_operators_of_other_sources_are_broken(monkeypatch):
    monkeypatch.setattr("photoflow.ops._library.why_stale", lambda *_: "built from other sources; pip install .")
    assert doctor.Finding(doctor.BROKEN, "built from other sources; pip install .") in list(doctor.photoflow_itself())


def test_without_torch_it_says_what_to_type():
    code = "import sys; sys.modules['torch'] = None; sys.argv = ['photoflow', 'doctor']\n"
    code += "from photoflow.cli import doctor, main; doctor._version = lambda name: None if name == 'torch' else '99'\n"
    done = subprocess.run([sys.executable, "-c", code + "main()"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == ""
    assert 'BROKEN torch: not installed -> pip install "torch>=2.10"' in done.stdout and "compiler" in done.stdout


def test_a_missing_or_an_old_library_of_an_extra_is_said(monkeypatch):
    versions = {"fastapi": None, "transformers": "4.9"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "99"))
    by_name = {finding.text.partition(":")[0]: finding for finding in doctor.extras()}
    assert by_name["studio"].advice == 'pip install "photoflow[studio]"' and "wants fastapi" in by_name["studio"].text
    assert "(wants transformers)" in by_name["segment"].text
    assert by_name["heif"].state == doctor.HERE and not by_name["heif"].advice


def test_every_extra_of_users_has_a_purpose():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"].keys() - DEVELOPERS <= doctor.EXTRAS.keys()


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    found = doctor._cache(tmp_path / "file" / "hub")
    assert found.state == doctor.MISSING and "TORCH_HOME" in found.advice
    assert doctor._cache(tmp_path / "new" / "hub").state == doctor.HERE
    assert not (tmp_path / "new").exists()


def test_a_user_without_a_home_folder_breaks_nothing(monkeypatch):
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    found = list(doctor.weights())
    assert all(finding.state != doctor.BROKEN for finding in found)
    assert any("no home folder" in finding.text and "TORCH_HOME" in finding.advice for finding in found)
    assert doctor._short(Path("/somewhere/photos")) == "/somewhere/photos"


def test_the_home_folder_is_not_named(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere/jane")
    assert doctor._short(Path("/somewhere/jane/photos")) == "~/photos"
    assert doctor._short(Path("/somewhere/janet")) == "/somewhere/janet"
