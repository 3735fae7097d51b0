"""`photoflow portrait-data`, with stand-ins for the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import run
from portrait_stand_ins import MODELS, interrupted, picture, tree, write_pictures

from photoflow.data.portraits import defaults as chosen
from photoflow.data.portraits.models import Models

Call = Callable[..., tuple[int, str]]
SMALL = ("--least-side", 64, "--least-face", 16)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def called(command: str, *arguments: object, models: Models = MODELS) -> tuple[int, str]:
        with monkeypatch.context() as patched:
            patched.setattr(chosen, "default_models", lambda **named: models)
            return run(patched, capsys, "portrait-data", command, *arguments)

    return called


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    ada, eve = (200, 40), (120, 120)
    made = {
        "Ada/1.png": picture([(30, 10, 20, ada)]),
        "Ada/2.png": picture([(70, 10, 20, eve), (10, 20, 24, ada)]),
        "Ada/3.png": picture([(40, 10, 30, ada)]),
        "Eve/none.png": picture([]),
        "Eve/small.png": picture([], size=(60, 60)),
    }
    write_pictures(tmp_path / "in", made)
    return tmp_path / "in"


def test_all_steps_at_once_are_the_same_as_one_after_another(pictures: Path, tmp_path: Path, call: Call) -> None:
    code, said = call("all", pictures, "-o", tmp_path / "a", *SMALL)
    assert code == 0, said
    assert "Eve/small: dropped by detect: short side below 64 pixels\n" in said
    assert "detect: 5 done now; 3 passed, 2 dropped\n" in said
    assert "tag: 3 done now; 3 passed, 0 dropped; captions are parted by parser\n" in said
    assert call("detect", pictures, "-o", tmp_path / "b", *SMALL)[0] == 0
    for step in ("embed", "verify", "crop", "mask", "caption", "tag"):
        code, said = call(step, tmp_path / "b")
        assert code == 0 and said.startswith(f"{step}: 3 done now; 3 passed, 0 dropped")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert len(list((tmp_path / "b").rglob("*.png"))) == 6


def test_an_interrupted_run_ends_in_130_and_the_same_command_goes_on(
    pictures: Path, tmp_path: Path, call: Call
) -> None:
    code, said = call("all", pictures, "-o", tmp_path / "a", *SMALL, models=interrupted(MODELS, 9))
    assert code == 130 and "Traceback" not in said
    code, said = call("status", tmp_path / "a")
    assert code == 0 and "mask          1 passed      0 dropped      2 waiting\n" in said
    assert call("all", pictures, "-o", tmp_path / "a", *SMALL, models=interrupted(MODELS, 99))[0] == 0
    call("all", pictures, "-o", tmp_path / "b", *SMALL)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_status_counts_by_step_and_reason(pictures: Path, tmp_path: Path, call: Call) -> None:
    call("detect", pictures, "-o", tmp_path / "out", *SMALL)
    write_pictures(pictures, {"New/1.png": picture([(30, 10, 20, (9, 9))])})
    code, said = call("status", tmp_path / "out")
    assert code == 0 and said.splitlines() == [
        "detect        3 passed      2 dropped      1 waiting",
        "              1 no face of at least 16x16 pixels",
        "              1 short side below 64 pixels",
        "embed         0 passed      0 dropped      3 waiting",
        *(
            f"{step:8}      0 passed      0 dropped      0 waiting"
            for step in ("verify", "crop", "mask", "caption", "tag")
        ),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("detect", "none", "-o", "out"), "none: no such folder; expected one with a folder of pictures"),
        (("detect", "in", "-o", "in/out"), "expected a folder beside that of the pictures"),
        (("detect", "in", "-o", "missing/out"), "the folder"),
        (("detect", "in", "-o", "out", "--least-face", 0), "least-face: expected a number from 1"),
        (("verify", "in"), "expected a folder that photoflow portrait-data detect has begun"),
        (("status", "none"), "none: no such folder"),
        (("status", "in"), "expected a folder that photoflow portrait-data detect has begun"),
        (("verify", "in", "--cut", -1), "cut: expected a number from 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, call: Call, arguments: tuple[object, ...], said: str
) -> None:
    monkeypatch.chdir(pictures.parent)
    code, told = call(*arguments)
    assert code == 2 and said in told and len(told.splitlines()) == 1


def test_missing_weights_and_devices_are_named(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def called(*arguments: Any) -> tuple[int, str]:
        return run(monkeypatch, capsys, "portrait-data", *arguments)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    code, said = called("all", pictures, "-o", tmp_path / "out", "--offline", *SMALL)
    assert code == 2 and "photoflow weights get yunet" in said
    code, said = called("mask", tmp_path / "out", "--device", "tpu")
    assert code == 2 and "device: expected auto, cpu" in said
    code, said = called("tag", tmp_path / "out", "--parser", "none_such")
    assert code == 2 and "parser none_such: expected " in said


def test_the_help_asks_for_consent_and_licences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, "portrait-data", "--help")
    said = " ".join(said.split())
    assert code == 0 and "must have agreed to it, and the pictures' licences must allow it" in said
