"""The enlargement of RAFT's flow from an eighth of the image's size to all of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FACTOR = 8  # by which features are smaller than the image


class MaskPredictor(nn.Module):
    """Logits of the cells that each flow is mixed from, for every pixel of the 8 by 8 in a cell. Appendix B.

    Args:
        inputs: channels of the hidden state.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.convrelu = nn.Sequential(nn.Conv2d(inputs, 256, 3, padding=1), nn.ReLU(inplace=True))
        self.conv = nn.Conv2d(256, 9 * FACTOR**2, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Predict the logits (B, 9 * 64, h, w) from the hidden state (B, inputs, h, w)."""
        logits: Tensor = 0.25 * self.conv(self.convrelu(hidden))  # a quarter, to balance the gradients
        return logits


def convex_upsampling(flow: Tensor, logits: Tensor) -> Tensor:
    """Enlarge a flow 8 times: each pixel is a convex combination of the 3 by 3 cells around its own.

    Args:
        flow: (B, 2, h, w) float32, pixels of its own size.
        logits: (B, 9 * 64, h, w), neighbour by neighbour, row by row; softmax over the neighbours gives the weights.

    Returns:
        (B, 2, 8 h, 8 w) float32, pixels of that size.

    Source: section 3.3, "Upsampling", and appendix B.
    """
    batch, _, height, width = flow.shape
    weights = logits.float().view(batch, 1, -1, FACTOR**2, height, width).softmax(2)
    cells = F.unfold(FACTOR * flow, 3, padding=1).view(batch, 2, 9, 1, height, width)
    mixed = weights[:, :, 0] * cells[:, :, 0]
    for near in range(1, 9):  # all products at once would take nine times the memory
        mixed = torch.addcmul(mixed, weights[:, :, near], cells[:, :, near])
    return F.pixel_shuffle(mixed.reshape(batch, 2 * FACTOR**2, height, width), FACTOR)


def bilinear_upsampling(flow: Tensor) -> Tensor:
    """Enlarge a flow (B, 2, h, w) 8 times, bilinearly between its outermost pixels, as RAFT small does."""
    return FACTOR * F.interpolate(flow, scale_factor=FACTOR, mode="bilinear", align_corners=True)
