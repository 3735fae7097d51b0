"""LPIPS: how unlike two pictures look, by the features of AlexNet."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.models._contract import check_planes
from photoflow.weights.loading import load_weights

_STAGES = ((0, 2), (2, 5), (5, 8), (8, 10), (10, 12))  # AlexNet's layers up to each of its five ReLUs
_CHANNELS = (64, 192, 384, 256, 256)
_LEAST = 31  # pixels a side for which every stage has an answer
_SHIFT = (-0.030, -0.088, -0.188)  # what LPIPS takes off pictures in [-1, 1], and divides them by
_SCALE = (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Pictures as vectors whose squared distances are LPIPS.

    LPIPS weighs the squared differences of features that are brought to unit length at every pixel, and takes their
    mean over pixels; with the roots of the weights in the features it is a squared distance:

        LPIPS(a, b) = sum_l mean_p sum_c w_lc (a_lpc - b_lpc)^2 = |v(a) - v(b)|^2

    So the mean over all pairs of many pictures needs each picture once; see
    `photoflow.evaluation.portrait_scores.PairMean`.

    Args:
        backbone: AlexNet's weights, a name in the registry or a file in torchvision's layout; None leaves it untrained.
        weights: w, a name or a file as published; None: all are 1.

    Raises:
        WeightsError: the weights cannot be had, or are another network's.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, equation
        (1); version 0.1 of the published weights, of AlexNet ("lin"), which are at least 0.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: str | Path | None = None, weights: str | Path | None = None) -> None:
        super().__init__()
        self.features = _alexnet()
        if backbone is not None:
            load_weights(self, backbone, rename=_features_alone)
        self.lins = nn.ParameterList(torch.ones(channels) for channels in _CHANNELS)
        if weights is not None:
            load_weights(self.lins, weights, rename=_as_vectors)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the vectors of pictures.

        Args:
            pictures: (B, 3, H, W), RGB in [0, 1], at least 31 pixels a side. Only pictures of one size compare.

        Returns:
            (B, D) float32; D follows from the size.

        Raises:
            ValueError, TypeError: it is something else.
        """
        check_planes("LPIPS", "pictures", pictures, 3)
        if min(pictures.shape[2:]) < _LEAST:
            raise ValueError(f"LPIPS: pictures: expected at least {_LEAST} pixels a side, got {tuple(pictures.shape)}")
        seen, vectors = (2 * pictures - 1 - self.shift) / self.scale, []
        for (first, last), weights in zip(_STAGES, self.lins):
            seen = self.features[first:last](seen)
            unit = seen / (seen.norm(dim=1, keepdim=True) + 1e-10)
            share = weights.clamp(min=0) / (seen.shape[2] * seen.shape[3])
            vectors.append((unit * share.sqrt()[:, None, None]).flatten(1).float())
        return torch.cat(vectors, 1)


def _alexnet() -> nn.Sequential:
    """Return AlexNet up to its last ReLU, in torchvision's layout."""
    kernels = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # side, step and margin of each convolution
    layers: list[nn.Module] = []
    for (first, _), inputs, outputs, kernel in zip(_STAGES, (3, *_CHANNELS), _CHANNELS, kernels):
        if first in (2, 5):  # two stages begin with a pooling
            layers.append(nn.MaxPool2d(3, 2))
        layers += [nn.Conv2d(inputs, outputs, *kernel), nn.ReLU()]
    return nn.Sequential(*layers)


def _features_alone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return AlexNet's entries without its classifier's."""
    return {name: value for name, value in state.items() if not name.startswith("classifier.")}


def _as_vectors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the published 1x1 convolutions "linN.model.1.weight" as entries of the list."""
    return {name.removeprefix("lin").partition(".")[0]: value.flatten() for name, value in state.items()}
