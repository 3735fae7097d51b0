"""Whatever is asked for, nothing that is read is lost, and what cannot be done is said in one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import run

from photoflow import motion
from photoflow.io import VideoWriter, write_image

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a photo, its mask in ex/mask.png, a clip, a motion file, a weights file, a CSV file."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 255, (60, 80, 3), np.uint8), (0, 0), 2)
    mask = np.zeros((60, 80), np.uint8)
    mask[15:45, 25:55] = 255
    Path("ex").mkdir()
    write_image("photo.png", photo)
    write_image("ex/mask.png", mask)
    write_image("ex/strip.png", photo)
    motion.save(motion.parse("sway"), "m.json")
    with VideoWriter("clip.mp4", 80, 60, 10) as out:
        for _ in range(3):
            out.write(photo)
    Path("w.safetensors").write_bytes(b"weights")
    Path("page").mkdir()
    Path("page/flow.html").write_text("step,minutes\n1,1\n")
    shutil.copy("clip.mp4", "ex/xt.png")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize(
    "line",
    [
        "animate photo.png --mask ex/mask.png --explain ex -o a.mp4",
        "animate photo.png --mask one=ex/mask.png --explain ex/../ex -o a.mp4",
        "animate ex/strip.png --mask ex/mask.png --explain ex -o a.mp4",
        "poke photo.png --drag 40,30,5,0 --mask ex/mask.png --explain ex -o a.mp4",
        "animate photo.png --motion spectral:ex/xt.png --explain ex -o a.mp4",
        "animate photo.png --weights raft=m.json --save-motion m.json -o a.mp4",
        "evaluate animation ex --motion m.json --json m.json",
        "evaluate flow ex --weights m.json --json m.json",
        "evaluate flow ex --training page/flow.html --report page",
        "flow photo.png ex/strip.png -o photo.png",
        "flow photo.png ex/strip.png --png ex/strip.png",
        "flow photo.png ex/strip.png --weights f.png -o f.png",
        "spectrum clip.mp4 --png ex/strip.png --weights ex/strip.png",
        "spectrum clip.mp4 -o w.safetensors --weights w.safetensors",
        "sample photo.png -o w.safetensors --weights w.safetensors",
        "prepare a.stage -o a.stage",
        "interpolate clip.mp4 clip.mp4",
        "interpolate clip.mp4 link.mp4",
        "interpolate links anim.apng",
        "interpolate clip.mp4 w.mp4 --network rife --weights w.mp4",
    ],
)
def test_no_command_replaces_what_it_reads(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.symlink("clip.mp4", "link.mp4")
    shutil.copy("photo.png", "anim.apng")
    Path("links").mkdir()
    os.symlink("../anim.apng", "links/1.png")
    shutil.copy("photo.png", "f.png")
    shutil.copy("w.safetensors", "w.mp4")
    Path("a.stage").write_bytes(b"a stage")
    before = contents(folder)
    code, said = run(monkeypatch, capsys, *line.split())
    assert code == 2 and "would replace" in said and said.count("\n") == 1, said
    assert contents(folder) == before


def test_explaining_beside_the_photo_is_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "animate photo.png --mask ex/mask.png --explain . -o a.mp4 --seconds 0.2 --save-motion saved.json"
    # The output would be within the folder of the pictures, which was always refused.
    assert "two outputs" in run(monkeypatch, capsys, *line.split())[1]
    code, said = run(monkeypatch, capsys, *line.replace("--explain .", "--explain new").split())
    assert code == 0 and len(list(Path("new").iterdir())) == 5, said


def test_a_photo_and_a_mask_come_from_pipes(folder: Path) -> None:
    """As `photoflow animate - --mask <(...)` in a shell."""
    words = ["animate", "-", "--mask", "pipe", "-o", "a.mp4", "--seconds", "0.2", "--offline"]
    os.mkfifo("pipe")
    process = subprocess.Popen(
        [sys.executable, "-m", "photoflow", *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(Path("photo.png").read_bytes())
    process.stdin.close()
    with open("pipe", "wb") as pipe:
        pipe.write(Path("ex/mask.png").read_bytes())
    said = process.stderr.read().decode()
    assert process.wait() == 0, said
    done = subprocess.run(
        [sys.executable, "-m", "photoflow", "prepare", "-", "--mask", "ex/mask.png", "--offline"],
        input=Path("photo.png").read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and Path("photo.stage").is_file(), done.stderr


LONG = "9" * 5000
ODD = [
    "animate PIPE --mask ex/mask.png",
    "animate photo.png --mask PIPE",
    "animate photo.png --mask ex/mask.png --motion PIPE.json",
    "animate photo.png --mask ex/mask.png --motion spectral:PIPE.safetensors",
    "animate PIPE.stage",
    "animate photo.png --mask ex/mask.png --weights raft=PIPE",
    "interpolate PIPE OUT",
    "flow photo.png PIPE",
    "animate - --mask -",
    f"animate {LONG}",
    f"animate photo.png --mask {LONG}",
    f"animate photo.png --mask ex/mask.png --motion {LONG}",
    f"animate photo.png --mask ex/mask.png --motion sway@{LONG}",
    f"animate photo.png --mask ex/mask.png --motion path@1.points={LONG}",
    f"animate photo.png --mask ex/mask.png --subject {LONG}",
    f"animate photo.png --box {LONG},1,2,3",
    f"animate photo.png --point {LONG}",
    f"animate photo.png --mask ex/mask.png --size {LONG}",
    f"animate photo.png --mask ex/mask.png --seconds {LONG[:400]}",
    f"animate photo.png --mask ex/mask.png -o {LONG[:300]}.mp4",
    f"animate photo.png --mask ex/mask.png --explain {LONG[:300]}",
    f"animate photo.png --mask ex/mask.png --save-motion {LONG[:300]}.json",
    "animate photo.png --mask ex/mask.png -o photo.png/a.mp4",
    "animate photo.png --mask /dev/zero",
    "animate photo.png --mask ex/mask.png --motion /dev/zero.json",
    "animate /dev",
    "animate loop",
    "prepare photo.png --mask ex/mask.png -o loop/a.stage",
    f"interpolate clip.mp4 OUT --factor 100 --weights {LONG}",
    f"interpolate {LONG} OUT",
    f"evaluate {LONG} ex",
    f"train {LONG} --data procedural --out run --steps 1",
    f"weights get {LONG}",
]


@pytest.mark.parametrize("line", ODD, ids=lambda line: line.replace(LONG, "LONG").replace(LONG[:300], "L300")[:70])
def test_what_cannot_be_is_said_in_one_short_line(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PIPE", "PIPE.json", "PIPE.safetensors", "PIPE.stage"):
        os.mkfifo(name)
    os.symlink("loop", "loop")
    monkeypatch.setattr("photoflow.io.reading._PATIENCE", 0.1)
    before = {path.name for path in folder.rglob("*")}
    words = line.replace("OUT", "out.mp4").split()
    if words[0] == "animate":
        words += ["--offline"] + ([] if "-o" in words else ["-o", "a.mp4"])
    code, said = run(monkeypatch, capsys, *words)
    lines = [one for one in said.splitlines() if one.startswith("photoflow: ")]
    assert code == 2 and len(lines) == 1 and len(lines[0]) < 700 and "Traceback" not in said
    assert {path.name for path in folder.rglob("*")} == before


def photoflow(*words: str, cwd: Path | None = None, **environment: str | None) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in (os.environ | environment).items() if value is not None}
    return subprocess.run([sys.executable, "-m", "photoflow", *words], capture_output=True, text=True, check=False,
                          cwd=cwd, env=environ)  # fmt: skip


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    code = f"""
import os, sys
os.mkdir({str(tmp_path / "gone")!r}); os.chdir({str(tmp_path / "gone")!r}); os.rmdir({str(tmp_path / "gone")!r})
sys.argv = ["photoflow", "animate", "/a.png", "-o", "/tmp/a.mp4"]
from photoflow.cli import main
main()
"""
    source = Path(sys.modules["photoflow"].__file__ or "").parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": str(source)}, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("photoflow: the working directory no longer exists")


@pytest.mark.parametrize(
    "environment",
    [
        {"TORCH_HOME": "/nowhere/at/all"}, {"TORCH_HOME": "FILE"}, {"XDG_CACHE_HOME": "/dev/null"},
        {"HOME": "/nowhere"}, {"HOME": None}, {"TMPDIR": "/nowhere"}, {"HF_HOME": "FILE"}, {"PHOTOFLOW_CUDA": "maybe"},
    ],
    ids=lambda one: str(next(iter(one.items()))),
)  # fmt: skip
def test_environment_variables_that_point_nowhere(environment: dict[str, str | None], folder: Path) -> None:
    named = {key: str(folder / "m.json") if value == "FILE" else value for key, value in environment.items()}
    done = photoflow("animate", "photo.png", "--mask", "ex/mask.png", "-o", "a.mp4", "--seconds", "0.1", **named)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    listed = photoflow("weights", "path", "raft_small", **named)
    assert listed.returncode == 2 and listed.stderr.count("\n") == 1, listed.stderr


@pytest.mark.parametrize(
    "at", ["typer", "photoflow.cli.animate", "rich.progress", "photoflow.cli.weights", "av", "torch"]
)
def test_an_interrupt_while_modules_are_loaded_ends_quietly(at: str, folder: Path) -> None:
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test that runs in the background ignores it
class Interrupts:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == {at!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts)
sys.argv = "photoflow animate photo.png --mask ex/mask.png -o a.mp4 --seconds 3 --offline".split()
from photoflow.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert not Path("a.mp4").exists() and not list(folder.glob(".photoflow*"))


def test_an_interrupt_within_an_import_removes_what_is_being_written(tmp_path: Path) -> None:
    """Raised there, an exception would leave the import system locked, and other threads waiting for ever."""
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test that runs in the background ignores it
from pathlib import Path
from photoflow.cli.interrupts import end_runs_cleanly
from photoflow.io.atomic import replacing
class Interrupts:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "colorsys":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts)
end_runs_cleanly()
with replacing(Path({str(tmp_path / "out")!r})) as hidden:
    hidden.write_text("half")
    import colorsys
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 128 + signal.SIGINT and done.stderr == "" and list(tmp_path.iterdir()) == []


def test_a_motion_file_of_any_depth_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner: dict[str, object] = {"type": "sway"}
    for _ in range(400):
        inner = {"type": "scaled", "factor": 1.0, "motion": inner}
    points = [[0.5 * index, 1.0] for index in range(1_000_000)]
    for described in (inner, {"type": "path", "points": points}):
        document = {"photoflow": "motion", "version": 1, "motion": described}
        Path("deep.json").write_text(json.dumps(document))
        words = ["animate", "photo.png", "--mask", "ex/mask.png", "--motion", "deep.json", "-o", "a.mp4"]
        code, said = run(monkeypatch, capsys, *words)
        assert code == 2 and said.count("\n") == 1 and said.startswith("photoflow: deep.json"), said[:300]
