"""`photoflow train` from its command line."""

from __future__ import annotations

import sys
import types
from contextlib import nullcontext
from pathlib import Path

import pytest
from squares import TINY, Squares, narrow

from photoflow import cli
from photoflow.cli import train as command  # noqa: F401  (registers the command)
from photoflow.errors import InputError
from photoflow.train import loop


@pytest.fixture
def photoflow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run `photoflow train interpolation` on tiny squares: exit code and what was said."""
    chosen: dict[str, int] = {}

    def open_source(text: str, *, size: tuple[int, int], device: str, seed: int, clips: bool, whole: bool) -> Squares:
        if text == "nowhere":
            raise InputError("data: nowhere")
        assert text == "squares" and device == "cpu" and not clips and not whole
        return Squares(size, **chosen)

    monkeypatch.setitem(sys.modules, "photoflow.data", types.SimpleNamespace(open_source=open_source))

    def run(*options: object, recipe: str = "interpolation", **source: int) -> tuple[int, str]:
        chosen.clear()
        chosen.update(source)
        tiny = [option for name, value in TINY["interpolation"].items() for option in ("--set", f"{name}={value}")]
        arguments = ["photoflow", "train", recipe, "--data", "squares", "--out", tmp_path / "run", "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [*map(str, arguments), *tiny, *map(str, options)])
        with narrow(), pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), " ".join((captured.out + captured.err).split())

    return run


def test_trains_and_goes_on(photoflow, tmp_path: Path) -> None:
    code, said = photoflow("--steps", 1, "--total", 2)
    assert code == 0 and "1 steps" in said and "the same command goes on" in said
    code, said = photoflow("--steps", 1, "--total", 2)
    assert code == 0 and "going on after step 1" in said and "the training is done" in said
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"checkpoint.pt", "weights.safetensors", "log.csv", "samples"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_the_folder_may_lie_deeper_and_seeds_be_dates(photoflow, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    code, _ = photoflow("--steps", 1, "--seed", 20261121, "--out", folder)
    assert code == 0 and (folder / "weights.safetensors").is_file()


def test_a_folder_that_cannot_be_is_said_before_data_is_opened(photoflow, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = photoflow("--steps", 1, "--out", tmp_path / "file" / "run", "--data", "nowhere")
    assert code == 2 and said.startswith(f"photoflow: cannot write {tmp_path / 'file'}: it is a file")
    code, said = photoflow("--steps", 1, "--out", tmp_path / "new" / "run", "--data", "nowhere")
    assert code == 2 and said == "photoflow: data: nowhere"
    assert not (tmp_path / "new").exists()


def test_an_interrupt_before_the_first_step_names_the_folder(
    photoflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "interruptible", lambda: nullcontext(lambda: 15))
    code, said = photoflow("--steps", 5)
    assert code == 143 and said.endswith(f"{tmp_path / 'run'}: 0 steps, 0.0 min; interrupted; the same command goes on")
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_an_interrupt_saves(photoflow, tmp_path: Path) -> None:
    code, said = photoflow("--steps", 5, interrupted=1)
    assert code == 143 and "2 steps" in said and "interrupted" in said
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    code, said = photoflow("--steps", 1)
    assert code == 0 and "going on after step 2" in said


def test_nan_is_one_line_and_exit_2(photoflow) -> None:
    code, said = photoflow("--steps", 5, spoiled=1)
    assert code == 2 and "photoflow: interpolation: diverged at step 2: frame/coarse is nan" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected either --minutes or --steps"),
        (("--steps", 1, "--minutes", 1), "expected either --minutes or --steps"),
        (("--steps", 1, "--set", "rate"), "set: expected FIELD=VALUE, got 'rate'"),
        (("--steps", 1, "--set", "speed=3"), "set: expected one of network"),
        (("--steps", 1, "--set", "size=12"), "size: expected HEIGHTxWIDTH"),
    ],
)
def test_what_is_wrong_is_one_line(photoflow, options: tuple[object, ...], message: str) -> None:
    code, said = photoflow(*options)
    assert code == 2 and said.startswith("photoflow: ") and message in said


def test_torchrun_may_restart_what_has_an_end(photoflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    code, said = photoflow("--steps", 1)
    assert code == 2 and said.startswith("photoflow: total: expected it with torchrun --max-restarts")


def test_an_unknown_recipe_is_one_line(photoflow) -> None:
    code, said = photoflow("--steps", 1, recipe="gpt")
    known = ("gan or raft or dis or interpolation or refined or pyramid or spectral or completion or amt or mask_rcnn "
             "or photomaker")  # fmt: skip
    assert code == 2 and said == f"photoflow: train: expected {known}, got 'gpt'"
