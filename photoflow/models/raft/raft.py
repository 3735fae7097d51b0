"""RAFT: the optical flow between two images, refined update by update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models._contract import InstanceNorm, check_planes, cropped, margins_to, padded
from photoflow.models.raft.names import rename
from photoflow.models.raft.upsampling import FACTOR, MaskPredictor, bilinear_upsampling, convex_upsampling
from photoflow.ops import Correlation
from photoflow.weights import Loadable

_LEVELS = 4  # of the correlation pyramid
_LEAST = 2 * 2 ** (_LEVELS - 1) * FACTOR  # with 128 pixels the last level still has 2 to interpolate between

Norm = Callable[[int], nn.Module] | None


@dataclass(frozen=True)
class RAFTConfig:
    """The layout of one variant of RAFT.

    Args:
        features: channels of the feature encoder: first convolution, three stages, output.
        context: channels of the context encoder likewise; its output is the first hidden state and the context.
        bottleneck: whether the encoders are made of bottleneck blocks, not of residual blocks.
        context_norm: whether the context encoder has batch norms, or none.
        radius: of the correlation lookup.
        correlation: channels of the one or two convolutions over the correlations.
        flow: channels of the two convolutions over the flow.
        motion: channels of both together, the flow itself among them.
        hidden: channels of the hidden state.
        kernels: (height, width) of the one or two recurrent units.
        head: channels within the flow head.
        convex: whether the flow is enlarged by learned convex combinations, not bilinearly.
    """

    features: tuple[int, int, int, int, int]
    context: tuple[int, int, int, int, int]
    bottleneck: bool
    context_norm: bool
    radius: int
    correlation: tuple[int, ...]
    flow: tuple[int, int]
    motion: int
    hidden: int
    kernels: tuple[tuple[int, int], ...]
    head: int
    convex: bool


PRESETS: dict[str, RAFTConfig] = {
    "small": RAFTConfig(
        features=(32, 32, 64, 96, 128), context=(32, 32, 64, 96, 160), bottleneck=True, context_norm=False,
        radius=3, correlation=(96,), flow=(64, 32), motion=82, hidden=96, kernels=((3, 3),), head=128, convex=False,
    ),
    "large": RAFTConfig(
        features=(64, 64, 96, 128, 256), context=(64, 64, 96, 128, 256), bottleneck=False, context_norm=True,
        radius=4, correlation=(256, 192), flow=(128, 64), motion=128, hidden=128, kernels=((1, 5), (5, 1)), head=256,
        convex=True,
    ),
}  # fmt: skip


def _layer(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, norm: Norm = None, relu: bool = True
) -> nn.Sequential:
    """Make a convolution with padding that keeps the size, followed by its norm and its ReLU if it has them."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)]
    if norm is not None:
        layers.append(norm(outputs))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class EncoderBlock(nn.Module):
    """Two 3 by 3 convolutions, or a bottleneck of three, beside a short cut; with a ReLU after both ways, too."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, norm: Norm, bottleneck: bool) -> None:
        super().__init__()
        self.convnormrelu3: nn.Module = nn.Identity()
        if bottleneck:
            narrow = outputs // 4
            self.convnormrelu1 = _layer(inputs, narrow, 1, norm=norm)
            self.convnormrelu2 = _layer(narrow, narrow, 3, stride=stride, norm=norm)
            self.convnormrelu3 = _layer(narrow, outputs, 1, norm=norm)
        else:
            self.convnormrelu1 = _layer(inputs, outputs, 3, stride=stride, norm=norm)
            self.convnormrelu2 = _layer(outputs, outputs, 3, norm=norm)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = _layer(inputs, outputs, 1, stride=stride, norm=norm, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x)))
        x = self.downsample(x)
        # A gradient needs y as the ReLU before it left it; without one, its memory is free.
        return torch.relu_(x + y if torch.is_grad_enabled() else y.add_(x))


class Encoder(nn.Module):
    """An image (B, 3, H, W) in [-1, 1] as features (B, C, H / 8, W / 8). Section 3.1, appendix A."""

    def __init__(self, channels: tuple[int, int, int, int, int], *, norm: Norm, bottleneck: bool) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            first = EncoderBlock(inputs, outputs, stride=stride, norm=norm, bottleneck=bottleneck)
            return nn.Sequential(first, EncoderBlock(outputs, outputs, stride=1, norm=norm, bottleneck=bottleneck))

        self.convnormrelu = _layer(3, channels[0], 7, stride=2, norm=norm)
        self.layer1 = stage(channels[0], channels[1], 1)
        self.layer2 = stage(channels[1], channels[2], 2)
        self.layer3 = stage(channels[2], channels[3], 2)
        self.conv = nn.Conv2d(channels[3], channels[4], 1)

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(image)))))
        return out


class MotionEncoder(nn.Module):
    """Features of the correlations at the present flow, with the flow itself (B, motion, h, w). Section 3.3."""

    def __init__(self, config: RAFTConfig) -> None:
        super().__init__()
        first, last = config.correlation[0], config.correlation[-1]
        self.convcorr1 = _layer(_LEVELS * (2 * config.radius + 1) ** 2, first, 1)
        self.convcorr2 = _layer(first, last, 3) if len(config.correlation) > 1 else nn.Identity()
        self.convflow1 = _layer(2, config.flow[0], 7)
        self.convflow2 = _layer(config.flow[0], config.flow[1], 3)
        self.conv = _layer(last + config.flow[1], config.motion - 2, 3)

    def forward(self, flow: Tensor, correlations: Tensor) -> Tensor:
        flow = flow.to(correlations.dtype)
        seen = torch.cat([self.convcorr2(self.convcorr1(correlations)), self.convflow2(self.convflow1(flow))], 1)
        motion = self.conv(seen)
        return torch.cat([motion, flow.to(motion.dtype)], 1)


class Gates(NamedTuple):
    """The gates' share from the context, computed once for all updates; z and r beside each other, and q."""

    weight_zr: Tensor
    weight_q: Tensor
    context_zr: Tensor
    context_q: Tensor


class ConvGRU(nn.Module):
    """A gated recurrent unit of convolutions. Section 3.3, equations (3) to (6).

        z = sigmoid(conv([h, x])),  r = sigmoid(conv([h, x])),  q = tanh(conv([r h, x])),  h' = (1 - z) h + z q

    Deviation: x = [context, motion], and the context is the same at every update. A convolution is linear, so the
    context's share of it is computed once, and each update convolves hidden state and motion alone.
    """

    def __init__(self, inputs: int, hidden: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.padding = (kernel[0] // 2, kernel[1] // 2)
        self.convz = nn.Conv2d(hidden + inputs, hidden, kernel, padding=self.padding)
        self.convr = nn.Conv2d(hidden + inputs, hidden, kernel, padding=self.padding)
        self.convq = nn.Conv2d(hidden + inputs, hidden, kernel, padding=self.padding)

    def prepare(self, context: Tensor) -> Gates:
        """Compute the context's share of the gates, and take out the weights for the rest."""
        convolutions = (self.convz, self.convr, self.convq)
        weight = torch.cat([convolution.weight for convolution in convolutions])
        bias = torch.cat([convolution.bias for convolution in convolutions if convolution.bias is not None])
        hidden = self.convz.out_channels
        first, last = hidden, hidden + context.shape[1]
        shares = F.conv2d(context, weight[:, first:last], bias, padding=self.padding)
        rest = torch.cat([weight[:, :first], weight[:, last:]], 1).to(shares.dtype)
        return Gates(*rest.split([2 * hidden, hidden]), *shares.split([2 * hidden, hidden], 1))

    def forward(self, hidden: Tensor, motion: Tensor, gates: Gates) -> Tensor:
        zr = F.conv2d(torch.cat([hidden, motion], 1), gates.weight_zr, padding=self.padding)
        z, r = zr.add_(gates.context_zr).sigmoid_().chunk(2, 1)
        q = F.conv2d(torch.cat([r * hidden, motion], 1), gates.weight_q, padding=self.padding)
        return torch.lerp(hidden, q.add_(gates.context_q).tanh_(), z)


class RecurrentBlock(nn.Module):
    """One recurrent unit, or one along rows and then one along columns."""

    def __init__(self, inputs: int, hidden: int, kernels: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.convgru1 = ConvGRU(inputs, hidden, kernels[0])
        self.convgru2 = ConvGRU(inputs, hidden, kernels[1]) if len(kernels) > 1 else None

    def _units(self) -> list[ConvGRU]:
        return [self.convgru1] if self.convgru2 is None else [self.convgru1, self.convgru2]

    def prepare(self, context: Tensor) -> list[Gates]:
        """Compute each unit's share of the gates from the context."""
        return [unit.prepare(context) for unit in self._units()]

    def forward(self, hidden: Tensor, motion: Tensor, prepared: list[Gates]) -> Tensor:
        for unit, gates in zip(self._units(), prepared):
            hidden = unit(hidden, motion, gates)
        return hidden


class FlowHead(nn.Module):
    """The change of the flow (B, 2, h, w) that a hidden state asks for."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        change: Tensor = self.conv2(torch.relu_(self.conv1(hidden)))
        return change


class UpdateBlock(nn.Module):
    """One update: the next hidden state, and the change of the flow."""

    def __init__(self, config: RAFTConfig) -> None:
        super().__init__()
        context = config.context[-1] - config.hidden
        self.motion_encoder = MotionEncoder(config)
        self.recurrent_block = RecurrentBlock(context + config.motion, config.hidden, config.kernels)
        self.flow_head = FlowHead(config.hidden, config.head)

    def forward(
        self, hidden: Tensor, prepared: list[Gates], correlations: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        hidden = self.recurrent_block(hidden, self.motion_encoder(flow, correlations), prepared)
        return hidden, self.flow_head(hidden)


class RAFT(Loadable, nn.Module):
    """The optical flow from one image to another.

    Features of both images at an eighth of their size are compared pair by pair. The flow begins with zero and is
    updated again and again by a recurrent unit, which looks up how well the places fit that the flow points to. The
    correlations are computed where they are read (`photoflow.ops.Correlation`), so that memory grows with the number
    of pixels, not with its square.

    Args:
        config: the variant; `RAFT.small()` and `RAFT.large()` are those of the paper.
        weights: name in the registry or file; None leaves the network untrained. A file may have the names of
            torchvision's checkpoints, which are those of this network, or of the paper's authors' (see `rename`).

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Teed and Deng, "RAFT: recurrent all-pairs field transforms for optical flow", ECCV 2020; state dict in the
    layout of torchvision's `raft_small` and `raft_large`.
    """

    def __init__(self, config: RAFTConfig, weights: str | Path | None = None) -> None:
        super().__init__()
        self.config = config
        norm = nn.BatchNorm2d if config.context_norm else None
        self.feature_encoder = Encoder(config.features, norm=InstanceNorm, bottleneck=config.bottleneck)
        self.context_encoder = Encoder(config.context, norm=norm, bottleneck=config.bottleneck)
        self.update_block = UpdateBlock(config)
        self.mask_predictor = MaskPredictor(config.hidden) if config.convex else None
        if weights is not None:
            self.load(weights)

    @classmethod
    def small(cls, weights: str | Path | None = None) -> RAFT:
        """Make RAFT-S: 1.0 M parameters."""
        return cls(PRESETS["small"], weights)

    @classmethod
    def large(cls, weights: str | Path | None = None) -> RAFT:
        """Make RAFT: 5.3 M parameters."""
        return cls(PRESETS["large"], weights)

    def renamed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries of torchvision's checkpoints, or of the paper's authors', under this network's names."""
        return rename(state)

    def forward(
        self, image1: Tensor, image2: Tensor, updates: int = 12, every_update: bool = False
    ) -> Tensor | list[Tensor]:
        """Estimate the flow from `image1` to `image2`: the displacement of each pixel.

        Args:
            image1: (B, 3, H, W) RGB in [0, 1], any floating-point dtype and size. Inside, borders are repeated until
                both sides are a multiple of 8 and at least 128, the least for 4 levels of correlations.
            image2: Another of the same shape.
            updates: How often the flow is updated, at least 1.
            every_update: Whether the flow after each update is wanted, which training needs.

        Returns:
            The flow (B, 2, H, W), float32, pixels; the list of all `updates` of them with `every_update`. Only what is
            returned is enlarged to full size. A gradient runs through each update but not from one flow to the next.

        Raises:
            ValueError, TypeError: The images have the wrong or different shapes or dtypes, or there is no update.
        """
        check_planes("RAFT", "image1", image1, 3)
        check_planes("RAFT", "image2", image2, 3, beside=image1)
        if not isinstance(updates, int) or updates < 1:
            raise ValueError(f"RAFT: updates: expected an integer of at least 1, got {updates}")
        margins = margins_to(image1, FACTOR, _LEAST)
        dtype = self.feature_encoder.conv.weight.dtype
        image1, image2 = (padded(2 * image.to(dtype) - 1, margins) for image in (image1, image2))
        # One image at a time: the encoder's first layers, at half the size, take the most memory of all.
        correlation = Correlation(self.feature_encoder(image1), self.feature_encoder(image2), levels=_LEVELS)
        hidden, context = self.context_encoder(image1).tensor_split([self.config.hidden], 1)
        hidden, prepared = torch.tanh(hidden), self.update_block.recurrent_block.prepare(torch.relu(context))
        grid = _grid(hidden)
        flow, flows = grid.new_zeros(hidden.shape[0], 2, *hidden.shape[2:]), []
        for number in range(1, updates + 1):
            flow = flow.detach()
            correlations = correlation.lookup(grid + flow, radius=self.config.radius)
            hidden, change = self.update_block(hidden, prepared, correlations, flow)
            flow = flow + change.float()
            if every_update or number == updates:
                flows.append(cropped(self._enlarged(flow, hidden), margins))
        return flows if every_update else flows[-1]

    def _enlarged(self, flow: Tensor, hidden: Tensor) -> Tensor:
        if self.mask_predictor is None:
            return bilinear_upsampling(flow)
        return convex_upsampling(flow, self.mask_predictor(hidden))


def _grid(planes: Tensor) -> Tensor:
    """Return the place of each pixel (1, 2, h, w), float32, x, then y."""
    rows, columns = (torch.arange(side, dtype=torch.float32, device=planes.device) for side in planes.shape[2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y])[None]
