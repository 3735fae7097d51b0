"""The pyramid generator: the photo's features are thrown along the flow at every scale, and drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.models.push_pull import push_pull
from photoflow.models.splat_generator import ResidualBlock, background_motion
from photoflow.ops import forward_splat
from photoflow.weights import Loadable

_NAME = "PyramidGenerator"
_FRONT = 4.0  # how much the largest weight counts more than none, as a logarithm
_MOST = 2.0  # of the coverage, as the decoder sees it
_NEAR = 2.0  # how soon near pixels decide what fills a hole: best of 1, 2 and 4 on FlyingChairs and DAVIS
_APART = 50.0  # what the largest weight counts as, at least, where holes are filled: none of it shall glow into them
_LEAK = 0.1
_KEPT = 2.0  # of the splat where it is whole, before any training, as a logit


@dataclass(frozen=True)
class PyramidConfig:
    """The layers of one size.

    Args:
        features: channels of the photo's features at full size, a half, a quarter, ...
        decoder: channels of the decoder at the same scales.
        resnet: whether the features are those of the stages of a ResNet-34, which has none at full size.
    """

    features: tuple[int, ...]
    decoder: tuple[int, ...]
    resnet: bool = False


SIZES = {
    "small": PyramidConfig((16, 32, 64, 96, 128), (16, 32, 64, 96, 128)),
    "paper": PyramidConfig((0, 64, 64, 128, 256, 512), (32, 64, 128, 192, 256, 256), resnet=True),
}


def motion_weight(flow: Tensor) -> Tensor:
    """Measure each pixel's weight where several arrive: the length of its motion relative to most of the flow.

    Where the background stands still, that is the length of the flow, as in the paper. Where the camera moves with
    its subject, the longest flow is the background's.

    Args:
        flow: (B, 2, H, W), float32, pixels.

    Returns:
        (B, 1, H, W), float32, pixels. No gradient runs through it.
    """
    apart = flow.detach() - background_motion(flow)
    return torch.hypot(apart[:, :1], apart[:, 1:])


def at_scale(planes: Tensor, kept: Tensor, factor: int) -> Tensor:
    """Reduce planes to a smaller image: the means of what is kept of each square; NaN where nothing is.

    Args:
        planes: (B, C, H, W), finite.
        kept: (B, 1, H, W), 1 or 0.
        factor: by which the image is smaller; H and W are multiples of it.

    Returns:
        (B, C, H / factor, W / factor).
    """
    share = F.avg_pool2d(kept, factor)
    means = F.avg_pool2d(planes * kept, factor) / share.clamp_min(1e-6)
    return means.masked_fill(share == 0, torch.nan)


def _behind(splat: Tensor, known: Tensor, weight: Tensor) -> Tensor:
    """Return the filling of a splat's holes: in cracks the mean of pixels around, else what is near and moves little.

    A surface that comes nearer is torn into cracks; the background does not show in them.

    Args:
        splat: (B, 3, H, W).
        known: (B, 1, H, W) in [0, 1].
        weight: (B, 1, H, W), the weight that arrived: a pixel is a source for holes by 1 / (1 + weight^2).

    Returns:
        (B, 3, H, W).
    """
    summed, near = (F.avg_pool2d(one, 3, 1, 1, count_include_pad=False) for one in (known * splat, known))
    around = summed / near.clamp_min(1e-6)
    in_crack = (9 * near - 5).clamp(0, 1)  # beside a crack lie 6 of 9 pixels that are known, in a corner of a hole 5
    return torch.lerp(push_pull(splat, known / (1 + weight.square()), _NEAR), around, in_crack)


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Make a 3 by 3 convolution and a leaky ReLU.

    At first every change of a splat is wrong, and a plain ReLU would die of that.
    """
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
    nn.init.kaiming_normal_(convolution.weight, _LEAK)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.LeakyReLU(_LEAK, inplace=True))


def _smaller(planes: Tensor, like: Tensor) -> Tensor:
    """Average planes over squares, down to the size of something else."""
    return F.avg_pool2d(planes, planes.shape[3] // like.shape[3])


class PlainPyramid(nn.Module):
    """Features at full size, a half, a quarter, ...: two convolutions each.

    No norm: the statistics of a crop are not those of a photo with a small subject.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(_layer(before, after, 1 if index == 0 else 2), _layer(after, after))
            for index, (before, after) in enumerate(zip((3, *channels), channels))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [image]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


class ResNetPyramid(nn.Module):
    """The stages of a ResNet-34 without its classifier; nothing at full size.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; torchvision's layers, untrained.
    """

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet34

        network = resnet34(weights=None)
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu)
        self.stages = nn.ModuleList(
            [nn.Sequential(network.maxpool, network.layer1), network.layer2, network.layer3, network.layer4]
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [image[:, :0], self.stem(image)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class Synthesis(nn.Module):
    """From the thrown features of all scales, coarse to fine: a change of the colours (B, 3, H, W) in [-2, 2], and a
    logit of how much of the splat is kept (B, 1, H, W).

    Args:
        inputs: channels of what is given at each scale, the finest first.
        channels: of the decoder there.
    """

    def __init__(self, inputs: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        coarser = (*channels[1:], 0)
        self.stages = nn.ModuleList(
            nn.Sequential(_layer(given + above, own), ResidualBlock(own))
            for given, above, own in zip(inputs, coarser, channels)
        )
        self.last = nn.Conv2d(channels[0], 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, given: list[Tensor]) -> tuple[Tensor, Tensor]:
        x = given[-1][:, :0]
        for stage, planes in zip(reversed(self.stages), reversed(given)):
            if x.shape[1]:
                x = F.interpolate(x, size=planes.shape[2:], mode="bilinear", align_corners=False)
            x = stage(torch.cat([x, planes.to(x.dtype)], 1))
        change, kept = self.last(x).float().split([3, 1], 1)
        return 2 * torch.tanh(change), kept


class PyramidGenerator(Loadable, nn.Module):
    """Draws the photo after a motion, by the renderer of Generative Image Dynamics.

        features_j        = the photo's at scale j
        thrown_j, known_j = softmax splat of features_j along the flow at that scale, what has the larger weight wins
        splat, known      = the same of the photo itself, at full size
        base              = splat, its holes filled from what is around them and moves little
        change, gate      = synthesis(all thrown_j and known_j, base at each scale)
        frame             = keep splat + (1 - keep) (base + change),  keep = known * sigmoid(gate)

    "small" has 1.5 M parameters and scales down to 1/16, "paper" the ResNet-34 of the paper and 1/32.

    Args:
        size: "small" or "paper".
        weights: name in the registry or file; None leaves the network untrained: it is then a splat with plainly
            filled holes.

    Raises:
        ValueError: there is no such size.
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 5. Deviations: the paper draws every pixel anew,
    here what a splat has right is kept to the bit until something better has been learned; where no weight is given,
    it is the distance from the background's motion instead of the flow's length (untrained, 28.6 dB instead of 27.6 on
    ten pairs of DAVIS with the flow of DIS); the synthesis network is a plain decoder.
    """

    def __init__(self, size: str = "small", weights: str | Path | None = None) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"{_NAME}: size: expected one of {', '.join(SIZES)}, got {size!r}")
        config = SIZES[size]
        self.size = size
        self.encoder = ResNetPyramid() if config.resnet else PlainPyramid(config.features)
        # Beside the features: what weight arrived, coverage, and the filled splat.
        self.synthesis = Synthesis(tuple(channels + 5 for channels in config.features), config.decoder)
        self._factor = 2 ** (len(config.features) - 1)
        if weights is not None:
            self.load(weights)

    def forward(self, image: Tensor, flow: Tensor, weight: Tensor | None = None) -> Tensor:
        """Draw the image after the motion.

        Args:
            image: The photo (B, 3, H, W), RGB in [0, 1], of any size.
            flow: Where its pixels go (B, 2, H, W), pixels, x right, then y down. A pixel whose flow is NaN or infinite
                is not thrown.
            weight: How much each pixel counts where several arrive (B, 1, H, W), finite, pixels, at least 0: the mean
                length of its motion over the clip. None: `motion_weight` of the flow.

        Returns:
            The image after the motion (B, 3, H, W), float32, RGB in [0, 1].

        Raises:
            ValueError, TypeError: An argument has the wrong shape or dtype.
        """
        check_planes(_NAME, "image", image, 3)
        check_planes(_NAME, "flow", flow, 2, beside=image)
        if weight is not None:
            check_planes(_NAME, "weight", weight, 1, beside=image)
        margins = margins_to(image, self._factor)
        kept = flow.isfinite().all(1, keepdim=True)
        flow = flow.float().nan_to_num(0, 0, 0)
        weight = kept * (motion_weight(flow) if weight is None else weight.float())
        # What is added around the photo helps the features at its border, but is not thrown into the picture.
        kept = F.pad(kept.float(), margins)
        image, flow, weight = (padded(planes, margins) for planes in (image.float(), flow, weight))
        largest = weight.amax((1, 2, 3), keepdim=True) + 1e-3

        features = self.encoder(2 * image - 1)
        features[0] = torch.cat([image, features[0].float()], 1)
        given = [self._thrown(planes, flow, weight / largest, kept) for planes in features]
        splat, given[0] = given[0][:, :3], given[0][:, 3:]
        arrived, known = given[0][:, -2:-1] * largest.clamp_min(_APART), given[0][:, -1:].clamp(max=1)
        base = known * splat + (1 - known) * _behind(splat, known, arrived)
        change, gate = self.synthesis([torch.cat([2 * _smaller(base, x) - 1, x], 1) for x in given])
        keep = known * torch.sigmoid(gate + _KEPT)
        return cropped((keep * splat + (1 - keep) * (base + change)).clamp(0, 1), margins)

    def _thrown(self, planes: Tensor, flow: Tensor, front: Tensor, kept: Tensor) -> Tensor:
        """Throw planes of one scale along the motion; the weight that arrived, 0 to 1, and the coverage come last."""
        factor = flow.shape[3] // planes.shape[3]
        moved = at_scale(torch.cat([flow / factor, front], 1), kept, factor)
        front = moved[:, 2:]
        planes = torch.cat([planes, front.nan_to_num(0).to(planes.dtype)], 1)
        arrived, coverage = forward_splat(planes, moved[:, :2], _FRONT * front, mode="softmax")
        return torch.cat([arrived, coverage.clamp(max=_MOST).to(arrived.dtype)], 1)
