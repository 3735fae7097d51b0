"""VGG-19 up to relu4_4: features in which two pictures that look alike are close."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.models._contract import check_planes

_NAME = "VGG19Features"
_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4))  # channels and number of convolutions; a pooling between two stages
_LEAST = 2 ** (len(_STAGES) - 1)
_MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as are the deviations
_DEVIATION = (0.229, 0.224, 0.225)


class VGG19Features(nn.Module):
    """The features of VGG-19 after its twelfth convolution, relu4_4.

    A measure, not something to be trained: its weights take no gradient, the picture does.

    Args:
        weights: name in the registry or file, such as torchvision's checkpoint of the whole network, of which the
            classifier and the last convolutions are left out; None leaves the network untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
    configuration E; state dict in the layout of torchvision's `vgg19`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for channels, count in _STAGES:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = channels
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)
        if weights is not None:
            from photoflow.weights.loading import load_weights

            load_weights(self, weights, rename=rename)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the features of a picture.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], both sides at least 8; normalised by ImageNet's mean and deviation
                inside.

        Returns:
            relu4_4 (B, 512, floor(H / 8), floor(W / 8)), at least 0, of the weights' dtype (autocast's under autocast).

        Raises:
            ValueError, TypeError: The image has the wrong shape or dtype.
        """
        check_planes(_NAME, "image", image, 3)
        if min(image.shape[2:]) < _LEAST:
            height, width = image.shape[2:]
            raise ValueError(f"{_NAME}: image: expected at least {_LEAST} by {_LEAST} pixels, got {height} by {width}")
        features: Tensor = self.features((image.to(self.mean.dtype) - self.mean) / self.deviation)
        return features


def rename(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the classifier and the convolutions after relu4_4 from a state dict of the whole VGG-19."""
    after = r"classifier\..*|features\.(28|30|32|34)\..*"
    return {name: value for name, value in state.items() if not re.fullmatch(after, name)}
