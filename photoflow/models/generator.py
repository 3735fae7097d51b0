"""The flow-guided generator: the next frame of a photo, from the photo and the motion it is to make."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.models._contract import InstanceNorm, check_planes, cropped, margins_to, padded
from photoflow.ops import flow_attention
from photoflow.weights import Loadable

FLOW_UNIT = 64.0
"""Pixels of motion that the generator and the discriminator see as 1. They learn from moves of up to 50 pixels along
each axis, which so lie within [-1, 1] beside the other planes."""

_NAME = "FlowGuidedGenerator"
_CHANNELS = 10  # image 3, mask 1, flow 2, warped 3, occlusion 1
_WIDTH = 64
_BLOCKS = 6
_FACTOR = 4  # by which the features are smaller than the image
_LEAST = 2 * _FACTOR  # an instance norm needs more than one pixel


def _normed(convolution: nn.Module, channels: int) -> nn.Sequential:
    """Make a sequence of a convolution, an instance norm and a ReLU; before the norm a bias is not needed."""
    return nn.Sequential(convolution, InstanceNorm(channels), nn.ReLU(inplace=True))


class FlowAttention(nn.Module):
    """Features weighed by a gate from the flow: two 3 by 3 convolutions, with a ReLU between them, and a sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor, flow: Tensor) -> Tensor:
        first, second = self.conv1, self.conv2
        assert first.bias is not None and second.bias is not None
        return flow_attention(features, flow, first.weight, first.bias, second.weight, second.bias)


class ResidualBlock(nn.Module):
    """Two 3 by 3 convolutions with instance norms and a ReLU between them, added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _normed(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            InstanceNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.convolutions(x)
        return change.add_(x)


class FlowGuidedGenerator(Loadable, nn.Module):
    """Draws the photo after a motion: encoder, flow attention at a quarter of the size, six residual blocks, decoder.

        layer                                        output             parameters
        7x7, reflected                               64,  H,   W         10 * 64 * 49      =    31 360
        3x3, stride 2                                128, H/2, W/2       64 * 128 * 9      =    73 728
        3x3, stride 2                                256, H/4, W/4       128 * 256 * 9     =   294 912
        flow attention 3x3, 3x3 from the flow        256, H/4, W/4       4 864 + 590 080   =   594 944
        6 residual blocks of 3x3, 3x3                256, H/4, W/4       12 * 256 * 256 * 9 = 7 077 888
        3x3 transposed, stride 2                     128, H/2, W/2       256 * 128 * 9     =   294 912
        3x3 transposed, stride 2                     64,  H,   W         128 * 64 * 9      =    73 728
        7x7, reflected, Tanh                         3,   H,   W         64 * 3 * 49 + 3   =     9 411

    Together 8 450 883, the paper's 8.45 M. It comes out with 256 channels between the two convolutions of the
    attention; instance norms have no parameters, and convolutions before one have no bias, which it would take away.

    Args:
        weights: name in the registry or file; None leaves the network untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: photo animation by an explicit flow blueprint, the executor's generator. Left open there: every convolution
    but the last of the decoder has an instance norm and a ReLU, the 3 by 3 ones pad with zeros.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        wide, wider = 2 * _WIDTH, 4 * _WIDTH
        self.encoder = nn.Sequential(
            _normed(nn.Conv2d(_CHANNELS, _WIDTH, 7, padding=3, padding_mode="reflect", bias=False), _WIDTH),
            _normed(nn.Conv2d(_WIDTH, wide, 3, stride=2, padding=1, bias=False), wide),
            _normed(nn.Conv2d(wide, wider, 3, stride=2, padding=1, bias=False), wider),
        )
        self.attention = FlowAttention(wider)
        self.blocks = nn.Sequential(*(ResidualBlock(wider) for _ in range(_BLOCKS)))
        self.decoder = nn.Sequential(
            _normed(nn.ConvTranspose2d(wider, wide, 3, 2, padding=1, output_padding=1, bias=False), wide),
            _normed(nn.ConvTranspose2d(wide, _WIDTH, 3, 2, padding=1, output_padding=1, bias=False), _WIDTH),
            nn.Conv2d(_WIDTH, 3, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )
        if weights is not None:
            self.load(weights)

    def forward(self, image: Tensor, mask: Tensor, flow: Tensor, warped: Tensor, occlusion: Tensor) -> Tensor:
        """Draw the image after the motion.

        Sizes are free: inside, borders are repeated until both sides are a multiple of 4 and at least 8. Images are
        in [0, 1] outside; inside they are in [-1, 1], the range of the Tanh that ends the network.

        Args:
            image: The photo (B, 3, H, W), RGB in [0, 1].
            mask: Its subject (B, 1, H, W) in [0, 1].
            flow: Where its pixels go (B, 2, H, W), pixels, x right, then y down. The convolutions see it in units of
                `FLOW_UNIT` pixels of the image, at full size and in the attention alike.
            warped: The photo moved along the flow (B, 3, H, W), RGB in [0, 1].
            occlusion: 1 where the moved photo shows nothing of the photo (B, 1, H, W), in [0, 1].

        Returns:
            The image after the motion (B, 3, H, W), RGB in [0, 1], of the weights' dtype (autocast's under autocast).

        Raises:
            ValueError, TypeError: An argument has the wrong shape or dtype.
        """
        check_planes(_NAME, "image", image, 3)
        check_planes(_NAME, "mask", mask, 1, beside=image)
        check_planes(_NAME, "flow", flow, 2, beside=image)
        check_planes(_NAME, "warped", warped, 3, beside=image)
        check_planes(_NAME, "occlusion", occlusion, 1, beside=image)
        flow = flow.float() / FLOW_UNIT
        planes = torch.cat([2 * image - 1, mask, flow, 2 * warped - 1, occlusion], 1)
        margins = margins_to(image, _FACTOR, _LEAST)
        features = self.encoder(padded(planes, margins).to(self.attention.conv1.weight.dtype))
        # The attention divides displacements by 4 with the size, as those of the smaller image are.
        features = self.attention(features, padded(_FACTOR * flow, margins))
        drawn = self.decoder(self.blocks(features))
        return cropped(drawn.add(1).mul_(0.5), margins)
