"""The discriminator of clips: how real each patch of a clip looks, in space and time."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class ClipDiscriminator(nn.Module):
    """Scores patches of a clip by six convolutions in space and time, of spectral norm 1.

    Args:
        width: channels of the first of them; the others have two and four times as many.

    Source: Chang et al., "Free-form Video Inpainting with 3D Gated Convolution and Temporal PatchGAN", ICCV 2019; the
    kernels, 3 x 5 x 5 with steps of 1 x 2 x 2, and widths are those of E²FGVI's code.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 4 * width, 4 * width)
        self.conv = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            convolution = nn.Conv3d(inputs, outputs, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)
            self.conv.extend([spectral_norm(convolution), nn.LeakyReLU(0.2, inplace=True)])
        self.conv.append(nn.Conv3d(widths[-1], widths[-1], (3, 5, 5), (1, 2, 2), (1, 2, 2)))

    def forward(self, frames: Tensor) -> Tensor:
        """Score clips (B, T, 3, H, W), RGB in [-1, 1]: (B, channels, T, h, w), higher is more real."""
        scores: Tensor = self.conv(frames.transpose(1, 2))
        return scores
