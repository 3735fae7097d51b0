"""Channels that convolutions of a network share, so that they are taken out of all of them together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

State = dict[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


class Layer(NamedTuple):
    """A convolution by its place among the features of a network.

    Args:
        name: of the `nn.Conv2d` or `nn.ConvTranspose2d` in the network.
        inputs: names of the features that it sees, one after another along its input's channels.
        output: name of the features that it computes. Several layers may compute the same: their sum or product.
        turned: whether it is a transposed convolution, whose weights have inputs before outputs.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    turned: bool = False

    @property
    def axes(self) -> tuple[int, int]:
        """Return the axes of its weights that count outputs and inputs."""
        return (1, 0) if self.turned else (0, 1)


def fixed(layers: Sequence[Layer]) -> set[str]:
    """Return the features that are the network's input or output, whose channels are what they are."""
    made, seen = {layer.output for layer in layers}, {name for layer in layers for name in layer.inputs}
    return made ^ seen


def widths_in(layers: Sequence[Layer], state: Mapping[str, Tensor]) -> dict[str, int] | None:
    """Read how many channels each of a network's features has in a state dict.

    Args:
        layers: of the network.
        state: of a network with these layers, or of another one.

    Returns:
        The number of channels by the features' names, without those of the input; None: the state dict belongs to
        another network, or its layers do not fit together.
    """
    if any(f"{layer.name}.weight" not in state or state[f"{layer.name}.weight"].dim() != 4 for layer in layers):
        return None
    shapes = {layer.name: state[f"{layer.name}.weight"].shape for layer in layers}
    widths = {layer.output: int(shapes[layer.name][layer.axes[0]]) for layer in layers}
    for layer in layers:
        out, into = (int(shapes[layer.name][axis]) for axis in layer.axes)
        if out != widths[layer.output] or out == 0:
            return None
        if all(name in widths for name in layer.inputs) and into != sum(widths[name] for name in layer.inputs):
            return None
    return widths


def resized(network: Network, layers: Sequence[Layer], widths: Mapping[str, int]) -> Network:
    """Copy a network with other numbers of channels; the weights of its convolutions are new.

    Args:
        network: stays as it is.
        layers: all of its convolutions.
        widths: the channels of its features, but for those of the input, which stay as they are.
    """
    copied = copy.deepcopy(network)
    for layer in layers:
        old: Any = copied.get_submodule(layer.name)
        known = all(name in widths for name in layer.inputs)
        inputs = sum(widths[name] for name in layer.inputs) if known else old.in_channels
        new = type(old)(inputs, widths[layer.output], old.kernel_size, old.stride, old.padding)
        parent, _, name = layer.name.rpartition(".")
        setattr(copied.get_submodule(parent), name, new.to(old.weight))
    return copied
