"""The U-Net that chooses among candidates: what is to be changed, from what is seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SmallUNet(nn.Module):
    """Three sizes, two residual blocks of each; untrained its output is 0.

    Args:
        inputs: channels of what is seen.
        widths: of features at the size that is seen, at half and at a quarter of it.
        outputs: channels of the change.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        first, second, third = widths
        self.enter = nn.Sequential(_conv(inputs, first), _Residual(first))
        self.down = nn.Sequential(_conv(first, second, stride=2), _Residual(second))
        self.lowest = nn.Sequential(_conv(second, third, stride=2), *(_Residual(third) for _ in range(2)))
        self.up = nn.Sequential(_conv(third + second, second), _Residual(second))
        self.leave = nn.Sequential(_conv(second + first, first), _Residual(first), nn.Conv2d(first, outputs, 3, 1, 1))
        for parameter in self.leave[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor) -> Tensor:
        """The change.

        Args:
            seen: (B, inputs, h, w), h and w multiples of 4.

        Returns:
            (B, outputs, h, w).
        """
        fine = self.enter(seen)
        half = self.down(fine)
        half = self.up(torch.cat([_doubled(self.lowest(half)), half], 1))
        change: Tensor = self.leave(torch.cat([_doubled(half), fine], 1))
        return change


class _Residual(nn.Module):
    """x + conv(act(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.last(functional.leaky_relu(self.first(x), 0.2))
        return functional.leaky_relu(changed, 0.2)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.2))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
