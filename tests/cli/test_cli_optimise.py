"""photoflow optimise, as a person uses it and misuses it."""

import cv2
import numpy as np
import pytest
from command import run

from photoflow import motion
from photoflow.motion.optimised import Optimised


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a photo of a disc, its mask, and a picture in which the disc is 3 pixels farther right."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:40, :56].astype(np.float32)
    ground = np.stack([40 + x, 30 + 0.5 * y, 60 + 0 * x], 2)
    for name, left in (("photo.png", 26), ("second.png", 29)):
        disc = np.hypot(x - left, y - 20) < 9
        rgb = np.where(disc[..., None], np.stack([220 + 2 * (x - left), 180 + 3 * (y - 20), 40 + 0 * x], 2), ground)
        cv2.imwrite(str(folder / name), rgb.astype(np.uint8)[..., ::-1])
    cv2.imwrite(str(folder / "mask.png"), 255 * (np.hypot(x - 26, y - 20) < 9).astype(np.uint8))
    cv2.imwrite(str(folder / "small.png"), np.zeros((20, 20, 3), np.uint8))
    return folder


@pytest.fixture
def optimise(files, monkeypatch, capsys):
    """`photoflow optimise photo.png ...`: exit code and what was said."""
    known = {path.name for path in files.iterdir()}

    def call(*arguments):
        given = [str(files / one) if one in known else one for one in ("photo.png", *arguments)]
        return run(monkeypatch, capsys, "optimise", *given, "--offline", "--device", "cpu")

    return call


def test_handles_to_a_motion_file_that_animates(optimise, files, tmp_path, monkeypatch, capsys):
    target = tmp_path / "m.json"
    code, said = optimise("--mask", "mask.png", "--handle", "26,20,4,0", "-o", target, "--steps", "20")
    assert code == 0 and "px from the handles; ended after 20 steps" in said
    assert "gradients at several scales, as the weights of VGG-19 are not on this machine" in said
    made = motion.load(target)
    assert made.subject == "subject-1" and isinstance(made.motion, Optimised) and not made.motion.whole
    code, said = run(
        monkeypatch, capsys, "animate", files / "photo.png", "--mask", files / "mask.png", "--motion", target,
        "--seconds", "1", "--fps", "4", "-o", tmp_path / "frames", "--offline",
    )  # fmt: skip
    assert code == 0
    first, *_ = sorted((tmp_path / "frames").iterdir())
    assert (cv2.imread(str(first)) == cv2.imread(str(files / "photo.png"))).all()


def test_to_a_second_picture_as_a_clip_of_the_generator_with_a_preview(optimise, files, tmp_path):
    code, said = optimise(
        "--to", "second.png", "-o", tmp_path / "frames", "--generated", "--no-loop", "--seconds", "1", "--fps", "4",
        "--steps", "10", "--preview", tmp_path / "now.png", "--save-motion", tmp_path / "m.json",
    )  # fmt: skip
    assert code == 0 and "the whole picture: " in said and "dB where it was not optimised for" in said
    assert len(list((tmp_path / "frames").iterdir())) == 4 and motion.load(tmp_path / "m.json").whole
    assert cv2.imread(str(tmp_path / "now.png")).shape == (40, 56, 3)


def test_a_handle_beside_what_was_found_moves_the_whole_picture(optimise, tmp_path):
    code, said = optimise("--handle", "3,3,4,0", "-o", tmp_path / "m.json", "--steps", "1")
    assert code == 0 and "the whole picture: " in said and motion.load(tmp_path / "m.json").whole


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "expected either --handle (one or more), --to or --like"),
        (["--handle", "1,1,2,2", "--to", "second.png"], "expected either --handle"),
        (["--to", "second.png", "--pin", "2,2"], "pin: expected it with --handle"),
        (["--handle", "1,2,3"], "handle: expected 4 numbers with commas between them, got '1,2,3'"),
        (["--handle", "1,2,0,0"], "handle: expected at least one that moves"),
        (["--handle", "99,2,1,0", "--mask", "mask.png"], "handle: expected points within the 56x40 pixels, got 99,2"),
        (["--to", "nothing.png"], "nothing.png: no such file"),
        (["--to", "small.png"], "small.png: expected a picture of 56x40 pixels, as the photo, got 20x20"),
        (["--to", "second.png", "--generated"], "expected a clip with --generated and --save-motion"),
        (["--to", "second.png", "-o", "photo.png"], "photo.png"),
        (["--to", "second.png", "--preview", "now.gif"], "ends in .png, .jpg or .webp for the preview"),
        (["--to", "second.png", "--preview", "second.png"], "the output would replace the target"),
    ],
)
def test_misuse_ends_in_one_line(arguments, named, optimise, tmp_path):
    arguments = arguments if "-o" in arguments else [*arguments, "-o", tmp_path / "m.json"]
    code, said = optimise(*arguments)
    assert code == 2 and named in said.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_words_of_what_was_chosen_leave_out_what_they_cannot_say(files, tmp_path, monkeypatch, capsys):
    """Beside `auto`, a motion file of what words cannot say is named as what keeps it."""
    (0.5 * motion.Sway(strength=0.2)).on("subject-1").save(tmp_path / "half.json")
    code, said = run(
        monkeypatch, capsys, "animate", files / "photo.png", "--motion", "auto", "--motion", tmp_path / "half.json",
        "--mask", files / "mask.png", "--seconds", "1", "--fps", "2", "-o", tmp_path / "frames", "--offline",
    )  # fmt: skip
    assert code == 0 and "chosen; --save-motion FILE.json keeps it" in said
