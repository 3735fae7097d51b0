"""photoflow poke, as a person uses it and misuses it."""

import sys

import cv2
import numpy as np
import pytest

from photoflow import cli
from photoflow.motion.poke import PRESETS
from photoflow.motion.spectral import SpectralVolume

STEPS = ("subject: ", "cut out: ", "filled behind: ")  # what is said before something turns out to be wrong


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a photo of a ball on a stick, its mask, and a volume in which it bends."""
    folder = tmp_path_factory.mktemp("photos")
    photo = np.full((90, 120, 3), 90, np.uint8)
    photo += np.random.default_rng(0).integers(0, 60, (90, 120, 1), dtype=np.uint8)
    mask = cv2.circle(np.zeros((90, 120), np.uint8), (60, 30), 16, 255, -1)
    mask[30:, 58:63] = 255
    photo[mask > 0] = (20, 160, 240)
    cv2.imwrite(str(folder / "photo.png"), photo)
    cv2.imwrite(str(folder / "mask.png"), mask)
    coefficients = np.zeros((2, 2, 90, 120), np.complex64)
    coefficients[1, 0] = np.linspace(1, 0, 90)[:, None]
    SpectralVolume(coefficients, 1.2).save(folder / "bend.safetensors")
    (folder / "text.safetensors").write_text("no volume")
    return folder


def run(monkeypatch, capsys, files, output, *arguments):
    """Exit code and what was said."""
    given = ["photo.png", "--mask", "mask.png", *arguments]
    known = {p.name for p in files.iterdir()}
    given = [str(files / a) if a in known else a for a in given]
    monkeypatch.setattr(sys, "argv", ["photoflow", "poke", *given, "-o", str(output), "--offline"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return stopped.value.code or 0, captured.out + captured.err


def test_the_ball_is_where_the_hand_holds_it_and_back_again(files, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, files, tmp_path / "frames", "--volume", "bend.safetensors", "--drag", "60,30,20,0",
        "--at", "0.2", "--hold", "0.5", "--seconds", "6", "--fps", "5", "--device", "cpu",
    )  # fmt: skip
    assert code == 0 and "frames: 30 frames, 6 s at 5 fps" in said
    frames = [cv2.imread(str(p)) for p in sorted((tmp_path / "frames").iterdir())]
    balls = [np.argwhere((f[..., 2] > 215) & (f[..., 0] < 60))[:, ::-1] for f in frames]
    heads = [float(np.mean([p[0] for p in ball if p[1] < 45])) for ball in balls]
    assert abs(heads[0] - 60) < 1 and abs(heads[3] - 80) < 3 and abs(heads[-1] - 60) < 1  # 3: after 0.6 s
    assert min(heads) < 59  # beyond its place


def test_several_drags(files, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, files, tmp_path / "a.gif", "--volume", "bend.safetensors", "--drag", "60,30,20,0",
        "--drag", "60,30,-10,0", "--at", "0.1", "--at", "0.9", "--seconds", "1.5", "--fps", "4", "--loop", "--hold",
        "0.3",
    )  # fmt: skip
    assert code == 0 and "a.gif: 6 frames" in said


def test_the_help_names_every_preset(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["photoflow", "poke", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    assert [name for name in PRESETS if name not in said] == []


BEND = ["--volume", "bend.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "drag"),
        (["--drag", "60,30,20"], "drag: expected 4 numbers"),
        (["--drag", "60,30,x,0"], "drag: expected 4 numbers"),
        (["--drag", "5,5,9,0", *BEND], "expected a point on the subject, got 5,5"),
        (["--drag", "60,89,9,0", *BEND], "nothing moves at 60,89"),
        (["--drag", "60,30,9,0", "--at", "1", "--at", "2"], "at: expected one time, or one for each of the 1 drags"),
        (["--drag", "60,30,9,0", "--hold", "0"], "hold expects"),
        (["--drag", "60,30,9,0", "--like", "stone"], "like expects plant, "),
        (["--drag", "60,30,9,0", "--volume", "none.safetensors"], "none.safetensors"),
        (["--drag", "60,30,9,0", "--volume", "text.safetensors"], "text.safetensors"),
        (["--drag", "60,30,9,0", "--loop", "--seconds", "1", *BEND], "expected a loop longer than that"),
        (["--drag", "60,30,9,0", "--seconds", "0"], "seconds: expected"),
        (["--drag", "60,30,9,0", "--at", "10", "--seconds", "2"], "expected a pull within the clip's 2 s"),
        (["--drag", "60,30,0,0"], "expected a pull within the clip's 5 s"),
        (["--drag", "60,30,9,0", "--like", "tree", "--volume", "text.safetensors"], "like: expected it or --volume"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_input_gets_one_line_exit_code_2_and_no_file(arguments, named, files, tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, files, tmp_path / "a.mp4", *arguments)
    lines = [line for line in said.splitlines() if not line.startswith(STEPS)]
    assert code == 2 and named in said and list(tmp_path.iterdir()) == []
    if arguments:  # what is wrong with the words themselves is said together with their usage
        assert len(lines) == 1 and lines[0].startswith("photoflow: ")
