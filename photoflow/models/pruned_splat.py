"""The splat generator with fewer channels than it was trained with."""

from __future__ import annotations

from pathlib import Path

from photoflow.models.channels import Layer, resized, widths_in
from photoflow.models.splat_generator import SplatGenerator
from photoflow.weights.loading import find
from photoflow.weights.state_dict import fit, read_state_dict, without_prefix

_LEVELS = 5  # of the metric's U-Net


def layers_of(network: SplatGenerator) -> list[Layer]:
    """List a splat generator's convolutions and the features between them."""
    return [*_of_metric(), *_of_painter(len(network.painter.blocks))]


def _of_metric() -> list[Layer]:
    layers = []
    for level in range(_LEVELS):
        before = f"down{level - 1}" if level else "photo and motion"
        layers += [
            Layer(f"metric.down.{level}.0.0", (before,), f"between{level}"),
            Layer(f"metric.down.{level}.1.0", (f"between{level}",), f"down{level}"),
        ]
    smaller = f"down{_LEVELS - 1}"
    for number, level in enumerate(reversed(range(_LEVELS - 1))):
        layers.append(Layer(f"metric.up.{number}.0", (smaller, f"down{level}"), f"up{level}"))
        smaller = f"up{level}"
    return [*layers, Layer("metric.last", (smaller,), "order")]


def _of_painter(blocks: int) -> list[Layer]:
    layers = [
        Layer("painter.whole.0", ("splat",), "whole"),
        Layer("painter.halved.0", ("whole",), "halved"),
        Layer("painter.quartered.0", ("halved",), "quartered"),
        Layer("painter.attention.conv1", ("flow",), "gate"),
        Layer("painter.attention.conv2", ("gate",), "quartered"),
    ]
    for block in range(blocks):
        layers += [
            Layer(f"painter.blocks.{block}.convolutions.0.0", ("quartered",), f"block{block}"),
            Layer(f"painter.blocks.{block}.convolutions.1", (f"block{block}",), "quartered"),
        ]
    return [
        *layers,
        Layer("painter.to_half.0", ("quartered",), "halved", turned=True),
        Layer("painter.to_whole.0", ("halved",), "whole", turned=True),
        Layer("painter.last", ("whole",), "change"),
    ]


class PrunedSplatGenerator(SplatGenerator):
    """A splat generator whose layers are as wide as those in the file that it loads; see `photoflow.deploy.prune`."""

    def load(self, weights: str | Path, *, offline: bool = False, accept_licence: bool = False) -> None:
        """Load weights and their widths: all of them, or none.

        Args:
            weights: a name in the registry, or a file; see `photoflow.weights.load_weights`.
            offline: never fetch.
            accept_licence: accept a licence that forbids commercial use.

        Raises:
            WeightsError: the weights cannot be had, or are those of another network.
        """
        path = find(weights, offline=offline, accept_licence=accept_licence)
        state = without_prefix(read_state_dict(path), self)
        widths = widths_in(layers_of(self), state)
        fitting = resized(self, layers_of(self), widths) if widths else self
        fit(fitting, state, path)
        self.metric, self.painter = fitting.metric, fitting.painter
