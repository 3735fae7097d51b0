"""The splat generator: the photo is thrown along the flow, and the rest, which a throw cannot know, is learned."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.models.generator import FLOW_UNIT, FlowAttention
from photoflow.models.push_pull import push_pull
from photoflow.ops import forward_splat
from photoflow.weights import Loadable

_NAME = "SplatGenerator"
_FACTOR = 16  # by which the metric's smallest features are smaller than the image
_ROUNDS = 8  # of the search for the background's motion
SIZES = {"small": {"width": 16, "blocks": 4}, "large": {"width": 64, "blocks": 6}}
"""Of the painter."""

_FRONT = 4.0  # how much the farthest motion weighs more than the background's, as a logarithm
_TRUST = 5.0  # in every pixel before any training, as a logit
_PLANES = 10  # of the painter: splat 3, coverage 1, image 3, mask 1, flow 2


def _layer(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Make a convolution and a ReLU.

    No norm: the statistics of a crop are not those of a photo with a small subject.
    """
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


def _upsampled(planes: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(planes, size=like.shape[2:], mode="bilinear", align_corners=False)


def background_motion(flow: Tensor) -> Tensor:
    """Fit the affine motion that most of a flow follows: mostly that of the background, behind all else.

    Least squares, weighed again and again by 1 / (1 + (distance / s)^2) with s the median distance (Cauchy's).

    Args:
        flow: (B, 2, H, W), float32, pixels.

    Returns:
        (B, 2, H, W), float32, pixels. No gradient runs through it.
    """
    with torch.no_grad(), torch.autocast(flow.device.type, enabled=False):
        flow = flow.float()
        height, width = flow.shape[2:]
        stride = max(1, min(height, width) // 64)
        rows, columns = (torch.linspace(-1, 1, side, device=flow.device) for side in (height, width))
        plane = torch.stack([*torch.meshgrid(rows, columns, indexing="ij"), rows.new_ones(height, width)])
        few, known = flow[..., ::stride, ::stride].flatten(2), plane[:, ::stride, ::stride].flatten(1)
        weight = torch.ones_like(few[:, :1])
        for _ in range(_ROUNDS):
            normal = (known * weight) @ known.T + 1e-6 * torch.eye(3, device=flow.device)  # (B, 3, 3)
            # solve_ex does not wait for the device to say that the matrix is regular, which it is.
            affine = torch.linalg.solve_ex(normal, (known * weight) @ few.transpose(1, 2))[0].transpose(1, 2)
            distance = (few - affine @ known).square().sum(1, keepdim=True)
            weight = 1 / (1 + distance / (distance.median(2, keepdim=True).values + 1e-4))
        motion: Tensor = affine @ plane.flatten(1)
        return motion.reshape(-1, 2, height, width)


class SplatMetric(nn.Module):
    """A U-Net that tells the pixels in front, the sources for holes, and the pixels that may be thrown at all.

    Three planes (B, 1, H, W): the splatting metric; the share in [0, 1] as a source for holes; the trust in [0, 1], low
    where a pixel shows two things that part, as at the edges of what moves.

    Before any training the motion's distance d from the background's decides: what is farther lies in front, and holes
    that open behind it are filled from pixels by 1 / (1 + d^2), d in pixels. All pixels are trusted.
    """

    background = staticmethod(background_motion)  # an exported network has another form of it

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        channels = [width, 2 * width, 4 * width, 6 * width, 8 * width]
        self.down = nn.ModuleList(
            nn.Sequential(_layer(before, after, stride=1 if index == 0 else 2), _layer(after, after))
            for index, (before, after) in enumerate(zip([9, *channels], channels))
        )
        self.up = nn.ModuleList(
            _layer(smaller + larger, larger) for smaller, larger in zip(channels[:0:-1], channels[-2::-1])
        )
        self.last = nn.Conv2d(channels[0], 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(torch.tensor([0.0, 0.0, _TRUST]))  # type: ignore[union-attr]

    def forward(self, image: Tensor, mask: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        apart = flow - self.background(flow)
        distance = apart.square().sum(1, keepdim=True)
        length = distance.sqrt()
        most = length.amax((1, 2, 3), keepdim=True) + 1e-3
        planes = torch.cat([2 * image - 1, mask, flow / FLOW_UNIT, apart / FLOW_UNIT, length / most], 1)
        features = [planes.to(self.last.weight.dtype)]
        for down in self.down:
            features.append(down(features[-1]))
        x = features.pop()
        for up in self.up:
            larger = features.pop()
            x = up(torch.cat([_upsampled(x, larger), larger], 1))
        front, source, trust = self.last(x).float().split(1, 1)
        front = _FRONT * length / most + front + F.logsigmoid(trust)  # what is not trusted gives way
        return front, torch.sigmoid(source - torch.log(distance + 1e-4)), torch.sigmoid(trust)


class ResidualBlock(nn.Module):
    """Two 3 by 3 convolutions with a ReLU between them, added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_layer(channels, channels), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.convolutions(x)
        return changed


class Painter(nn.Module):
    """The painter of a splat: a change of its colours (B, 3, H, W) in [-2, 2] and a gate (B, 1, H, W) in [0, 1].

    The layers of the flow-guided generator without its norms, with the encoder's features handed over to the decoder.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        wide, wider = 2 * width, 4 * width
        self.whole = _layer(_PLANES, width, 7)
        self.halved = _layer(width, wide, stride=2)
        self.quartered = _layer(wide, wider, stride=2)
        self.attention = FlowAttention(wider)
        self.blocks = nn.Sequential(*(ResidualBlock(wider) for _ in range(blocks)))
        self.to_half = nn.Sequential(nn.ConvTranspose2d(wider, wide, 4, 2, padding=1), nn.ReLU(inplace=True))
        self.to_whole = nn.Sequential(nn.ConvTranspose2d(wide, width, 4, 2, padding=1), nn.ReLU(inplace=True))
        self.last = nn.Conv2d(width, 4, 7, padding=3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, planes: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        whole = self.whole(planes.to(self.last.weight.dtype))
        halved = self.halved(whole)
        features = self.blocks(self.attention(self.quartered(halved), flow))
        change, gate = self.last(self.to_whole(self.to_half(features) + halved) + whole).float().split([3, 1], 1)
        return 2 * torch.tanh(change), gate


class SplatGenerator(Loadable, nn.Module):
    """Draws the photo after a motion: thrown along the flow, with a learned order, and painted where that is wrong.

        front, source, trust = metric(photo, mask, flow)
        splat = softmax splat of the photo along the flow, what is in front wins
        base  = splat, its holes and what is not trusted filled from what may be a source around them
        frame = base + gate change,  change, gate = painter(splat, ..., flow)

    An image that is drawn anew loses what a splat had right; here it is kept until the painter has learned better, and
    untrained the network is a splat with plainly filled holes.

    Args:
        width: channels of the painter at full size; twice and four times as many at a half and a quarter.
        blocks: residual blocks of the painter.
        weights: name in the registry or file; None leaves the network untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: the executor of photo animation by an explicit flow blueprint, with the learned metric of Niklaus and Liu,
    "Softmax splatting for video frame interpolation", CVPR 2020, section 3.3, which here sees one image alone.
    """

    fill = staticmethod(push_pull)  # an exported network has another form of it

    def __init__(self, width: int = 64, blocks: int = 6, weights: str | Path | None = None) -> None:
        super().__init__()
        self.metric = SplatMetric()
        self.painter = Painter(width, blocks)
        if weights is not None:
            self.load(weights)

    def forward(self, image: Tensor, mask: Tensor, flow: Tensor) -> Tensor:
        """Draw the image after the motion.

        Args:
            image: The photo (B, 3, H, W), RGB in [0, 1], of any size.
            mask: Its subject (B, 1, H, W) in [0, 1]; ones where nothing is known of it.
            flow: Where its pixels go (B, 2, H, W), pixels, x right, then y down. A pixel whose flow is NaN or infinite
                is not thrown: such as one at the subject's edge that shows the background too.

        Returns:
            The image after the motion (B, 3, H, W), float32, RGB in [0, 1].

        Raises:
            ValueError, TypeError: An argument has the wrong shape or dtype.
        """
        check_planes(_NAME, "image", image, 3)
        check_planes(_NAME, "mask", mask, 1, beside=image)
        check_planes(_NAME, "flow", flow, 2, beside=image)
        margins = margins_to(image, _FACTOR)
        # What is added around the photo helps the networks at its border, but is not thrown into the picture.
        lost = F.pad(~flow.isfinite().all(1, keepdim=True), margins, value=True)
        flow = flow.float().nan_to_num(0, 0, 0)
        image, mask, flow = (padded(planes.float(), margins) for planes in (image, mask, flow))
        return cropped(self.drawn(image, mask, flow, lost), margins)

    def drawn(self, image: Tensor, mask: Tensor, flow: Tensor, lost: Tensor) -> Tensor:
        """Draw the image after the motion, as `forward` does, where the sides are multiples of 16.

        Args:
            image: (B, 3, H, W), float32.
            mask: (B, 1, H, W), float32.
            flow: (B, 2, H, W), float32, finite.
            lost: (B, 1, H, W) bool, what is not thrown.

        Returns:
            (B, 3, H, W), float32, RGB in [0, 1].
        """
        front, source, trust = self.metric(image, mask, flow)
        front = front.masked_fill(lost, torch.nan)
        thrown, coverage = forward_splat(torch.cat([image, mask, flow, source, trust], 1), flow, front, mode="softmax")
        # Away from its hole a pixel stands for itself; how much it says of others is its share as a source.
        colours, mask, moved, source, trust = thrown.split([3, 1, 2, 1, 1], 1)
        known = (coverage.clamp(max=1) * trust).clamp(0, 1)
        surroundings = self.fill(colours, (known * source).clamp(min=0, max=1))
        base = known * colours + (1 - known) * surroundings
        planes = torch.cat([2 * base - 1, known, 2 * image - 1, mask, moved / FLOW_UNIT], 1)
        # The attention divides displacements by 4 with the size, as those of the smaller image are.
        change, gate = self.painter(planes, 4 * moved / FLOW_UNIT)
        gate = torch.sigmoid(gate + 4 * (1 - known) - 2)  # to begin with: open in holes, nearly shut elsewhere
        drawn: Tensor = (base + gate * change).clamp(0, 1)
        return drawn
