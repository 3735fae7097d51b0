"""`photoflow weights`: what is listed, fetched and found, and how refusals end."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from photoflow import cli
from photoflow.weights.loading import REGISTRY, WeightsFile

CONTENT = b"weights"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder, with the file of "tiny" in it, whose licence is not for commerce."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "tiny.bin").write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    entry = WeightsFile("tiny", "tiny.bin", "http://127.0.0.1:9/tiny.bin", sha256, 7, "CC-BY-NC-4.0", "Tiny()", "dust")
    monkeypatch.setitem(REGISTRY, "tiny", entry)
    return folder


def run(monkeypatch, capsys, *arguments):
    """Exit code, what was printed, what was said."""
    monkeypatch.setattr(sys, "argv", ["photoflow", "weights", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return stopped.value.code or 0, captured.out, captured.err


def test_list_names_each_with_size_licence_state_and_scores(cache, monkeypatch, capsys):
    code, printed, _ = run(monkeypatch, capsys, "list")
    lines = printed.splitlines()
    shipped, lines = lines[:8], lines[8:]
    assert code == 0 and [line.split()[0] for line in shipped[::2]] == ["flow", "gan", "refined", "spectral"]
    assert all("shipped" in line for line in shipped[::2])
    assert len(lines) == 2 * len(REGISTRY)
    assert [line.split()[0] for line in lines[::2]] == list(REGISTRY)
    assert "RAFT.large()" in printed and "Sintel test clean EPE 1.819" in printed and "BSD-3-Clause" in printed
    assert " ".join(lines[-2].split()) == "tiny 0.0 MB present CC-BY-NC-4.0 (not for commercial use)"
    assert lines[-1].strip() == "Tiny(): dust; no scores recorded"
    assert all("absent" in line for line in lines[:-2:2])


def test_get_wants_the_licence_accepted_and_prints_the_path(cache, monkeypatch, capsys):
    code, printed, said = run(monkeypatch, capsys, "get", "tiny")
    assert code == 2 and printed == "" and len(said.splitlines()) == 1
    assert said.startswith("photoflow: weights 'tiny': their licence CC-BY-NC-4.0 forbids commercial use")
    code, printed, said = run(monkeypatch, capsys, "get", "tiny", "--accept-licence")
    assert (code, printed, said) == (0, f"{cache / 'tiny.bin'}\n", "")
    assert run(monkeypatch, capsys, "get", "tiny")[0] == 0


def test_path_prints_where_it_is_or_ends_in_one_line(cache, monkeypatch, capsys):
    assert run(monkeypatch, capsys, "path", "tiny") == (0, f"{cache / 'tiny.bin'}\n", "")
    code, printed, said = run(monkeypatch, capsys, "path", "vgg19")
    assert code == 2 and printed == ""
    assert said == "photoflow: weights 'vgg19' are not here; `photoflow weights get vgg19` fetches them\n"


@pytest.mark.parametrize("command", ["get", "path"])
def test_an_unknown_name_lists_the_known(cache, monkeypatch, capsys, command):
    code, _, said = run(monkeypatch, capsys, command, "vgg")
    assert code == 2 and len(said.splitlines()) == 1 and "expected one of u2netp, mask_rcnn" in said


def test_get_without_a_network_is_one_line(cache, monkeypatch, capsys):
    (cache / "tiny.bin").unlink()
    code, printed, said = run(monkeypatch, capsys, "get", "tiny", "--accept-licence")
    assert code == 2 and printed == "" and "could not be fetched (127.0.0.1:9: " in said
    assert len([line for line in said.splitlines() if line.startswith("photoflow: ")]) == 1


def test_listing_loads_no_library():
    code = "import sys; sys.argv = ['photoflow', 'weights', 'list']; from photoflow.cli import main\ntry: main()\n"
    code += "except SystemExit: print(sorted({'torch', 'cv2', 'numpy', 'torchvision'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("command", ["get", "path"])
def test_what_comes_with_photoflow_is_there(command, monkeypatch, capsys):
    code, printed, _ = run(monkeypatch, capsys, command, "refined")
    assert code == 0 and Path(printed.strip()).name == "refined.safetensors" and Path(printed.strip()).is_file()
