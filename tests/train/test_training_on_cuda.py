"""A training step of every recipe on the GPU, in each precision, and going on from its checkpoint."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from priors import swaying, tiny
from rich.console import Console
from squares import TINY, Squares, narrow

from photoflow.train import log, spectral
from photoflow.train.distributed import Ranks
from photoflow.train.loop import Outcome, train
from photoflow.train.recipe import Recipe
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

VOLUMES = {"size": "16x24", "batch": "2", "warmup": "0", "rate": "1e-3"}
STAGES = ("vae", "slice", "coordinated", "calibrated")


class Swaying:
    """Batches of a swaying stripe."""

    name = "stripes"

    def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
        return swaying(count, seed=number)

    def volumes(self) -> Iterator[torch.Tensor]:
        yield swaying(4)["volume"]


class Things:
    """Batches of a bright square, a thing, on black."""

    name = "things"

    def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
        things = torch.zeros(count, 1, 64, 64, dtype=torch.uint8)
        things[..., 10:50, 20:60] = 1
        return {"image": things.expand(-1, 3, -1, -1).float(), "things": things, "classes": torch.ones(count, 1).long()}


def step(recipe: Recipe, source: Squares | Swaying | Things, folder: Path, gpu: str) -> Outcome:
    """Train a step, or another one, and check what is left in the folder."""
    outcome = train(recipe, source, folder, Plan(steps=1), Console(quiet=True), Ranks(device=gpu))
    with open(folder / "log.csv", newline="") as file:
        values = [(name, float(value)) for row in csv.DictReader(file) for name, value in row.items()]
    # A gradient in float16 may be too large at first: the step is left out, and its scale gets smaller.
    may_overflow = recipe.config.precision == "float16"
    assert len(values) > 4 and all(
        math.isfinite(value) or (may_overflow and name.endswith("/gradient")) for name, value in values
    )
    assert all(parameter.device.type == gpu for parameter in recipe.ships.parameters())
    return outcome


@pytest.fixture(autouse=True)
def _every_step_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_EVERY_STEPS", 1)
    monkeypatch.setattr(spectral, "_SHOWN_STEPS", 2)
    monkeypatch.setattr(spectral, "_DRAWN_STEPS", 3)


@pytest.mark.parametrize("precision", ["auto", "float32", "float16"])
@pytest.mark.parametrize("name", TINY)
def test_a_step_and_another_after_it(name: str, precision: str, gpu: str, tmp_path: Path) -> None:
    entry = entry_of(name)
    config = entry.configured(TINY[name] | {"precision": precision})
    for number in (1, 2):
        with narrow():
            recipe = entry.made(config, gpu)
        before = [parameter.clone() for parameter in recipe.ships.parameters()]
        outcome = step(recipe, Squares(config.data_size), tmp_path, gpu)
        assert outcome.progress.step == number
        moved = [not torch.equal(*both) for both in zip(before, recipe.ships.parameters())]
        assert any(moved) or precision == "float16"


def test_each_stage_of_the_prior_and_another_step_after_it(gpu: str, tmp_path: Path) -> None:
    begin: dict[str, str] = {}
    for stage in STAGES:
        for number in (1, 2):
            entry = entry_of("spectral")
            with tiny():
                recipe = entry.made(entry.configured(VOLUMES | begin | {"stage": stage}), gpu)
            outcome = step(recipe, Swaying(), tmp_path / stage, gpu)
            assert outcome.progress.step == number
        begin = {"begin": str(outcome.weights)}


def test_a_step_of_mask_rcnn_and_another_after_it(gpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.models.mask_rcnn._BACKBONE", "resnet18")
    monkeypatch.setattr("photoflow.train.mask_rcnn.locate", lambda name: None)
    entry = entry_of("mask_rcnn")
    settings = {"network": "v1", "size": "64x64", "batch": "1", "clip": "5", "classes": "square"}
    for number in (1, 2):
        outcome = step(entry.made(entry.configured(settings), gpu), Things(), tmp_path, gpu)
        assert outcome.progress.step == number
