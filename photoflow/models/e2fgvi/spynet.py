"""SPyNet: optical flow by small networks, one for each level of a pyramid of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.ops import backward_warp

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class SPyNet(nn.Module):
    """The flow between two images, corrected level by level from coarse to fine.

        flow_k = 2 up(flow_(k-1)) + G_k(first_k, second_k[p + 2 up(flow_(k-1))], 2 up(flow_(k-1)))

    Args:
        widths: channels after each convolution of a level's network but the last.
        levels: of the pyramid.

    Source: Ranjan and Black, "Optical Flow Estimation using a Spatial Pyramid Network", CVPR 2017, section 3. Images of
    other sizes are resized to the next multiples of 2^(levels - 1), and the flow back, as in the code that the
    published weights of E²FGVI come from.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, widths: tuple[int, ...], levels: int) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(_Level(widths) for _ in range(levels))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Estimate the flow from the first image to the second.

        Args:
            first: (B, 3, H, W), RGB in [0, 1].
            second: of the same shape.

        Returns:
            (B, 2, H, W), pixels, x right, then y down; float32 (float64 for float64 images).
        """
        height, width = first.shape[2:]
        multiple = 2 ** (len(self.basic_module) - 1)
        size = [-(-side // multiple) * multiple for side in (height, width)]
        flow = self._flow(*(self._pyramid(image, size) for image in (first, second)))
        flow = functional.interpolate(flow, (height, width), mode="bilinear")
        return flow * flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)

    def _pyramid(self, image: Tensor, size: list[int]) -> list[Tensor]:
        """Return the image with even colours at all sizes, the smallest first."""
        pyramid = [functional.interpolate((image - self.mean) / self.std, size, mode="bilinear")]
        for _ in range(len(self.basic_module) - 1):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        return pyramid[::-1]

    def _flow(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        coarsest = first[0]
        exact = torch.promote_types(coarsest.dtype, torch.float32)
        flow = torch.zeros(coarsest.shape[0], 2, *coarsest.shape[2:], dtype=exact, device=coarsest.device)
        for index, level in enumerate(self.basic_module):
            if index:
                flow = 2 * functional.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            moved = backward_warp(second[index], flow, padding="border")
            flow = flow + level(torch.cat([first[index], moved, flow.to(moved.dtype)], 1)).to(exact)
        return flow


class _Level(nn.Module):
    """The correction of the flow at one level, by 7 x 7 convolutions."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = 3 + 3 + 2
        self.basic_module = nn.Sequential(
            *(_Convolution(*sides) for sides in zip((inputs, *widths), (*widths, 2), strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.basic_module
        for layer in hidden:
            x = functional.relu(layer(x), inplace=True)
        corrected: Tensor = last(x)
        return corrected


class _Convolution(nn.Module):
    """A 7 x 7 convolution by the name it has in the published weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.conv(x)
        return convolved
