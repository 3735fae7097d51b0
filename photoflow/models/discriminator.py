"""The conditional PatchGAN discriminator: how real each patch of a drawn frame looks, given photo and motion."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.models._contract import InstanceNorm, check_planes
from photoflow.models.generator import FLOW_UNIT

_NAME = "PatchDiscriminator"
_CHANNELS = 12  # image 3, flow 2, warped 3, occlusion 1, candidate 3
_LEAST = 24  # what leaves one score


def _normed(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 4, stride, padding=1, bias=False)  # the norm takes a bias away
    return nn.Sequential(convolution, InstanceNorm(outputs), nn.LeakyReLU(0.2, inplace=True))


class PatchDiscriminator(nn.Module):
    """Scores every 70 by 70 patch of a frame by five 4 by 4 convolutions.

        layer                                     output for 256 x 256     parameters
        stride 2, LeakyReLU                       64,  128, 128            12 * 64 * 16 + 64 =    12 352
        stride 2, InstanceNorm, LeakyReLU         128, 64,  64             64 * 128 * 16     =   131 072
        stride 2, InstanceNorm, LeakyReLU         256, 32,  32             128 * 256 * 16    =   524 288
        stride 1, InstanceNorm, LeakyReLU         512, 31,  31             256 * 512 * 16    = 2 097 152
        stride 1                                  1,   30,  30             512 * 16 + 1      =     8 193

    Together 2 773 057. A score is a Wasserstein critic's, without a bound: higher is more real. Its gradient with
    respect to the candidate can itself be differentiated, as a gradient penalty needs, and no norm mixes images.

    Args:
        weights: name in the registry or file; None leaves the network untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: photo animation by an explicit flow blueprint, the executor's discriminator; Isola et al., "Image-to-image
    translation with conditional adversarial networks", CVPR 2017, for the patches and the slope of 0.2.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(_CHANNELS, 64, 4, 2, padding=1), nn.LeakyReLU(0.2, inplace=True)),
            _normed(64, 128, stride=2),
            _normed(128, 256, stride=2),
            _normed(256, 512, stride=1),
            nn.Conv2d(512, 1, 4, 1, padding=1),
        )
        if weights is not None:
            from photoflow.weights.loading import load_weights

            load_weights(self, weights)

    def forward(self, image: Tensor, flow: Tensor, warped: Tensor, occlusion: Tensor, candidate: Tensor) -> Tensor:
        """Score a frame beside what it was drawn from.

        Args:
            image: The photo (B, 3, H, W), RGB in [0, 1], both sides at least 24. Inside, images are in [-1, 1].
            flow: Where its pixels go (B, 2, H, W), pixels, x right, then y down; seen in units of 64 pixels
                (`generator.FLOW_UNIT`), as by the generator.
            warped: The photo moved along the flow (B, 3, H, W), RGB in [0, 1].
            occlusion: 1 where the moved photo shows nothing of the photo (B, 1, H, W), in [0, 1].
            candidate: The frame, real or drawn (B, 3, H, W), RGB in [0, 1].

        Returns:
            Scores (B, 1, h, w) of the weights' dtype (autocast's under autocast); h = floor(H / 8) - 2, w likewise.

        Raises:
            ValueError, TypeError: An argument has the wrong shape or dtype.
        """
        check_planes(_NAME, "image", image, 3)
        check_planes(_NAME, "flow", flow, 2, beside=image)
        check_planes(_NAME, "warped", warped, 3, beside=image)
        check_planes(_NAME, "occlusion", occlusion, 1, beside=image)
        check_planes(_NAME, "candidate", candidate, 3, beside=image)
        if min(image.shape[2:]) < _LEAST:
            height, width = image.shape[2:]
            raise ValueError(f"{_NAME}: image: expected at least {_LEAST} by {_LEAST} pixels, got {height} by {width}")
        planes = [2 * image - 1, flow.float() / FLOW_UNIT, 2 * warped - 1, occlusion, 2 * candidate - 1]
        scores: Tensor = self.layers(torch.cat(planes, 1).to(next(self.parameters()).dtype))
        return scores
