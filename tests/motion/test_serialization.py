"""Motion files and motions from the words of a command line."""

import json
import os
import time
import warnings

import pytest

from photoflow import motion
from photoflow.errors import LONGEST, InputError
from photoflow.motion.motion import DEEPEST, MOST_PARTS, MOST_POINTS
from photoflow.motion.serialization import MOST_BYTES

SAMPLES = [
    motion.Sway(strength=0.7, base="left"), motion.Float(), motion.Breathe(), motion.Swing(pivot=(3, 4)),
    motion.Bounce(), motion.Translate(), motion.Path(points=((0, 0), (5, 6)), closed=True),
    motion.Drift(arrows=((0, 0, 5, 5),), anchors=((9, 9),)), motion.Drift(direction=180.0, speed=0.02),
    motion.Water(strength=0.8),
    motion.Spectral("plant", wind=0.7, seed=3), motion.Spectral("my clip.mp4", region=(1, 2, 30, 40), slow=2),
    motion.Poke(30, 40, -5, 6.5, at=1, like="tree"), motion.Camera(orbit=-0.05, handheld=0.01), motion.Auto(),
    motion.Face(blink=0.5, landmarks=((10, 10), (30.5, 10), (20, 20), (12, 30), (28, 30))),
    motion.Sway().on(2) + 0.5 * (motion.Float() + motion.Breathe()),
]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda m: m.name)
def test_round_trip(sample, tmp_path):
    sample.save(tmp_path / "m.json")
    assert motion.load(tmp_path / "m.json") == sample
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_every_motion_is_sampled():
    assert set(motion.MOTIONS) <= {s.name for s in SAMPLES}


@pytest.mark.parametrize("sample", [one for one in SAMPLES if not one.combines], ids=lambda m: m.name)
@pytest.mark.parametrize("layer", [None, 3, "cat"])
def test_words_say_the_same_motion(sample, layer):
    wanted = sample if layer is None else sample.on(layer)
    assert motion.parse(motion.words(wanted)) == wanted


def test_words_of_several_motions_are_refused():
    with pytest.raises(InputError, match="expected one motion by itself"):
        motion.words(motion.Sway() + motion.Float())


def document(**motion_values):
    return {"photoflow": "motion", "version": 1, "motion": {"type": "sway", **motion_values}}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not json", "expected a motion file in JSON"),
        ("[" * 100000, "expected a motion file in JSON"),
        ("[]", "not a motion file"),
        (json.dumps({**document(), "version": 2}), "version 2; this photoflow reads version 1"),
        (json.dumps(document(strength=float("nan"))), "strength expects a number from 0 to 2, got nan"),
        (json.dumps(document(strength="much")), "strength expects a number"),
        (json.dumps(document(speed=1)), "unknown parameter 'speed'; it has strength, period, base"),
        (json.dumps({**document(), "motion": {"type": "fly"}}), "unknown motion 'fly'"),
        (json.dumps({**document(), "motion": {"type": "path"}}), "'points' is missing"),
        (json.dumps({**document(), "motion": {"type": "sum", "motions": 3}}), "motions expects a list"),
        (json.dumps({**document(), "motion": None}), "unknown motion None"),
        (json.dumps({**document(), "motion": {"type": ["sway"]}}), "unknown motion"),
        (json.dumps({**document(), "motion": {"type": "path", "points": [[0, 0], [1e6, 0]]}}), "to 100000, got"),
        (json.dumps({**document(), "motion": {"type": "path", "points": [[0, 0], [10**400, 0]]}}), "to 100000, got"),
    ],
)
def test_bad_files_are_refused_in_one_line(text, named, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(InputError, match=named) as caught:
        motion.load(path)
    assert "\n" not in str(caught.value)[:-1]


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such file"):
        motion.load(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"no/m\.json"):
        motion.Sway().save(tmp_path / "no" / "m.json")
    with pytest.raises(InputError, match=r"end in \.json"):
        motion.Sway().save(tmp_path / "photo.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.json"
    motion.Float().save(path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="disk"):
        motion.Sway().save(path)
    assert motion.load(path) == motion.Float() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sway", motion.Sway()),
        ("float strength=1 period=3", motion.Float(1, 3)),
        ("swing pivot=10,20", motion.Swing(pivot=(10, 20))),
        ("path points=0,0;4,5 closed=true", motion.Path(((0, 0), (4, 5)), True)),
        ("drift arrows=0,0,5,5 anchors=1,1;2,2", motion.Drift(((0, 0, 5, 5),), ((1, 1), (2, 2)))),
        ("drift direction=90 speed=0.02", motion.Drift(direction=90.0, speed=0.02)),
        ("water@lake strength=1", motion.Water(strength=1).on("lake")),
        ("breathe@3", motion.Breathe().on(3)),
        ("spectral:plant wind=0.7", motion.Spectral("plant", wind=0.7)),
        ("spectral:plant@2", motion.Spectral("plant").on(2)),
        ("spectral:a@home.mp4 slow=2", motion.Spectral("a@home.mp4", slow=2)),
        ("spectral:'my clip.mp4' region=1,2,30,40", motion.Spectral("my clip.mp4", region=(1, 2, 30, 40))),
        ("spectral@2 source=1.mp4", motion.Spectral("1.mp4").on(2)),
    ],
)
def test_parse(text, expected):
    assert motion.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "unknown motion ''"),
        ("dance", "unknown motion 'dance'; expected one of auto, bounce"),
        ("sway strength", "expected PARAMETER=VALUE"),
        ("sway@2x", "number or name after @"),
        ("sway strength=abc", "strength expects a number"),
        ("path points=0,0", "at least 2 group"),
        ("sway:plant", "sway: unknown parameter 'source'"),
        ("spectral", "'source' is missing"),
        ("spectral:'a", "closing quote"),
    ],
)
def test_parse_errors(text, named):
    with pytest.raises(InputError, match=named):
        motion.parse(text)


def refused(call, named, seconds=2.0):
    """Assert that a call raises an InputError of one short line that has `named` in it, soon and without a warning."""
    begun = time.perf_counter()
    with warnings.catch_warnings(), pytest.raises(InputError) as caught:
        warnings.simplefilter("error")
        call()
    said = str(caught.value)
    assert named in said and said.isprintable() and len(said) <= LONGEST and time.perf_counter() - begun < seconds
    return said


def nested(depth):
    values = {"type": "sway"}
    for _ in range(depth - 1):
        values = {"type": "scaled", "factor": 1, "motion": values}
    return values


def several(count):
    return {"type": "sum", "motions": [{"type": "sway"}] * count}


WORDS = [
    ("sway strength=" + "9" * 5000, "strength expects a number from 0 to 2, got inf"),
    ("sway strength=1e999", "got inf"),
    ("sway strength=nan", "got nan"),
    ("sway strength=٣", "got '٣'"),
    ("sway strength=1_0", "got '1_0'"),
    ("sway strength=1 strength=2", "expected strength once"),
    ("spectral:plant source=tree", "expected source once"),
    ("sway base=1,2", "base expects one of bottom"),
    ("breathe@٣", "number or name after @, got '٣'"),
    ("breathe@" + "9" * 5000, "number or name after @"),
    ("breathe@0", "number or name after @"),
    ("x.json@" + "9" * 5000, "number or name after @"),
    ("spectral:a.mp4 region=1,2,3,1e999", "region expects x, y, width and height"),
    ("path points=" + "0,0;" * MOST_POINTS + "1,1", "at most 10000 groups"),
    ("path points='1,2;" + "3," * 100_000 + "4'", "at least 2 group(s) of 2 numbers"),
    ("drift arrows=" + "0,0,1,1;" * MOST_POINTS + "0,0,1,1", "at most 10000 groups"),
    ("sway " * MOST_BYTES, "characters"),
    ("sway strength=" + "x" * 5000, "strength expects a number"),
    ("d" * 5000, "unknown motion"),
    ("'da\nnce'", "unknown motion"),
    ("\ud800", "unknown motion"),
    ("\ud800.json", ".json: cannot be read"),
    ("\0.json", ".json: cannot be read"),
    ("'" + "y" * 5000, "closing quote"),
]


@pytest.mark.parametrize(("text", "named"), WORDS, ids=range(len(WORDS)))
def test_words_of_any_kind_are_refused_in_one_short_line(text, named):
    refused(lambda: motion.parse(text), named)


def of(**values):
    return {**document(), "motion": values}


DOCUMENTS = [
    (of(**nested(DEEPEST + 1)), "at most 32 deep"),
    (of(**nested(400)), "at most 32 deep"),
    (of(**several(MOST_PARTS)), "at most 1000 parts"),
    (of(type="sum", motions=[several(50)] * 50), "at most 1000 parts"),
    (of(type="path", points=[[0, 0], ["1", "2"]]), "numbers from"),
    (of(type="path", points=["12", "34"]), "numbers from"),
    (of(type="path", points=[[0, 0], [True, False]]), "numbers from"),
    (of(type="path", points=[[0, 0], None]), "numbers from"),
    (of(type="path", points={"a": 1}), "numbers from"),
    (of(type="path", points=[[0, 0]] * (MOST_POINTS + 1)), "at most 10000 groups"),
    (of(type="spectral", source="a.mp4", region="1234"), "region expects"),
    (of(type="spectral", source="a.mp4", region=[0, 0, 5, {}]), "region expects"),
    (of(type="spectral", source=["plant"]), "source expects"),
    (of(type="spectral", source="x" * 5000), "source expects"),
    (of(type="sway", base=["bottom"]), "base expects"),
    (of(type="swing", pivot={"x": 1}), "pivot expects"),
    (of(type="scaled", factor=[2], motion={"type": "sway"}), "factor expects"),
    (of(type="on", subject=True, motion={"type": "sway"}), "subject's number"),
    (of(type="on", subject=10**12, motion={"type": "sway"}), "subject's number"),
    (of(type="sway", **{"z" * 5000: 1}), "unknown parameter"),
    ({**document(), "version": True}, "version True"),
    ({**document(), "version": ["x" * 5000] * 50}, "version"),
]


@pytest.mark.parametrize(("values", "named"), DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_documents_of_any_kind_are_refused_in_one_short_line(values, named, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(values))
    refused(lambda: motion.load(tmp_path / "m.json"), named)


STRENGTH = json.dumps(document(strength=7))
BYTES = [
    (STRENGTH.replace("7", "9" * 5000).encode(), "strength expects a number"),
    (STRENGTH.replace("7", "1e999").encode(), "got inf"),
    (STRENGTH.replace("7", "[" * 900 + "]" * 900).encode(), "strength expects a number"),
    (b'{"photoflow": "motion", "photoflow": "motion"}', "every name once"),
    (b"\xff\xfe", "expected a motion file in JSON"),
    (b'{"photoflow": "\xed\xa0\x80"}', "expected a motion file in JSON"),
    (b"\xef\xbb\xbf{}", "expected a motion file in JSON"),
    (b" " * (MOST_BYTES + 1), "more than 1 MiB"),
    (b"", "expected a motion file in JSON"),
]


@pytest.mark.parametrize(("data", "named"), BYTES, ids=range(len(BYTES)))
def test_bytes_of_any_kind_are_refused_in_one_short_line(data, named, tmp_path):
    (tmp_path / "m.json").write_bytes(data)
    refused(lambda: motion.load(tmp_path / "m.json"), named)


def test_files_without_an_end_or_a_writer(tmp_path, monkeypatch):
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    refused(lambda: motion.load(tmp_path / "zero.json"), "more than 1 MiB")
    monkeypatch.setattr("photoflow.io.reading._PATIENCE", 0.1)
    os.mkfifo(tmp_path / "pipe.json")
    refused(lambda: motion.load(tmp_path / "pipe.json"), "no one writes to the pipe")


def test_the_largest_that_are_read(tmp_path):
    for values in (nested(DEEPEST), several(MOST_PARTS - 1)):
        one = motion.from_dict(values)
        one.save(tmp_path / "m.json")
        assert motion.load(tmp_path / "m.json") == one
    points = [(i % 7, i % 5) for i in range(MOST_POINTS)]
    motion.Path(points).save(tmp_path / "m.json")
    assert motion.load(tmp_path / "m.json").points[-1] == points[-1]


def test_a_long_sum_is_not_deep(tmp_path):
    total = motion.Sway()
    for _ in range(100):
        total = total + motion.Float()
    total.save(tmp_path / "m.json")
    assert motion.load(tmp_path / "m.json") == total and len(total.motions) == 101


def test_objects_out_of_range():
    deep = motion.Sway()

    def grow():
        nonlocal deep
        for _ in range(DEEPEST):
            deep = 0.5 * deep

    refused(grow, "at most 32 deep")
    refused(lambda: 10**400 * motion.Sway(), "factor expects")
    refused(lambda: motion.Sway(strength=10**5000), "strength expects")
    refused(lambda: motion.Sway().on(10**5000), "subject's number")
    refused(lambda: motion.from_dict({"type": "sway", 1: 2, "a": 3}), "unknown parameter 1")
    refused(lambda: motion.from_dict({"type": "scaled", "factor": 1, "motion": 3}), "unknown motion 3")
    refused(lambda: type(0.5 * motion.Sway())(0.5, "sway"), "expected a motion")
    endless = {"type": "scaled", "factor": 1}
    endless["motion"] = endless
    refused(lambda: motion.from_dict(endless), "at most 32 deep")
