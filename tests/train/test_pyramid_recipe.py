"""What the pyramid's recipe makes of a batch, with and without a flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from squares import TINY, Squares, narrow, run
from torch.testing import assert_close

from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.models.vgg import VGG19Features
from photoflow.train.losses import charbonnier, laplacian_l1, psnr
from photoflow.train.recipes import entry_of


def made(**settings: object):
    entry = entry_of("pyramid")
    config = entry.configured(TINY["pyramid"] | {key: str(value) for key, value in settings.items()})
    with narrow():
        return entry.made(config, "cpu"), Squares(config.data_size).batch(0, 2)


def losses(recipe, batch: dict[str, torch.Tensor]):
    return recipe.losses(batch, torch.Generator().manual_seed(0), 0.0)


def test_losses_are_distances_to_the_later_image() -> None:
    recipe, batch = made(laplacian=0.25)
    terms, measures = losses(recipe, batch)
    assert terms.keys() == {"charbonnier", "laplacian"} and "VGG-19 are not on this machine" in recipe.facts["vgg"]
    drawn = recipe.ships(batch["image1"], batch["flow"])
    assert_close(terms["charbonnier"], charbonnier(drawn, batch["image2"]))
    assert_close(terms["laplacian"], 0.25 * laplacian_l1(drawn, batch["image2"]))
    assert_close(measures["psnr"], psnr(drawn, batch["image2"]))
    assert recipe.network == 'PyramidGenerator("small")'
    assert recipe.picture(recipe.ships, batch).dtype == np.uint8


def test_vgg_is_used_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(VGG19Features().state_dict(), tmp_path / "vgg19.pth")
    monkeypatch.setattr("photoflow.train.losses.locate", lambda name: tmp_path / "vgg19.pth")
    recipe, batch = made()
    terms, _ = losses(recipe, batch)
    terms["vgg"].backward()
    assert terms["vgg"] > 0 and not recipe.facts
    assert recipe.ships.synthesis.last.weight.grad.abs().max() > 0


def test_one_loss_has_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.train.losses.locate", lambda name: None)
    with pytest.raises(InputError, match="expected at least one loss that counts, got none: vgg needs the weights"):
        made(charbonnier=0, laplacian=0)
    with pytest.raises(InputError, match="expected at least one loss with a weight above 0, got none"):
        made(charbonnier=0, laplacian=0, vgg=0)


def test_a_true_flow_is_taken_and_light_evened_out() -> None:
    recipe, batch = made()
    plain = losses(recipe, batch).measures["psnr"]
    darker = {**batch, "image2": 0.9 * batch["image2"]}
    assert losses(recipe, darker).measures["psnr"] > plain - 1
    del darker["visible"]  # nothing tells what both images show
    assert losses(recipe, darker).measures["psnr"] < plain - 3


def test_a_flow_that_the_data_lacks_is_measured() -> None:
    recipe, batch = made(size="96x96")
    image = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 120, 120, generator=torch.Generator().manual_seed(0)), 5, 1)
    batch = {"image1": image[..., 8:104, 8:104], "image2": image[..., 8:104, 4:100]}  # all moves to the right
    first, measured, later = recipe._pair(batch)
    assert first is batch["image1"] and later is batch["image2"]
    assert (measured[:, 0] - 4).abs().median() < 0.1 and measured[:, 1].abs().median() < 0.1
    blind = losses(recipe, batch | {"flow": torch.zeros_like(measured)}).measures["psnr"]
    assert losses(recipe, batch).measures["psnr"] > blind + 6
    middle = image[..., 8:104, 6:102]
    _, measured, later = recipe._pair(batch | {"middle": middle})
    assert later is middle and (measured[:, 0] - 2).abs().median() < 0.1


def test_learns_from_frames_of_a_folder(tmp_path: Path) -> None:
    from photoflow.data import open_source

    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
    (tmp_path / "clip").mkdir()
    for number in range(5):
        write_image(tmp_path / f"clip/{number}.png", np.roll(noise, 2 * number, 1))
    with narrow():
        outcome = run("pyramid", tmp_path / "run", 1, source=open_source(f"video:{tmp_path / 'clip'}", size=(32, 32)))
    assert outcome.progress.step == 1 and outcome.weights.is_file()
