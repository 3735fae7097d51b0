"""A clip without any option, and what is said of it."""

import shlex

import cv2
import numpy as np
import pytest
from command import run

from photoflow import motion
from photoflow.io import VideoReader

SHORT = ("--seconds", "0.5", "--fps", "8", "--offline", "--segmenter", "grabcut")


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Clouds above a ploughed field."""
    random = np.random.default_rng(1)
    noise = cv2.GaussianBlur(random.normal(size=(240, 360)).astype(np.float32), (0, 0), 12)
    clouds = np.clip((noise - noise.min()) / np.ptp(noise) * 2 - 0.6, 0, 1)[..., None]
    photo = np.uint8((1 - clouds) * (225, 150, 90) + clouds * (245, 245, 245))
    photo[140:] = np.clip(np.array((40, 60, 70)) + random.normal(size=(100, 360, 1)) * 12, 0, 255)
    path = tmp_path_factory.mktemp("photos") / "the field.png"
    cv2.imwrite(str(path), photo)
    return path


def chosen(said):
    """The words of the command that repeats a clip."""
    return shlex.split(next(line for line in said.splitlines() if line.startswith("chosen")).partition(": ")[2])


def test_what_was_chosen_is_said_with_the_command_that_repeats_it(field, tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "animate", field, "-o", tmp_path / "a.webm", *SHORT)
    command = chosen(said)
    assert code == 0 and command[:2] == ["photoflow", "animate"] and "--motion" in command
    command[command.index(str(tmp_path / "a.webm"))] = str(tmp_path / "b.webm")
    code, again = run(monkeypatch, capsys, *command[1:])
    assert code == 0 and "chosen, and" not in again
    frames = [np.stack(list(VideoReader(tmp_path / name))) for name in ("a.webm", "b.webm")]
    np.testing.assert_array_equal(*frames)


def test_what_is_said_is_kept_beside_what_is_chosen(field, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "animate", field, "-o", tmp_path / "a.webm", "--motion", "auto", "--motion",
        "camera pan=0.03", "--no-loop", *SHORT,
    )  # fmt: skip
    command = chosen(said)
    assert code == 0 and "--no-loop" in command and command.count("camera pan=0.03") == 1


def test_the_chosen_motion_is_saved(field, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "animate", field, "-o", tmp_path / "a", "--save-motion", tmp_path / "m.json", *SHORT
    )
    saved = motion.load(tmp_path / "m.json")
    assert code == 0 and [motion.words(one) for one in getattr(saved, "motions", (saved,))] == [
        word for flag, word in zip(chosen(said), chosen(said)[1:]) if flag == "--motion"
    ]


def test_a_list_says_what_is_there_and_writes_nothing(field, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, said = run(monkeypatch, capsys, "prepare", field, "--list", "--offline", "--segmenter", "grabcut")
    line = next(line for line in said.splitlines() if line.startswith("sky"))
    assert code == 0 and " %  " in line and "drift" in line and list(tmp_path.iterdir()) == []
