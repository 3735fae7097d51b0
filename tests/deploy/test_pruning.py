"""Pruning: what is taken out of the splat generator is what weighs least, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from photoflow.deploy import prune
from photoflow.deploy.pruning import kept_channels
from photoflow.errors import InputError
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.networks import load_network
from photoflow.models.pruned_splat import PrunedSplatGenerator, layers_of
from photoflow.models.splat_generator import SplatGenerator
from photoflow.train.gan import GanConfig, GanRecipe
from photoflow.train.paper_gan import PaperConfig, PaperRecipe
from photoflow.weights.loading import WeightsError


@pytest.fixture(scope="module")
def network() -> SplatGenerator:
    """One with numbers everywhere: the last layers are zeros before any training."""
    torch.manual_seed(0)
    made = SplatGenerator(16, 4).eval()
    for layer in (made.metric.last, made.painter.last):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return made


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(1, 3, 48, 64), torch.ones(1, 1, 48, 64), 4 * torch.randn(1, 2, 48, 64)


def parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


@torch.no_grad()
def test_draws_as_the_whole_network_with_zeros_in_the_channels_that_went(
    network: SplatGenerator, pair: tuple[Tensor, Tensor, Tensor]
) -> None:
    layers, state = layers_of(network), {name: one.clone() for name, one in network.state_dict().items()}
    kept = kept_channels(layers, state, 0.5)
    for layer in layers:
        gone = torch.ones(len(state[f"{layer.name}.bias"]), dtype=torch.bool)
        gone[kept[layer.output]] = False
        state[f"{layer.name}.weight"].transpose(0, layer.axes[0])[gone] = 0
        state[f"{layer.name}.bias"][gone] = 0
    masked = SplatGenerator(16, 4).eval()
    masked.load_state_dict(state)
    pruned = prune(network, 0.5)
    assert parameters(pruned) < 0.3 * parameters(network)
    assert_close(pruned(*pair), masked(*pair), atol=2e-5, rtol=0)
    assert (pruned(*pair) - network(*pair)).abs().max() > 1e-3
    assert_close(prune(network, 1)(*pair), network(*pair))


def test_what_weighs_least_goes(network: SplatGenerator) -> None:
    state = {name: one.clone() for name, one in network.state_dict().items()}
    light = [3, 5, 6, 12]
    state["painter.blocks.1.convolutions.0.0.weight"][light] *= 1e-3
    state["metric.down.1.0.0.weight"][:, [3, 5]] = 0
    state["metric.up.3.0.weight"][:, [32 + 3, 32 + 5]] = 0  # what is smaller comes first, with 32 channels
    kept = kept_channels(layers_of(network), state, 60 / 64)
    assert sorted(set(range(64)) - set(kept["block1"].tolist())) == light
    assert kept["change"].tolist() == [0, 1, 2, 3] and kept["order"].tolist() == [0, 1, 2]
    kept = kept_channels(layers_of(network), state, 14 / 16)
    assert sorted(set(range(16)) - set(kept["down0"].tolist())) == [3, 5]


@torch.no_grad()
def test_is_loaded_and_trained_like_any_other(
    network: SplatGenerator, pair: tuple[Tensor, Tensor, Tensor], tmp_path: Path
) -> None:
    pruned, path = prune(network, 0.25), tmp_path / "pruned.safetensors"
    save_file(pruned.state_dict(), path)
    again = load_network("gan", path)
    assert isinstance(again, PrunedSplatGenerator) and not again.training
    assert_close(again(*pair), pruned(*pair))
    recipe = GanRecipe(GanConfig(network="splat_small", start=str(path), adversarial=0, vgg=0))
    assert parameters(recipe.ships) == parameters(pruned) and recipe.ships.training
    with pytest.raises(InputError, match="start: expected weights of network=paper, got a PrunedSplatGenerator's"):
        PaperRecipe(PaperConfig(start=str(path)))


def test_weights_that_do_not_fit_together_are_refused(network: SplatGenerator, tmp_path: Path) -> None:
    state = prune(network, 0.5).state_dict()
    state["metric.up.0.0.weight"] = state["metric.up.0.0.weight"][:, :-1].contiguous()
    save_file(state, tmp_path / "pruned.safetensors")
    with pytest.raises(WeightsError, match="should have the shape"):
        load_network("gan", tmp_path / "pruned.safetensors")


def test_bad_input_is_named(network: SplatGenerator) -> None:
    for keep in (0, 1.5, float("nan")):
        with pytest.raises(InputError, match="keep: expected a share above 0 and at most 1"):
            prune(network, keep)
    with pytest.raises(InputError, match="expected a splat generator, got FlowGuidedGenerator"):
        prune(FlowGuidedGenerator(), 0.5)  # type: ignore[arg-type]
