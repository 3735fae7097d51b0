"""`photoflow inpaint` as a person calls it."""

import numpy as np
import pytest
from command import run

from photoflow.io import VideoReader, VideoWriter, write_image


@pytest.fixture
def clip(tmp_path):
    """A square that moves over a textured ground."""
    ground = np.random.default_rng(0).integers(60, 190, (24, 40, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    with VideoWriter(tmp_path / "clip.mp4", 160, 96, 25, quality=95) as writer:
        for number in range(12):
            frame = ground.copy()
            frame[30:60, 10 + 9 * number : 40 + 9 * number] = (255, 30, 30)
            writer.write(frame)
    mask = np.zeros((96, 160, 3), np.uint8)
    mask[30:60, 10:40] = 255
    write_image(tmp_path / "mask.png", mask)
    return tmp_path


def test_the_thing_is_gone(clip, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "inpaint", clip / "clip.mp4", "-o", clip / "out.mp4", "--mask", clip / "mask.png",
        "--show-mask", clip / "masks", "--work", clip / "work", "--offline",
    )  # fmt: skip
    assert code == 0 and "out.mp4: 12 frames at 25 fps" in said
    assert len(list((clip / "masks").glob("*.png"))) == 12
    red = [((frame[..., 0] > 220) & (frame[..., 1] < 80)).sum() for frame in VideoReader(clip / "out.mp4")]
    assert len(red) == 12 and max(red) < 20


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "expected"),
        (("--mask", "absent.png"), "absent.png"),
        (("--box", "1,2,3"), "box: expected 4 numbers"),
        (("--weights", "absent"), "absent"),
        (("--mask", "mask.png", "-o", "clip.mp4"), "replace the input"),
        (("--mask", "mask.png", "-o", "mask.png"), "expected"),
    ],
)
def test_bad_input_is_told_of_in_one_line(clip, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(clip)
    code, said = run(monkeypatch, capsys, "inpaint", "clip.mp4", "--offline", *arguments)
    assert code == 2 and line in said and said.strip().count("\n") == 0
    assert not (clip / "out.mp4").exists()
