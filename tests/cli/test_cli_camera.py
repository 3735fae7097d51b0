"""The camera on the command line."""

import cv2
import numpy as np
import pytest
from command import run

from photoflow.stage import Stage

SHORT = ("--seconds", "0.5", "--fps", "8", "--offline", "--segmenter", "grabcut")
PHOTO = np.repeat(np.random.default_rng(0).integers(60, 120, (15, 90, 3), dtype=np.uint8), 4, axis=0)
PHOTO[20:40, 30:60] = (60, 240, 250)


@pytest.fixture
def photo(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), PHOTO)
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((60, 90, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "depth.png"), np.tile(np.arange(90, dtype=np.uint16) * 700, (60, 1)))
    return tmp_path / "photo.png"


def first_and_middle(folder):
    frames = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    assert len(frames) == 4
    return frames[0].astype(int), frames[2].astype(int)


def test_a_photo_without_a_subject_is_seen_by_a_camera(photo, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "animate", tmp_path / "flat.png", "-o", tmp_path / "a", "--motion", "camera push=0.06",
        *SHORT,
    )  # fmt: skip
    assert code == 0, said
    first, middle = first_and_middle(tmp_path / "a")
    assert np.abs(first - 90).max() <= 1 and np.abs(middle - 90).max() <= 1


def test_depth_is_read_kept_in_a_stage_and_turned(photo, tmp_path, monkeypatch, capsys):
    depth = ("--depth", tmp_path / "depth.png")
    moves = ("--motion", "camera orbit=0.1", "--box", "30,20,30,20", *SHORT)
    middles = []
    for name, options in (("a", depth), ("b", (*depth, "--depth-far-bright")), ("c", ())):
        code, said = run(monkeypatch, capsys, "animate", photo, "-o", tmp_path / name, *moves, *options)
        assert code == 0, said
        middles.append(first_and_middle(tmp_path / name)[1])
    assert np.abs(middles[0] - middles[1]).max() > 10 < np.abs(middles[0] - middles[2]).max()
    stage = tmp_path / "photo.stage"
    assert run(monkeypatch, capsys, "prepare", photo, "-o", stage, "--offline", "--box", "30,20,30,20", *depth)[0] == 0
    assert Stage.load(stage).depth[0, -1] == 89 * 700
    animate = ("animate", stage, "-o", tmp_path / "d", "--motion", "camera orbit=0.1", *SHORT)
    assert run(monkeypatch, capsys, *animate)[0] == 0
    assert np.abs(first_and_middle(tmp_path / "d")[1] - middles[0]).max() <= 1
    turned = ("prepare", stage, "-o", tmp_path / "e.stage", "--offline", *depth, "--depth-far-bright")
    assert run(monkeypatch, capsys, *turned)[0] == 0
    assert Stage.load(tmp_path / "e.stage").depth[0, -1] == 65535 - 89 * 700


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--motion", "camera@2 push=0.1"), "camera: it moves the whole picture; expected no layer, got 2"),
        (("--motion", "camera push=3"), "camera: push expects a number from 0 to 0.5, got 3"),
        (("--motion", "camera", "--renderer", "gan"), "camera: expected renderer splat with it, got gan"),
        (("--motion", "float", "--depth", "depth.png"), "depth: expected it with a motion of the camera"),
        (("--motion", "camera", "--depth", "photo.png", "-o", "photo.png"), "expected"),
        (("--motion", "camera", "--depth-far-bright"), "depth-far-bright: expected a depth with it"),
        (("--motion", "camera", "--depth", "none.png"), "none.png"),
    ],
)
def test_what_does_not_go_is_refused_in_a_line(photo, tmp_path, monkeypatch, capsys, options, named):
    monkeypatch.chdir(tmp_path)
    code, said = run(monkeypatch, capsys, "animate", photo, "-o", tmp_path / "a", *options, *SHORT)
    assert code == 2 and named in said and "Traceback" not in said
