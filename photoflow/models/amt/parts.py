"""The parts that AMT is put together from: two encoders, the decoders and the update between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models._contract import InstanceNorm
from photoflow.models.frame_pair import as_coordinates, resize
from photoflow.ops import backward_warp


class CorrelationEncoder(nn.Module):
    """Features at 1/8 of the size that are correlated with each other (section 3.1).

    Args:
        bottleneck: which kind of residual block.
        stem: channels after the first convolution.
        stages: channels of three stages, of which the second and the third halve the size, and of a fourth if there
            is one.
        outputs: channels of the result.
    """

    def __init__(self, bottleneck: bool, stem: int, stages: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        block = _Bottleneck if bottleneck else _Residual
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3)
        self.norm1 = InstanceNorm(stem)
        inputs = stem
        # The names of published checkpoints.
        self._stages = ("layer1", "layer2", "layer3", "layer3_2")[: len(stages)]
        for name, width, stride in zip(self._stages, stages, (1, 2, 2, 1)):
            self.add_module(name, nn.Sequential(block(inputs, width, stride), block(width, width, 1)))
            inputs = width
        self.conv2 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm1(self.conv1(image)).relu_()
        for name in self._stages:
            x = self.get_submodule(name)(x)
        out: Tensor = self.conv2(x)
        return out


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm = InstanceNorm(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in (self.conv1, self.conv2):
            y = self.norm(layer(y)).relu_()
        return torch.relu_(self.downsample(x) + y)


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs // 4, 1)
        self.conv2 = nn.Conv2d(outputs // 4, outputs // 4, 3, stride, 1)
        self.conv3 = nn.Conv2d(outputs // 4, outputs, 1)
        self.norm, self.last_norm = InstanceNorm(outputs // 4), InstanceNorm(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv1(x)).relu_()
        y = self.norm(self.conv2(y)).relu_()
        y = self.last_norm(self.conv3(y)).relu_()
        return torch.relu_(self.downsample(x) + y)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return (
        nn.Sequential() if stride == 1 else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), InstanceNorm(outputs))
    )


class PyramidEncoder(nn.Module):
    """Features of an image at 1/2, 1/4, 1/8 and 1/16 of its size.

    Args:
        widths: channels of each.
        kernel: side of the first kernel.
    """

    def __init__(self, widths: tuple[int, ...], kernel: int) -> None:
        super().__init__()
        inputs = 3
        for number, width in enumerate(widths, 1):
            first = _activated(inputs, width, kernel if number == 1 else 3, stride=2)
            self.add_module(f"pyramid{number}", nn.Sequential(first, _activated(width, width)))
            inputs = width

    def forward(self, image: Tensor) -> list[Tensor]:
        levels = [image]
        for stage in self.children():
            levels.append(stage(levels[-1]))
        return levels[1:]


def _activated(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.PReLU(outputs))


class _SidedResidual(nn.Module):
    """A residual block whose last channels get a convolution of their own between the others' (IFRNet)."""

    def __init__(self, width: int, apart: int) -> None:
        super().__init__()
        self.conv1 = _activated(width, width)
        self.conv2 = _activated(apart, apart)
        self.conv3 = _activated(width, width)
        self.conv4 = _activated(apart, apart)
        self.conv5 = nn.Conv2d(width, width, 3, 1, 1)
        self.prelu = nn.PReLU(width)
        self._parts = (width - apart, apart)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for whole, side in ((self.conv1, self.conv2), (self.conv3, self.conv4)):
            rest, apart = whole(y).split(self._parts, dim=1)
            y = torch.cat([rest, side(apart)], dim=1)
        out: Tensor = self.prelu(x + self.conv5(y))
        return out


def _decoder(inputs: int, width: int, outputs: int, apart: int) -> nn.Sequential:
    """Make a decoder: convolutions that end at twice the size."""
    return nn.Sequential(
        _activated(inputs, width), _SidedResidual(width, apart), nn.ConvTranspose2d(width, outputs, 4, 2, 1)
    )


class FirstDecoder(nn.Module):
    """The first flows, and features of the frame to come, from the coarsest features of both images and the time."""

    def __init__(self, inputs: int, outputs: int, apart: int) -> None:
        super().__init__()
        self.convblock = _decoder(2 * inputs + 1, 2 * inputs, outputs + 4, apart)

    def forward(self, features0: Tensor, features1: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        plane = time.to(features0.dtype).expand(-1, 1, *features0.shape[2:])
        out = self.convblock(torch.cat([features0, features1, plane], dim=1))
        return as_coordinates(out[:, :4]), out[:, 4:]


class MiddleDecoder(nn.Module):
    """Flows and features at twice the size, from those of both images, moved by the flows so far."""

    def __init__(self, inputs: int, outputs: int, apart: int) -> None:
        super().__init__()
        self.convblock = _decoder(3 * inputs + 4, 3 * inputs, outputs + 4, apart)

    def forward(self, features: Tensor, features0: Tensor, features1: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        out = self.convblock(_with_moved(features, features0, features1, flow))
        return as_coordinates(out[:, :4]) + 2 * resize(flow, 2), out[:, 4:]


class FieldsDecoder(nn.Module):
    """N pairs of flows at full size, each with a mask and a residual (section 3.4)."""

    def __init__(self, inputs: int, fields: int, apart: int) -> None:
        super().__init__()
        self.convblock = _decoder(3 * inputs + 4, 3 * inputs, 8 * fields, apart)
        self._fields = fields

    def forward(
        self, features: Tensor, features0: Tensor, features1: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out = self.convblock(_with_moved(features, features0, features1, flow))
        count = self._fields
        change0, change1, mask, residual = (
            part.unflatten(1, (count, -1)) for part in out.split([2 * count, 2 * count, count, 3 * count], dim=1)
        )
        flow = 2 * resize(flow, 2)
        flow0 = as_coordinates(change0) + flow[:, None, :2]
        flow1 = as_coordinates(change1) + flow[:, None, 2:]
        return flow0, flow1, mask.sigmoid(), residual


def _with_moved(features: Tensor, features0: Tensor, features1: Tensor, flow: Tensor) -> Tensor:
    """Join the features of the new frame, those of both images moved to it, and the flows that moved them."""
    moved0 = backward_warp(features0, flow[:, :2], padding="border")
    moved1 = backward_warp(features1, flow[:, 2:], padding="border")
    return torch.cat([features, moved0, moved1, flow.to(features.dtype)], dim=1)


class Update(nn.Module):
    """Corrections of flows and features, from correlations: two convolutions in place of RAFT's GRU (section 3.3).

    Args:
        features: channels of the features.
        found: correlations of a pixel.
        correlation: channels that these are reduced to, convolution by convolution.
        flow: channels that flows are encoded in.
        mixed: channels of both together.
        hidden: channels after that.
    """

    def __init__(
        self, features: int, found: int, correlation: tuple[int, ...], flow: int, mixed: int, hidden: int
    ) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(found, correlation[0], 1)
        self.convc2 = nn.Conv2d(*correlation, 3, padding=1) if len(correlation) == 2 else None
        self.convf1 = nn.Conv2d(4, 2 * flow, 7, padding=3)
        self.convf2 = nn.Conv2d(2 * flow, flow, 3, padding=1)
        self.conv = nn.Conv2d(correlation[-1] + flow, mixed, 3, padding=1)
        self.gru = _two(mixed + 4 + features, hidden, hidden)
        self.feat_head = _two(hidden, hidden, features)
        self.flow_head = _two(hidden, hidden, 4)

    def forward(self, features: Tensor, flow: Tensor, found: Tensor, enlarged: int = 1) -> tuple[Tensor, Tensor]:
        """Compute the corrections of flows and features.

        Args:
            features: (B, features, h, w).
            flow: (B, 4, h, w).
            found: (B, found, h / enlarged, w / enlarged). It is enlarged after the first convolution: that one reads
                single pixels, so it may go first, and there is less to enlarge.
            enlarged: by how many times it is.
        """
        flow = flow.to(features.dtype)
        known = _leaky(resize(self.convc1(found), enlarged))
        if self.convc2 is not None:
            known = _leaky(self.convc2(known))
        moved = _leaky(self.convf2(_leaky(self.convf1(flow))))
        mixed = _leaky(self.conv(torch.cat([known, moved], dim=1)))
        hidden = self.gru(torch.cat([mixed, flow, features], dim=1))
        return as_coordinates(self.flow_head(hidden)), self.feat_head(hidden)


def _two(inputs: int, between: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, between, 3, padding=1),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(between, outputs, 3, padding=1),
    )


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1, inplace=True)
