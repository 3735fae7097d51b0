"""Structured pruning: the channels of a splat generator that weigh least are taken out, whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from photoflow.errors import InputError
from photoflow.models.channels import Layer, State, fixed, resized, widths_in
from photoflow.models.pruned_splat import PrunedSplatGenerator, layers_of
from photoflow.models.splat_generator import SplatGenerator


def prune(network: SplatGenerator, keep: float) -> PrunedSplatGenerator:
    """Take the channels that weigh least out of a splat generator, the same share of each of its features.

    A channel weighs the L1 norm of the weights that compute it times that of the weights that read it, summed over
    all layers that do so. Nothing is trained: `photoflow train gan --set start=FILE` does that.

    Args:
        network: stays as it is.
        keep: the share of channels that stays, above 0 and at most 1; at least one of each feature does.

    Returns:
        The narrower network, in evaluation mode: it computes what `network` would with zeros in those channels.

    Raises:
        InputError: the share is out of its range, or the network is no splat generator.

    Source: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3; there the weights that compute a
    channel count alone.
    """
    if not isinstance(network, SplatGenerator):
        raise InputError(f"prune: expected a splat generator, got {type(network).__name__}")
    if not 0 < keep <= 1:
        raise InputError(f"keep: expected a share above 0 and at most 1, got {keep:g}")
    layers, state = layers_of(network), network.state_dict()
    kept = kept_channels(layers, state, keep)
    empty = PrunedSplatGenerator(1, len(network.painter.blocks)).to(network.metric.last.weight)
    sliced = _sliced(layers, state, kept)
    widths = widths_in(layers, sliced)
    assert widths is not None
    pruned = resized(empty, layers, widths)
    pruned.load_state_dict(sliced)
    return pruned.eval()


def kept_channels(layers: Sequence[Layer], state: State, keep: float) -> dict[str, Tensor]:
    """Choose the channels that stay.

    Args:
        layers: of the network.
        state: its state dict.
        keep: the share of channels.

    Returns:
        Their numbers, ascending, by the names of the features; the network's output and input keep all of theirs.
    """
    widths = widths_in(layers, state)
    assert widths is not None
    computed = {name: torch.zeros(count) for name, count in widths.items()}
    read = {name: torch.zeros(count) for name, count in widths.items()}
    for layer in layers:
        weights = (
            state[f"{layer.name}.weight"].float().cpu().abs().transpose(0, layer.axes[0])
        )  # (outputs, inputs, h, w)
        computed[layer.output] += weights.sum((1, 2, 3))
        if all(name in widths for name in layer.inputs):
            parts = weights.sum((0, 2, 3)).split([widths[name] for name in layer.inputs])
            for name, part in zip(layer.inputs, parts):
                read[name] += part
    kept = {}
    for name, count in widths.items():
        stay = count if name in fixed(layers) else max(1, round(keep * count))
        kept[name] = (computed[name] * read[name]).topk(stay).indices.sort().values
    return kept


def _sliced(layers: Sequence[Layer], state: State, kept: dict[str, Tensor]) -> State:
    """Return a state dict with the kept channels alone."""
    widths = widths_in(layers, state)
    assert widths is not None
    sliced = dict(state)
    for layer in layers:
        out, into = layer.axes
        weight, bias = (state[f"{layer.name}.{part}"] for part in ("weight", "bias"))
        weight = weight.index_select(out, kept[layer.output].to(weight.device))
        if all(name in widths for name in layer.inputs):
            starts = [sum(widths[name] for name in layer.inputs[:place]) for place in range(len(layer.inputs))]
            inputs = torch.cat([start + kept[name] for start, name in zip(starts, layer.inputs)])
            weight = weight.index_select(into, inputs.to(weight.device))
        sliced[f"{layer.name}.weight"] = weight.contiguous()
        sliced[f"{layer.name}.bias"] = bias.index_select(0, kept[layer.output].to(bias.device))
    return sliced
