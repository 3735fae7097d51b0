"""photoflow export: what other programs need to follow a motion, in a folder."""

import json

import cv2
import numpy as np
import pytest
from command import run

from photoflow.io import read_flow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a photo of a disc before a wall, and the disc's mask."""
    folder = tmp_path_factory.mktemp("photos")
    photo = np.random.default_rng(0).integers(60, 120, (91, 120, 3), dtype=np.uint8)
    mask = cv2.circle(np.zeros((91, 120), np.uint8), (60, 45), 20, 255, -1)
    photo[mask > 0] = (20, 160, 240)
    cv2.imwrite(str(folder / "photo.png"), photo)
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder


def test_a_photo_becomes_a_folder_for_other_programs(files, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "export", files / "photo.png", "--mask", f"disc={files / 'mask.png'}", "--motion",
        "translate dx=20", "--seconds", 1, "--fps", 4, "--noise", "--offline", "--device", "cpu",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert code == 0 and "4 frames of 120x91, described by export.json" in said, said
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert read_flow(tmp_path / "out" / (told["flow"]["files"] % 2))[0, 45, 60] == pytest.approx(20, abs=0.1)
    assert np.load(tmp_path / "out" / told["noise"]["file"]).shape == (4, 12, 15, 16)
    assert told["masks"][0]["layer"] == "disc" and "pictures" not in told


def test_a_stage_and_a_camera(files, tmp_path, monkeypatch, capsys):
    stage, disc = tmp_path / "disc.stage", f"disc={files / 'mask.png'}"
    code, said = run(monkeypatch, capsys, "prepare", files / "photo.png", "--mask", disc, "--offline", "-o", stage)
    assert code == 0, said
    code, said = run(
        monkeypatch, capsys, "export", stage, "--motion", "camera push=0.3", "--motion", "sway@disc", "--seconds", 1,
        "--fps", 3, "--no-loop", "--offline", "--device", "cpu", "--frames", "-o", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, said
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    vectors = [read_flow(tmp_path / "out" / (told["vectors"]["files"] % number)) for number in range(3)]
    assert vectors[0][0, 45, 110] > 1 > -1 > vectors[0][0, 45, 10] and not vectors[2].any()  # there is no next frame
    assert (tmp_path / "out" / (told["pictures"]["files"] % 2)).is_file() and not told["loop"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--format", "mov"], "format: expected flo or exr, got 'mov'"),
        (["-o", "out.mp4"], "expected the name of a folder"),
        (["-o", "."], "the folder is not empty"),
        (["--motion", "fly"], "fly"),
    ],
)
def test_bad_input_ends_in_a_line(files, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(files)
    output = [] if "-o" in arguments else ["-o", "out"]
    code, said = run(monkeypatch, capsys, "export", "photo.png", "--offline", *output, *arguments)
    assert code == 2 and line in said and len(said.strip().splitlines()) == 1
    assert sorted(path.name for path in files.iterdir()) == ["mask.png", "photo.png"]
