"""Motion files and motions from the words of a command line."""

import json

import pytest

from photoflow import motion
from photoflow.errors import InputError

SAMPLES = [
    motion.Sway(strength=0.7, base="left"), motion.Float(), motion.Breathe(), motion.Swing(pivot=(3, 4)),
    motion.Bounce(), motion.Translate(), motion.Path(points=((0, 0), (5, 6)), closed=True),
    motion.Drift(arrows=((0, 0, 5, 5),), anchors=((9, 9),)),
    motion.Spectral("plant", wind=0.7, seed=3), motion.Spectral("my clip.mp4", region=(1, 2, 30, 40), slow=2),
    motion.Poke(30, 40, -5, 6.5, at=1, like="tree"),
    motion.Sway().on(2) + 0.5 * (motion.Float() + motion.Breathe()),
]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda m: m.name)
def test_round_trip(sample, tmp_path):
    sample.save(tmp_path / "m.json")
    assert motion.load(tmp_path / "m.json") == sample
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_every_motion_is_sampled():
    assert set(motion.MOTIONS) <= {s.name for s in SAMPLES}


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
    with pytest.raises(InputError, match="cannot read the motion file"):
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
        ("dance", "unknown motion 'dance'; expected one of bounce"),
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
