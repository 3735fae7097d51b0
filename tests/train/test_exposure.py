"""Changes of light, and what only looks like one."""

from __future__ import annotations

import pytest
import torch
from squares import Squares, smooth
from torch.nn import functional

from photoflow.data import ProceduralChairs
from photoflow.train.exposure import evenly_lit


@pytest.mark.parametrize(("gain", "lift"), [(0.9, 0.02), (1.1, -0.03), (1.0, 0.03)])
def test_a_change_of_light_is_taken_back(gain: float, lift: float) -> None:
    batch = Squares((48, 64)).batch(2, 3)
    true = batch["image2"] * 0.7 + 0.15  # so that nothing is cut off
    batch |= {"image1": batch["image1"] * 0.7 + 0.15, "image2": gain * true + lift}
    assert (batch["image2"] - true).abs().mean() > 0.01
    assert (evenly_lit(batch)["image2"] - true).abs().max() < 0.003


def test_each_sample_by_itself_and_the_rest_as_it_is() -> None:
    batch = Squares((48, 64)).batch(2, 2)
    true = batch["image2"]
    batch["image2"] = torch.cat([true[:1], 0.9 * true[1:]])
    lit = evenly_lit(batch)
    assert torch.equal(lit["image2"][0], true[0]) and (lit["image2"][1] - true[1]).abs().mean() < 0.002
    assert lit.keys() == batch.keys() and lit["image1"] is batch["image1"]


def test_where_nothing_is_seen_or_known_nothing_is_done() -> None:
    batch = Squares((48, 64)).batch(2, 2)
    batch["image2"] = 0.9 * batch["image2"]
    hidden = batch | {"visible": torch.zeros_like(batch["visible"])}
    assert torch.equal(evenly_lit(hidden)["image2"], batch["image2"])
    batch.pop("visible")
    assert evenly_lit(batch) is batch


def test_a_flat_picture_gives_no_gain() -> None:
    batch = Squares((48, 64)).batch(2, 1)
    batch |= {"image1": torch.full_like(batch["image1"], 0.4), "image2": torch.full_like(batch["image2"], 0.5)}
    assert (evenly_lit(batch)["image2"] - 0.4).abs().max() < 1e-5


def test_a_flow_that_is_wrong_in_places_does_not_turn_the_line() -> None:
    batch = Squares((64, 96)).batch(3, 1)
    second = batch["image2"].clone()
    second[..., :24, :24] = smooth(24, 24, torch.Generator().manual_seed(5))  # a tenth: seen, but something else
    batch["image2"] = second
    assert torch.equal(evenly_lit(batch)["image2"], second)


def test_resampled_pictures_of_one_light_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.data.chair_scene.BRIGHTNESS", 0.0)
    batch = ProceduralChairs(size=(128, 128), seed=3).batch(0, 6)
    assert torch.equal(evenly_lit(batch)["image2"], batch["image2"])
    blurred = functional.avg_pool2d(batch["image2"], 3, 1, 1, count_include_pad=False)
    assert (evenly_lit(batch | {"image2": blurred})["image2"] - blurred).abs().mean() < 0.005
