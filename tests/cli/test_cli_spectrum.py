"""`photoflow spectrum`, and `photoflow animate` with what it wrote."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command import run

from photoflow.io import VideoWriter, read_photo
from photoflow.models.raft import RAFT
from photoflow.motion import Spectral, SpectralVolume, load


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that loops, one that goes away, one that stands still, RAFT's weights (random), a photo and its mask."""
    folder = tmp_path_factory.mktemp("clips")
    noise = np.random.default_rng(0).normal(size=(64, 96, 3)).astype(np.float32)
    picture = np.clip(128 + 300 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)
    for name, ways in (
        ("loop", 3 * np.sin(2 * np.pi * np.arange(32) / 32)), ("away", 0.3 * np.arange(32)), ("still", np.zeros(4)),
    ):  # fmt: skip
        with VideoWriter(folder / f"{name}.mp4", 96, 64, 16, quality=100) as out:
            for x in ways:
                way = np.array([[1, 0, x], [0, 1, 0]])
                out.write(cv2.warpAffine(picture, way, (96, 64), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    cv2.imwrite(str(folder / "photo.png"), picture)
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, 24:72] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    torch.manual_seed(0)
    torch.save(RAFT.small().state_dict(), folder / "small.pth")
    return folder


def test_writes_the_volume_and_the_picture_and_says_what_is_kept(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, png = tmp_path / "v.safetensors", tmp_path / "v.png"
    options = ("-o", output, "--png", png, "--frequencies", 5)
    code, said = run(monkeypatch, capsys, "spectrum", files / "loop.mp4", *options)
    assert code == 0 and "loop.mp4: 32 frames, 2 s, measured at 96x64" in said and "it closes" in said
    assert "5 frequencies to 2 Hz keep 9" in said or "keep 100.0% of the energy" in said
    volume = SpectralVolume.load(output)
    assert volume.count == 5 and volume.seconds == 2 and volume.size == (64, 96)
    assert abs(2 * np.abs(volume.coefficients[1, 0, 32, 48]) - 3) < 0.1  # an amplitude of 3 pixels at 0.5 Hz
    assert read_photo(png).rgb.shape == (32 + 8 + 240, 320, 3)


def test_a_clip_that_does_not_close_is_named_so(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "v.safetensors"
    code, said = run(monkeypatch, capsys, "spectrum", files / "away.mp4", "-o", output, "--seconds", 1.5, "--size", 48)
    assert code == 0 and "it does not close" in said and "24 frames, 1.5 s, measured at 48x32" in said
    assert SpectralVolume.load(output).count == 13  # all that 24 frames have


def test_raft_measures_where_its_weights_are_named(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "v.safetensors"
    options = ("-o", output, "--weights", files / "small.pth", "--seconds", 0.2, "--device", "cpu")
    code, said = run(monkeypatch, capsys, "spectrum", files / "loop.mp4", *options)
    assert code == 0 and "3 frames" in said, said


def test_a_volume_animates_a_photo(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, kept = tmp_path / "a.mp4", tmp_path / "m.json"
    options = ("--motion", f"spectral:{files / 'loop.mp4'}", "--transfer-from", "10,10,60,40", "--mask",
               files / "mask.png", "--seconds", 0.5, "--fps", 8, "--save-motion", kept, "-o", output)  # fmt: skip
    code, said = run(monkeypatch, capsys, "animate", files / "photo.png", *options)
    assert code == 0 and "a.mp4: 4 frames" in said
    assert load(kept) == Spectral(str(files / "loop.mp4"), region=(10, 10, 60, 40))


BAD = [
    ("spectrum none.mp4", "none.mp4: no such file"),
    ("spectrum loop.mp4 --seconds 99", "seconds: expected"),
    ("spectrum mask.png", "mask.png is a single picture, expected a video"),
    ("spectrum small.pth", "small.pth is not a video file"),
    ("spectrum still.mp4", "still.mp4: expected motion, but nothing moves"),
    ("spectrum loop.mp4 -o OUT/v.npz", "expected a suffix .safetensors"),
    ("spectrum loop.mp4 -o OUT/no/v.safetensors", "does not exist"),
    ("spectrum loop.mp4 --png OUT/v.gif", "expected a suffix .png"),
    ("spectrum loop.mp4 --size 3", "size: expected"),
    ("spectrum loop.mp4 --start 7", "expected a start within its "),
    ("spectrum loop.mp4 --weights none.pth", "none.pth"),
    ("spectrum loop.mp4 --device abacus", "device: expected auto, cpu"),
    ("animate photo.png --mask mask.png --motion spectral:bush", "spectral: source expects plant"),
    ("animate photo.png --mask mask.png --motion spectral:none.mp4", "none.mp4: no such file"),
    ("animate photo.png --mask mask.png --motion sway --wind 0.5", "wind: expected a motion that it moves"),
    ("animate photo.png --mask mask.png --wind 7 --motion spectral:plant", "wind expects a number from 0 to"),
    ("animate photo.png --mask mask.png --motion sway --transfer-from 1,2,3,4", "expected a motion from a clip"),
    ("animate photo.png --motion spectral:loop.mp4 --transfer-from 1,2,3", "transfer-from: expected 4 numbers"),
    ("animate photo.png --mask mask.png --motion spectral:loop.mp4 --transfer-from 90,2,30,4", "the 96x64 pixels of"),
]


@pytest.mark.parametrize(("line", "named"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_gets_one_line_exit_code_2_and_no_file(
    line: str, named: str, files: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(files)
    words = line.replace("OUT", str(tmp_path)).split()
    if "-o" not in words:
        words += ["-o", str(tmp_path / ("v.safetensors" if words[0] == "spectrum" else "a.mp4"))]
    before = sorted(files.iterdir())
    code, said = run(monkeypatch, capsys, *words)
    assert code == 2 and said.splitlines()[-1].startswith("photoflow: ") and named in said, said
    assert "Traceback" not in said and not list(tmp_path.iterdir()) and sorted(files.iterdir()) == before
