"""Checkpoints and weights: damage, other trainings, and what the header of the weights says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from squares import Squares, run

from photoflow.errors import InputError
from photoflow.train.checkpoint import load_checkpoint, save_checkpoint
from photoflow.train.schedule import Progress

CONFIG = json.dumps({"size": [8, 8], "rate": 0.1})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "raft", CONFIG, Progress(step=3, data=["squares"]), {"x": {"w": torch.arange(500.0)}})
    return path


def refused(path: Path, recipe: str = "raft", config: str = CONFIG) -> str:
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, recipe, config)
    said = str(caught.value)
    assert "\n" not in said and str(path) in said
    return said


def test_round_trip_with_random_numbers(checkpoint: Path) -> None:
    drawn = torch.rand(3)
    torch.manual_seed(99)
    progress, states = load_checkpoint(checkpoint, "raft", CONFIG)
    assert progress == Progress(step=3, data=["squares"])
    assert torch.equal(states["x"]["w"], torch.arange(500.0))
    assert torch.equal(torch.rand(3), drawn)


def test_damage_is_said_in_one_line(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refused(checkpoint)
    place = whole.index(torch.arange(500.0).numpy().tobytes()) + 999  # torch itself would read on
    checkpoint.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
    assert "checksum" in refused(checkpoint)
    checkpoint.write_bytes(b"")
    assert "damaged" in refused(checkpoint)
    torch.save({"w": torch.zeros(3)}, checkpoint)
    assert "expected a checkpoint of a training" in refused(checkpoint)
    torch.save({"format": Path("/")}, checkpoint)  # something that would have to be run
    assert "damaged" in refused(checkpoint)


def test_another_training_is_refused(checkpoint: Path) -> None:
    assert "expected a training of gan, got one of raft" in refused(checkpoint, "gan")
    other = json.dumps({"size": [8, 16], "rate": 0.1})
    assert "expected size=8x16, got a training with size=8x8" in refused(checkpoint, config=other)


def test_a_failed_save_leaves_the_last_one(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint.read_bytes()

    def full(contents: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="the disk is full"):
        save_checkpoint(checkpoint, "raft", CONFIG, Progress(), {})
    assert checkpoint.read_bytes() == before and len(list(checkpoint.parent.iterdir())) == 1


def test_a_folder_of_another_recipe_or_configuration_is_refused(tmp_path: Path) -> None:
    run("interpolation", tmp_path, 1)
    with pytest.raises(InputError, match="expected a training of raft, got one of interpolation"):
        run("raft", tmp_path, 1)
    with pytest.raises(InputError, match=r"expected rate=0\.5, got a training with rate=0\.001"):
        run("interpolation", tmp_path, 1, rate=0.5)
    (tmp_path / "checkpoint.pt").unlink()  # the weights know it as well
    with pytest.raises(InputError, match="expected a training of raft, got one of interpolation"):
        run("raft", tmp_path, 1)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    run("interpolation", tmp_path, 1)
    contents = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    contents["states"]["average"].popitem()
    torch.save(contents, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="does not fit the network"):
        run("interpolation", tmp_path, 1)


def test_weights_say_where_they_are_from(tmp_path: Path) -> None:
    outcome = run("interpolation", tmp_path, 2)
    another = Squares((32, 32))
    another.name = "circles"
    run("interpolation", tmp_path, 1, source=another)
    with safe_open(outcome.weights, "pt") as file:
        about = file.metadata()
    progress = json.loads(about["progress"])
    assert about["network"] == 'IFNet("small")' and about["recipe"] == "interpolation"
    assert json.loads(about["config"])["size"] == [32, 32]
    assert progress["step"] == 3 and progress["seconds"] > 0 and progress["data"] == ["squares", "circles"]
    assert "CPU, torch" in about["machine"]
