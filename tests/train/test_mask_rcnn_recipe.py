"""Fine-tuning Mask R-CNN: its losses fall, it goes on to the bit, and the segmenter takes what was learned."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torchvision.models.detection import faster_rcnn

from photoflow.data import open_source
from photoflow.data.things import Things
from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.models import mask_rcnn as models
from photoflow.models.mask_rcnn import MaskRCNN, begin_from, coco_classes, make_network
from photoflow.segment import Segmenter
from photoflow.train import log, mask_rcnn
from photoflow.train.loop import Outcome, train
from photoflow.train.mask_rcnn import FROM_NOTHING, _target
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

ENTRY = entry_of("mask_rcnn")
TINY = {"network": "v1", "size": "64x64", "batch": "1", "rate": "5e-3", "clip": "5", "warmup": "0"}


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """The paper's network, but with a ResNet-18 and a narrow head, and no weights to begin from."""
    head, predictor = faster_rcnn.TwoMLPHead, faster_rcnn.FastRCNNPredictor
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faster_rcnn, "TwoMLPHead", lambda inputs, width: head(inputs, 64))
        patch.setattr(faster_rcnn, "FastRCNNPredictor", lambda width, classes: predictor(64, classes))
        patch.setattr(log, "_EVERY_STEPS", 1)
        patch.setattr(models, "_BACKBONE", "resnet18")
        patch.setattr(mask_rcnn, "locate", lambda name: None)
        yield


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of a bright disc on noise, in folders of two classes."""
    folder = tmp_path_factory.mktemp("discs")
    chance = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for number, kind in enumerate(("moon", "sun")):
        (folder / "masks" / kind).mkdir(parents=True)
        (folder / "images").mkdir(exist_ok=True)
        inside = (x - 26 - 8 * number) ** 2 + (y - 32) ** 2 < 18**2
        picture = chance.integers(0, 90, (64, 64, 3)).astype(np.uint8)
        picture[inside] = (240, 240 - 200 * number, 40)
        write_image(folder / "images" / f"{kind}.png", picture)
        write_image(folder / "masks" / kind / f"{kind}.png", inside.astype(np.uint8) * 255)
    return folder


def made(source: Things) -> Any:
    """The recipe, which looks at few places."""
    recipe: Any = ENTRY.made(ENTRY.configured(TINY).for_data([source]), "cpu")
    recipe.ships.rpn._pre_nms_top_n = recipe.ships.rpn._post_nms_top_n = {"training": 40, "testing": 40}
    recipe.ships.roi_heads.fg_bg_sampler.batch_size_per_image = 16
    return recipe


def run(source: Things, folder: Path, steps: int, console: Console | None = None) -> Outcome:
    return train(made(source), source, folder, Plan(steps=steps, total=6), console or Console(quiet=True))


def source_of(folder: Path) -> Things:
    source = open_source(f"masks:{folder}", size=(64, 64))
    assert isinstance(source, Things)
    return source


def test_the_losses_fall_and_it_goes_on_to_the_bit(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_of(discs)
    straight = run(source, tmp_path / "straight", 6, Console(width=200))
    assert FROM_NOTHING in capsys.readouterr().out
    with open(tmp_path / "straight" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = ("classes", "boxes", "masks", "proposals", "proposed_boxes")
    totals = [sum(float(row[f"things/{name}"]) for name in losses) for row in rows]
    assert len(totals) == 6 and sum(totals[-2:]) < 0.7 * sum(totals[:2])

    run(source, tmp_path / "twice", 4)
    torch.manual_seed(5)  # torch's own generator decides nothing
    twice = run(source, tmp_path / "twice", 2)
    assert straight.done and twice.done
    ours, theirs = load_file(straight.weights), load_file(twice.weights)
    assert ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())

    network = MaskRCNN(straight.weights, min_score=0.0)
    network._network.transform.min_size = (64,)
    found = network(np.zeros((48, 64, 3), np.uint8))
    assert found.labels and set(found.labels) <= {"moon", "sun"} and found.masks.shape[1:] == (48, 64)
    with mock.patch.object(models, "MaskRCNN", lambda path, device: lambda rgb: path):
        segmenter = Segmenter(method=str(straight.weights), offline=True)
        assert segmenter._instances(np.zeros((48, 64, 3), np.uint8)) == straight.weights


def test_what_torchvision_is_told() -> None:
    masks = torch.zeros(3, 20, 30, dtype=torch.uint8)
    masks[0, 5:9, 10:17] = masks[1, 0, 0] = 1
    target = _target(masks, torch.tensor([2, 1, 0]))
    assert target["boxes"].tolist() == [[10, 5, 17, 9], [0, 0, 1, 1]]
    assert target["labels"].tolist() == [2, 1] and target["masks"].shape == (2, 20, 30)
    nothing = _target(masks[:0], torch.zeros(0, dtype=torch.int64))
    assert nothing["boxes"].shape == (0, 4)


def test_it_begins_from_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    published = make_network("v1", 91)
    torch.save(published.state_dict(), tmp_path / "coco.pth")
    network = make_network("v1", 3)
    own = {name: value.clone() for name, value in network.state_dict().items()}
    begin_from(network, "v1", ["__background__", "dog", "zeppelin"], tmp_path / "coco.pth")
    theirs, now, dog = published.state_dict(), network.state_dict(), coco_classes().index("dog")
    name = "roi_heads.mask_predictor.mask_fcn_logits.weight"
    assert torch.equal(now[name][1], theirs[name][dog]) and torch.equal(now[name][2], own[name][2])
    name = "roi_heads.box_predictor.bbox_pred.weight"
    assert torch.equal(now[name][4:8], theirs[name][4 * dog : 4 * dog + 4])
    assert torch.equal(now[name][8:], own[name][8:])
    for name, value in now.items():
        assert "predictor" in name or torch.equal(value, theirs[name]), name
    monkeypatch.setattr(mask_rcnn, "locate", lambda name: tmp_path / "coco.pth")
    recipe = ENTRY.made(ENTRY.configured(TINY | {"classes": "dog"}), "cpu")
    assert not recipe.facts


def test_other_data_is_refused(discs: Path, tmp_path: Path) -> None:
    config = ENTRY.configured(TINY)
    with pytest.raises(InputError, match="expected masks:FOLDER or coco:FILE\\[:FOLDER\\], got procedural chairs"):
        config.for_data([open_source("procedural", size=(64, 64))])
    source = source_of(discs)
    other = Things("other", ["comet"], source._pictures, (64, 64))
    with pytest.raises(InputError, match="data: expected the classes moon,sun, got comet"):
        config.for_data([source, other])
    with pytest.raises(InputError, match="names of classes without commas"):
        config.for_data([Things("other", ["a,b"], source._pictures, (64, 64))])
    with pytest.raises(InputError, match="classes: expected at least one name, got none"):
        ENTRY.made(config, "cpu")
