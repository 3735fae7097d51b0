"""Configurations from texts."""

from __future__ import annotations

import dataclasses
import json

import pytest

from photoflow.errors import InputError
from photoflow.train.recipes import RECIPES, entry_of


def test_texts_set_fields_of_each_type() -> None:
    settings = {"size": "96x128", "rate": "1e-3", "batch": "3", "betas": "0.5,0.99", "precision": "float32"}
    config = entry_of("gan").configured(settings)
    assert (config.size, config.rate, config.batch) == ((96, 128), 1e-3, 3)
    assert config.betas == (0.5, 0.99) and config.precision == "float32"
    assert json.loads(config.as_json())["size"] == [96, 128]


def test_the_network_chooses_the_preset() -> None:
    presets = {name: entry_of(name).presets for name in RECIPES}
    gan, raft, interpolation, completion = (presets[name] for name in ("gan", "raft", "interpolation", "completion"))
    paper, splat = gan["paper"], entry_of("gan").configured({"network": "splat", "laplacian": "2"})
    assert (paper.adversarial, paper.pixel, paper.vgg, paper.cycle, paper.warp) == (1, 10, 10, 100, 50)
    assert (paper.penalty, paper.critic_updates, paper.betas) == (10, 5, (0, 0.9))
    assert (paper.rate, paper.last_rate, paper.batch, paper.size) == (1e-4, 1e-6, 2, (384, 512))
    assert (paper.shift, paper.ema, paper.whole, splat.whole) == (50, 0, True, False)
    assert splat == dataclasses.replace(gan["splat"], laplacian=2.0) and splat.adversarial == 0
    assert raft.keys() == {"small", "large"} and list(interpolation) == ["small", "4.26", "4.6"]
    assert list(presets["pyramid"]) == list(presets["spectral"]) == ["small", "paper"]
    paper = completion["paper"]
    assert (paper.hole, paper.valid, paper.adversarial, paper.flow) == (1, 1, 0.01, 1)
    assert (paper.rate, paper.batch, paper.size, paper.betas) == (1e-4, 8, (240, 432), (0, 0.99))
    assert (paper.local, paper.references) == (5, 3)
    small = presets["amt"]["S"]
    assert list(presets["amt"]) == ["S", "L", "G"] and (small.charbonnier, small.census, small.flow) == (1, 1, 0.002)
    assert (small.rate, small.last_rate, small.batch, small.size) == (2e-4, 2e-5, 24, (224, 224))
    assert all(preset.network == name for every in presets.values() for name, preset in every.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "gpt"}, "network: expected paper or splat or splat_small, got 'gpt'"),
        ({"colour": "1"}, "set: expected one of network, size, .*, got 'colour'"),
        ({"batch": "two"}, "batch: expected a whole number, got 'two'"),
        ({"batch": "0"}, "batch: expected at least 1, got 0"),
        ({"rate": "fast"}, "rate: expected a number, got 'fast'"),
        ({"rate": "nan"}, "rate: expected a finite number of at least 0, got nan"),
        ({"warp": "-1"}, "warp: expected a finite number of at least 0, got -1"),
        ({"size": "256"}, "size: expected HEIGHTxWIDTH, got '256'"),
        ({"size": "8x8"}, "size: expected sides of at least 16 pixels, got 8x8"),
        ({"betas": "0.5"}, "betas: expected two numbers with a comma between them, got '0.5'"),
        ({"betas": "0.9,1.5"}, "betas: expected numbers below 1, got 0.9,1.5"),
        ({"seed": str(2**63)}, "seed: expected a number below 2\\^63, got 9223372036854775808"),
        ({"ema": "1"}, "ema: expected a number below 1, got 1"),
        ({"precision": "int8"}, "precision: expected auto or bfloat16 or float16 or float32, got 'int8'"),
        ({"shift": "384"}, "shift: expected less than the shorter side, 384, got 384"),
        ({"network": "splat", "shift": "9"}, "set: expected one of .*, got 'shift'"),
        ({"network": "splat", "charbonnier": "0", "laplacian": "0"}, "expected at least one loss"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        entry_of("gan").configured(settings)


def test_amt_needs_a_size_that_is_halved_four_times_and_a_loss_of_the_frame() -> None:
    with pytest.raises(InputError, match="size: expected multiples of 16, got 224x100"):
        entry_of("amt").configured({"size": "224x100"})
    with pytest.raises(InputError, match="charbonnier, census: expected at least one with a weight above 0, got none"):
        entry_of("amt").configured({"charbonnier": "0", "census": "0"})


def test_raft_needs_an_update() -> None:
    with pytest.raises(InputError, match="updates: expected at least 1, got 0"):
        entry_of("raft").configured({"updates": "0"})


def test_an_unknown_recipe_is_refused() -> None:
    known = ("gan or raft or dis or interpolation or refined or pyramid or spectral or completion or amt or mask_rcnn "
             "or photomaker")  # fmt: skip
    with pytest.raises(InputError, match=f"train: expected {known}, got 'gpt'"):
        entry_of("gpt")
