"""`photoflow prepare`, and layers that are said on the command line."""

import json
import zipfile

import cv2
import numpy as np
import pytest
from command import run

from photoflow import InputError
from photoflow.cli.selection import LayerOptions
from photoflow.io import VideoReader
from photoflow.stage import Stage

SPOTS = {"yellow": (40, 50), "blue": (100, 50), "pink": (160, 50)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo with three discs above a lake, masks of the lake and of all of it."""
    folder = tmp_path_factory.mktemp("photos")
    photo = np.full((120, 200, 3), 90, np.uint8)
    photo += np.random.default_rng(0).integers(0, 40, (120, 200, 1), dtype=np.uint8)
    labels = np.zeros((120, 200), np.uint8)
    for number, (colour, place) in enumerate(zip(((40, 200, 230), (240, 60, 40), (180, 80, 250)), SPOTS.values()), 1):
        cv2.circle(photo, place, 18, colour, -1, cv2.LINE_AA)
        cv2.circle(labels, place, 18, number, -1)
    labels[100:] = 4
    cv2.imwrite(str(folder / "photo.png"), photo)
    cv2.imwrite(str(folder / "water.png"), np.where(labels == 4, 255, 0).astype(np.uint8))
    cv2.imwrite(str(folder / "labels.png"), labels)
    return folder


def frames(path):
    return [frame.astype(int) for frame in VideoReader(path)]


SHORT = ("--seconds", "0.5", "--fps", "8", "--offline", "--segmenter", "grabcut")
BOXES = ("--box", "20,30,40,40", "--box", "blue=80,30,40,40")
MOVES = ("--motion", "float@1", "--motion", "translate@blue dx=20", "--motion", "drift@water arrows=20,110,90,110")


def test_two_boxes_and_a_mask_are_three_layers_with_three_motions(files, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "animate", files / "photo.png", "-o", tmp_path / "a", *BOXES,
        "--mask", f"water={files / 'water.png'}", *MOVES, *SHORT,
    )  # fmt: skip
    assert code == 0 and "water: the given mask" in said and "blue: GrabCut inside the box" in said
    shown = [cv2.imread(str(path))[..., ::-1].astype(int) for path in sorted((tmp_path / "a").iterdir())]
    photo = cv2.imread(str(files / "photo.png"))[..., ::-1].astype(int)
    np.testing.assert_allclose(shown[0], photo, atol=1)
    moved = np.abs(shown[2] - photo).max(axis=2)
    assert np.abs(shown[1] - photo)[30:70, 20:60].max() > 40 and moved[30:70, 80:140].max() > 100  # both boxes
    assert (
        np.abs(shown[1] - photo)[106:].mean() > 2 and moved[30:70, 142:180].max() == 0
    )  # the water; the third disc rests
    assert np.abs(shown[2][50, 118] - (40, 60, 240)).max() < 12  # blue went 20 pixels to the right


def test_a_stage_is_prepared_and_animated_as_the_photo_is(files, tmp_path, monkeypatch, capsys):
    water = f"water={files / 'water.png'}"
    code, said = run(
        monkeypatch, capsys, "prepare", files / "photo.png", "-o", tmp_path / "a.stage", *BOXES, "--mask", water,
        "--offline", "--segmenter", "grabcut",
    )  # fmt: skip
    assert code == 0 and f"{tmp_path / 'a.stage'}: 200x120, subject-1, blue, water" in said
    stage = Stage.load(tmp_path / "a.stage")
    assert all(layer.is_cut_out for layer in stage.layers)
    for photo, target in ((tmp_path / "a.stage", "b"), (files / "photo.png", "c")):
        more = () if photo.suffix == ".stage" else (*BOXES, "--mask", water)
        assert run(monkeypatch, capsys, "animate", photo, "-o", tmp_path / target, *more, *MOVES, *SHORT)[0] == 0
    for one, other in zip(sorted((tmp_path / "b").iterdir()), sorted((tmp_path / "c").iterdir()), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_layers_are_added_to_a_stage(files, tmp_path, monkeypatch, capsys):
    for photo, target, more in (
        (files / "photo.png", "a.stage", ["--box", "20,30,40,40"]),
        (tmp_path / "a.stage", "b.stage", ["--point", "100,50", "--not-point", "160,50"]),
    ):
        options = ("--offline", "--segmenter", "grabcut")
        assert run(monkeypatch, capsys, "prepare", photo, "-o", tmp_path / target, *more, *options)[0] == 0
    stage = Stage.load(tmp_path / "b.stage")
    assert [layer.name for layer in stage.layers] == ["subject-1", "subject-2"]
    assert stage.layer(2).mask[50, 100] == 255 and stage.layer(2).mask[50, 160] == 0
    code, said = run(
        monkeypatch, capsys, "animate", tmp_path / "b.stage", "-o", tmp_path / "c.mp4", "--box", "pink=142,32,36,36",
        "--motion", "sway@pink", *SHORT,
    )  # fmt: skip
    assert code == 0 and "subject-2: it stays, no motion is for it" in said and len(frames(tmp_path / "c.mp4")) == 4


def test_a_mask_of_labels_makes_a_layer_a_label(files, tmp_path, monkeypatch, capsys):
    options = ("-o", tmp_path / "a.stage", "--mask", f"thing={files / 'labels.png'}", "--offline")
    code, said = run(monkeypatch, capsys, "prepare", files / "photo.png", *options)
    assert code == 0 and "thing-1, thing-2, thing-3, thing-4" in said
    with zipfile.ZipFile(tmp_path / "a.stage") as archive:
        assert [one["name"] for one in json.loads(archive.read("stage.json"))["layers"]][3] == "thing-4"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["photo.png", "--mask", "a=no.png"], "no.png: no such file"),
        (["photo.png", "--box", "a=1,2,3,4", "--box", "a=1,2,3,4"], "box: expected one for each name, got two for a"),
        (["photo.png", "--not-point", "3,3"], "not just one layer has no name"),
        (["photo.png", "--not-point", "a=3,3"], "expected a mask, a box or a point of a, too"),
        (["photo.png", "--box", "a=20,30,40,40", "--pin", "3,3;4"], "pin: expected 2 numbers"),
        (["photo.png", "--box", "20,30,40,40", "--box", "80,30,40,40", "--pin", "30,50"], "pin: expected NAME=X,Y"),
        (
            ["photo.png", "--box", "a=20,30,40,40", "--box", "b=80,30,40,40", "--free", "30,50"],
            "free: expected NAME=X,Y",
        ),
        (["photo.png", "--box", "a=20,30,40,40", "--pin", "a=100,50"], "pinned: expected points on a, got 100,50"),
        (["photo.png", "--box", "1st=1,2,3,4"], "box: expected 4 numbers"),
        (["photo.png", "--box", "a=20,30,40,40", "--motion", "sway@b"], "layer 'b': expected one of a"),
        (["photo.png", "--box", "20,30,40,40", "--motion", "sway@2"], "from 1 to 1 or a layer's name, got 2"),
        (["photo.png", "--box", "20,30,40,40", "--motion", "sway@1", "--subject", "1x"], "names no layer"),
        (["bad.stage"], "bad.stage: not a stage"),
        (["none.stage"], "none.stage: no such file"),
        (["good.stage", "--size", "100"], "size: a stage has its size"),
    ],
)
def test_bad_input_gets_one_line(files, tmp_path, monkeypatch, capsys, arguments, named):
    (files / "bad.stage").write_bytes(b"PK\x03\x04 and no more")
    stage = Stage.of(cv2.imread(str(files / "photo.png"))).add("it", mask=files / "water.png")
    stage.save(files / "good.stage")
    known = {path.name for path in files.iterdir()} | {"none.stage"}
    given = [str(files / text) if text in known else text for text in arguments]
    code, said = run(monkeypatch, capsys, "animate", *given, "-o", tmp_path / "a.mp4", *SHORT)
    lines = [line for line in said.splitlines() if line.startswith("photoflow: ")]
    assert code == 2 and len(lines) == 1 and named in lines[0] and list(tmp_path.iterdir()) == []


def test_prepare_replaces_nothing_it_reads_and_names_what_is_wrong(files, tmp_path, monkeypatch, capsys):
    stage = tmp_path / "a.stage"
    Stage.of(cv2.imread(str(files / "photo.png"))).add("it", mask=files / "water.png").save(stage)
    kept = stage.read_bytes()
    code, said = run(monkeypatch, capsys, "prepare", stage, "-o", stage, "--offline")
    assert code == 2 and "would replace what is prepared" in said and stage.read_bytes() == kept
    code, said = run(monkeypatch, capsys, "prepare", files / "photo.png", "-o", tmp_path / "a.zip", "--offline")
    assert code == 2 and "expected a name that ends in .stage" in said
    plain = np.full((80, 120, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "plain.png"), plain)
    monkeypatch.chdir(tmp_path)
    code, said = run(monkeypatch, capsys, "prepare", "plain.png", "--offline", "--segmenter", "u2netp")
    if code == 0:  # where its weights are at hand
        assert "plain.stage: 120x80, no layer: nothing in the photo stands out" in said
    else:
        assert "u2netp" in said


def test_options_are_read_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.png").write_bytes(b"")
    options = LayerOptions(
        ["a=b.png", "lake=c.png"], ["1,2,3,4", "cat=5,6,7,8"], ["1,1", "cat=2,2", "3,3"], ["cat=9,9", "8,8"]
    )
    assert options.layers(["subject-1"]) == {
        "subject-2": {"mask": "a=b.png"}, "lake": {"mask": "c.png"}, "subject-3": {"box": (1, 2, 3, 4)},
        "cat": {"box": (5, 6, 7, 8), "points": [(2, 2)], "not_points": [(9, 9)]},
        "subject-4": {"points": [(1, 1), (3, 3)], "not_points": [(8, 8)]},
    }  # fmt: skip
    monkeypatch.setattr("sys.argv", ["photoflow", "--box", "cat=5,6,7,8", "--mask=lake=c.png", "--box", "1,2,3,4"])
    assert list(options.layers()) == ["cat", "lake", "subject-1", "subject-2", "subject-3"]
    assert [path.name for path in options.files] == ["a=b.png", "c.png"]
    assert LayerOptions(None, None, None, None).layers() == {}
    with pytest.raises(InputError, match="mask: expected one for each name"):
        LayerOptions(["x=1.png", "x=2.png"], None, None, None).layers()


def test_holds_go_with_the_layer_that_they_name():
    holds = {"free": ["1,2;3,4", "cat=5,6"], "pinned": ["7,8"]}
    options = LayerOptions(["cat=c.png", "b.png"], None, None, None, **holds)
    assert options.layers() == {
        "cat": {"mask": "c.png", "free": [[(5, 6)]]},
        "subject-1": {"mask": "b.png", "free": [[(1, 2), (3, 4)]], "pinned": [[(7, 8)]]},
    }  # fmt: skip
    found = LayerOptions(None, None, None, None, ["1,2"], ["subject-2=3,4"])
    assert found.layers() == {"subject-1": {"free": [[(1, 2)]]}, "subject-2": {"pinned": [[(3, 4)]]}}
    alone = LayerOptions(None, ["cat=1,2,3,4"], None, None, None, ["3,4"])
    assert alone.layers() == {"cat": {"box": (1, 2, 3, 4), "pinned": [[(3, 4)]]}}
    assert list(found.layers(["left", "right"])) == ["left", "subject-2"]


def test_what_is_pinned_stays_where_it_is(files, tmp_path, monkeypatch, capsys):
    moves = ("--motion", "translate dx=8", *SHORT)
    holds = ("--pin", "30,62;50,62", "--free", "40,36")
    options = ("--box", "20,30,40,40", *holds)
    code, _ = run(monkeypatch, capsys, "animate", files / "photo.png", "-o", tmp_path / "a", *options, *moves)
    assert code == 0
    photo = cv2.imread(str(files / "photo.png")).astype(int)
    moved = np.abs(cv2.imread(str(sorted((tmp_path / "a").iterdir())[2])).astype(int) - photo).max(axis=2)
    assert moved[34:44, 20:30].max() > 100 and moved[63:68, 20:60].max() < 40
    options = ("--box", "20,30,40,40", "--offline", "--segmenter", "grabcut", "-o", tmp_path / "a.stage")
    assert run(monkeypatch, capsys, "prepare", files / "photo.png", *options)[0] == 0
    code, _ = run(monkeypatch, capsys, "animate", tmp_path / "a.stage", "-o", tmp_path / "b", *holds, *moves)
    assert code == 0
    for one, other in zip(sorted((tmp_path / "a").iterdir()), sorted((tmp_path / "b").iterdir()), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_behind_a_photo_is_what_its_clip_shows_later(tmp_path, monkeypatch, capsys):
    wall = np.random.default_rng(3).integers(60, 200, (12, 20, 3), dtype=np.uint8)
    wall = cv2.resize(wall, (200, 120), interpolation=cv2.INTER_CUBIC)
    (tmp_path / "clip").mkdir()
    for number in range(5):
        shown = wall.copy()
        shown[40:70, 60 + 10 * number : 90 + 10 * number] = (40, 200, 230)
        cv2.imwrite(str(tmp_path / "clip" / f"{number}.png"), shown)
    mask = np.zeros((120, 200), np.uint8)
    mask[40:70, 60:90] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    said = "--behind", tmp_path / "clip", "--mask", tmp_path / "mask.png", "--offline"
    first, moves = tmp_path / "clip" / "0.png", ("--motion", "translate dx=60", "--no-loop", *SHORT[:4])

    assert run(monkeypatch, capsys, "prepare", first, "-o", tmp_path / "a.stage", *said)[0] == 0
    assert run(monkeypatch, capsys, "animate", tmp_path / "a.stage", "-o", tmp_path / "a", *moves)[0] == 0
    code, lines = run(monkeypatch, capsys, "animate", first, "-o", tmp_path / "b", *said, *moves)
    assert code == 0 and "completed behind: subject-1" in lines
    assert run(monkeypatch, capsys, "animate", first, "-o", tmp_path / "guessed", *said[2:], *moves)[0] == 0
    off = [
        np.abs(cv2.imread(str(max((tmp_path / folder).iterdir()))).astype(int) - wall)[45:65, 65:85].mean()
        for folder in ("a", "b", "guessed")
    ]
    assert max(off[:2]) < 6 < 18 < off[2]

    code, lines = run(monkeypatch, capsys, "prepare", tmp_path / "clip" / "1.png", "-o", tmp_path / "c.stage", *said)
    assert code == 2 and "expected a clip that begins with the photo" in lines and not (tmp_path / "c.stage").exists()
    (tmp_path / "clip.mp4").write_bytes(b"")
    same = "-o", tmp_path / "clip.mp4", "--behind", tmp_path / "clip.mp4"
    code, lines = run(monkeypatch, capsys, "animate", first, *same, *moves)
    assert code == 2 and "the output would replace the clip" in lines
