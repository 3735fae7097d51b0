"""The encoder of frames to features at a quarter of their size, and the decoder back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of the convolutions after the fourth, each sees the fourth's features once more, group by group.
_GROUPS = (1, 2, 4, 8, 1)


def convolution(inputs: int, outputs: int, stride: int = 1, groups: int = 1, slope: float = 0.2) -> nn.Conv2d:
    """Build a 3 by 3 convolution whose outputs deviate as much as its inputs do after a LeakyReLU of that slope.

    With torch's own first weights little more than the biases comes through the sixteen in a row.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
    """
    made = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups)
    nn.init.kaiming_normal_(made.weight, a=slope)
    return made


class Encoder(nn.Module):
    """Features of a frame at a quarter of its size.

    Args:
        channels: of the features; C below.

    Four convolutions, two of which halve the size, give 2 C channels; each of the next sees these beside what the one
    before it gives, in groups.

    Source: Liu et al., "FuseFormer", ICCV 2021, whose encoder E²FGVI takes; grouping and widths are its code's.
    """

    WIDEST = 6  # times C: the channels of its widest tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        stem = ((3, half, 2), (half, half, 1), (half, channels, 2), (channels, 2 * channels, 1))
        convolutions = [convolution(inputs, outputs, stride) for inputs, outputs, stride in stem]
        before = 0  # channels that the convolution before gives, beside the stem's
        for factor, groups in zip((3, 4, 3, 2, 1), _GROUPS, strict=True):
            inputs = 2 * channels + before
            convolutions.append(convolution(inputs, factor * channels, groups=groups))
            before = factor * channels
        self.layers = nn.Sequential()
        for one in convolutions:
            self.layers.extend([one, nn.LeakyReLU(0.2, inplace=True)])

    def forward(self, frames: Tensor) -> Tensor:
        """Encode frames (N, 3, H, W), in [-1, 1], as (N, C, H / 4, W / 4)."""
        stem: Tensor = self.layers[:8](frames)
        features: Tensor = self.layers[8:10](stem)
        for index, groups in enumerate(_GROUPS[1:], start=5):
            beside = [one.unflatten(1, (groups, -1)) for one in (stem, features)]
            features = self.layers[2 * index : 2 * index + 2](torch.cat(beside, 2).flatten(1, 2))
        return features


class Decoder(nn.Sequential):
    """Frames from features, (N, C, h, w) -> (N, 3, 4 h, 4 w), before the tanh.

    Args:
        channels: of the features.

    Source: as `Encoder`.
    """

    def __init__(self, channels: int) -> None:
        half = channels // 2
        super().__init__(
            _Doubled(channels, channels),
            nn.LeakyReLU(0.2, inplace=True),
            convolution(channels, half),
            nn.LeakyReLU(0.2, inplace=True),
            _Doubled(half, half),
            nn.LeakyReLU(0.2, inplace=True),
            convolution(half, 3, slope=1.0),
        )


class _Doubled(nn.Module):
    """A convolution at twice the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        convolved: Tensor = self.conv(x)
        return convolved
