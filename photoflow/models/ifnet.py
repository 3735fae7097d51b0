"""IFNet, the network of RIFE: a frame at any time between two, from flows that are refined from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models._contract import cropped, margins_to, padded
from photoflow.models.frame_pair import Interpolated, as_coordinates, check_pair, resize, time_of
from photoflow.ops import backward_warp
from photoflow.weights import Loadable

_FLOWS = 4  # x and y into the first image, x and y into the second
_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class IFNetConfig:
    """The layout of one version of the network.

    Args:
        widths: channels of each block, coarse to fine; the last one works at full size, each other at half the size
            of the next.
        encoded: channels of the features that are moved along with the images; 0: the images alone are.
        carried: channels that a block hands to the next one beside flow and mask.
        spare: channels that a block computes and nothing reads.
        mask_adds_up: each block corrects the mask, as it does the flow, instead of replacing it.
    """

    widths: tuple[int, ...]
    encoded: int
    carried: int
    spare: int
    mask_adds_up: bool


VERSIONS = {
    "4.26": IFNetConfig((192, 128, 96, 64, 32), encoded=4, carried=8, spare=0, mask_adds_up=False),
    "4.6": IFNetConfig((192, 128, 96, 64), encoded=0, carried=0, spare=1, mask_adds_up=True),
    # Not published: about a third of the parameters of 4.26, which are in its coarse blocks.
    "small": IFNetConfig((96, 80, 64, 48, 32), encoded=4, carried=8, spare=0, mask_adds_up=False),
}


class _Estimate(NamedTuple):
    """Flows, (B, 4, H, W), and the mask before its sigmoid, (B, 1, H, W), at full size; what a block hands to the
    next, at its own."""

    flow: Tensor
    mask: Tensor
    carried: Tensor | None


class IFNet(Loadable, nn.Module):
    """The frame at time t between two images.

    A pyramid of blocks estimates where each pixel of the new frame lies in either image (the intermediate flows) and
    which image to trust. Every block sees both images moved by the flow so far, reduced to its own size, and corrects
    that flow:

        frame = mask * img0[p + flow0] + (1 - mask) * img1[p + flow1]

    Args:
        version: "4.26" or "4.6", with or without a "v" in front, or "small".
        weights: name in the registry of weights, or a file of them; None: untrained.

    Raises:
        ValueError: there is no such version.
        WeightsError: the weights are not to be had, or are those of another network.

    Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022, section
    3; versions 4.6 and 4.26 are the author's later ones. Images whose sides are no multiples of 64 (4.6: 32; as many
    times that as `scale` is below 1) are padded with their border pixels, not with black: a flow that leaves the
    image then finds its edge.
    """

    def __init__(self, version: str = "4.26", weights: str | Path | None = None) -> None:
        super().__init__()
        if version.removeprefix("v") not in VERSIONS:
            raise ValueError(f"IFNet: version: expected {', '.join(VERSIONS)}, got {version!r}")
        self.config = VERSIONS[version.removeprefix("v")]
        seen = 2 * (3 + self.config.encoded) + 1
        outputs = _FLOWS + 1 + self.config.carried + self.config.spare
        for index, width in enumerate(self.config.widths):
            inputs = seen + _FLOWS + 1 + self.config.carried if index else seen
            self.add_module(f"block{index}", _Block(inputs, width, outputs))
        if self.config.encoded:
            self.encode = _Encoder(self.config.encoded)
        if weights is not None:
            self.load(weights)

    def renamed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's entries without those of parts that only training has."""
        parts = dict(self.named_children())
        return {name: tensor for name, tensor in state.items() if name.partition(".")[0] in parts}

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        t: float | Tensor = 0.5,
        scale: float = 1.0,
        details: bool = False,
        every_block: bool = False,
    ) -> Tensor | Interpolated | list[Tensor | Interpolated]:
        """Make the frame at time t.

        Args:
            img0: (B, 3, H, W), RGB in [0, 1], the frame at time 0.
            img1: (B, 3, H, W), the frame at time 1.
            t: time from 0 to 1, or a tensor of them, B or (B, 1, 1, 1).
            scale: 0.25, 0.5, 1, 2 or 4: at which part of the images' size the finest flow is estimated; below 1 for
                large images or motions, above 1 for small ones. The frame has full size at any.
            details: return the flows and the mask too.
            every_block: whether the frame as each block would have it is wanted, which training needs.

        Returns:
            The frame, (B, 3, H, W) of the images' dtype, or `Interpolated`; a list of them, from coarse to fine, with
            `every_block`.

        Raises:
            ValueError: a wrong shape, time or scale.
        """
        check_pair("IFNet", img0, img1)
        if scale not in _SCALES:
            raise ValueError(f"IFNet: scale: expected {', '.join(f'{one:g}' for one in _SCALES)}, got {scale}")
        time = time_of("IFNet", t, img0, ends=True)
        coarsest = 2 ** (len(self.config.widths) - 1)
        margins = margins_to(img0, int(4 * coarsest * max(1, 1 / scale)))
        img0, img1 = padded(img0, margins), padded(img1, margins)

        frames: list[Tensor | Interpolated] = []
        for estimate in self._estimates(img0, img1, time, scale, every_block):
            flow, mask = estimate.flow, estimate.mask.sigmoid()
            moved0 = backward_warp(img0, flow[:, :2], padding="border")
            moved1 = backward_warp(img1, flow[:, 2:], padding="border")
            frame = cropped(torch.lerp(moved1, moved0, mask.to(img0.dtype)), margins)
            if details:
                frames.append(Interpolated(frame, *(cropped(x, margins) for x in (flow[:, :2], flow[:, 2:], mask))))
            else:
                frames.append(frame)
        return frames if every_block else frames[-1]

    def _estimates(self, img0: Tensor, img1: Tensor, time: Tensor, scale: float, every: bool) -> list[_Estimate]:
        """Return the estimate after each block, or after the last one alone.

        The sides of the images have to be multiples of what the first block needs.
        """
        sides = [[img0], [img1]]
        if self.config.encoded:
            for side, features in zip(sides, self.encode(torch.cat([img0, img1])).chunk(2)):
                side.append(features)
        estimate, kept = None, []
        for index in range(len(self.config.widths)):
            reduction = 2 ** (len(self.config.widths) - 1 - index) / scale
            out = self.get_submodule(f"block{index}")(self._seen(sides, time, estimate, reduction))
            estimate = self._corrected(estimate, out, reduction)
            if every or index == len(self.config.widths) - 1:
                kept.append(estimate)
        return kept

    def _seen(self, sides: list[list[Tensor]], time: Tensor, estimate: _Estimate | None, reduction: float) -> Tensor:
        """Assemble the input of a block: both images and their features, moved, the time, and the estimate so far."""
        if estimate is None:
            moved = [[resize(one, 1 / reduction) for one in side] for side in sides]
        else:
            flows = estimate.flow.split(2, dim=1)
            moved = [_moved(side, flow, reduction) for side, flow in zip(sides, flows)]
        image = moved[0][0]
        # All of both images comes before all of both features.
        seen = [one for both in zip(*moved) for one in both]
        seen.append(time.to(image.dtype).expand(-1, 1, *image.shape[2:]))
        if estimate is not None:
            seen.append(resize(estimate.mask, 1 / reduction))
            if estimate.carried is not None:
                seen.append(_handed_on(estimate.carried, reduction))
            seen.append((resize(estimate.flow, 1 / reduction) / reduction).to(image.dtype))
        return torch.cat(seen, dim=1)

    def _corrected(self, estimate: _Estimate | None, out: Tensor, reduction: float) -> _Estimate:
        """Correct the estimate so far by a block's output (B, outputs, H / reduction, W / reduction)."""
        carried = out[:, _FLOWS + 1 : _FLOWS + 1 + self.config.carried] if self.config.carried else None
        flow = resize(as_coordinates(out[:, :_FLOWS]), reduction) * reduction
        mask = resize(out[:, _FLOWS : _FLOWS + 1], reduction)
        if estimate is not None:
            flow = estimate.flow + flow
            mask = estimate.mask + mask if self.config.mask_adds_up else mask
        return _Estimate(flow, mask, carried)


class _Block(nn.Module):
    """Corrections of flow and mask, from what a quarter of the size shows."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halving(inputs, width // 2), _halving(width // 2, width))
        self.convblock = nn.Sequential(*(_Residual(width) for _ in range(8)))
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * outputs, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lastconv(self.convblock(self.conv0(x)))
        return out


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True))


class _Residual(nn.Module):
    """x + beta * conv(x): beta, one number a channel, is learned. It is multiplied into the kernel, not the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        assert self.conv.bias is not None
        share = self.beta.flatten()
        change = functional.conv2d(x, self.conv.weight * share[:, None, None, None], self.conv.bias * share, padding=1)
        return functional.leaky_relu(change + x, 0.2, inplace=True)


class _Encoder(nn.Module):
    """Features of an image at its own size, by way of half of it."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, 16, 3, 2, 1)
        self.cnn1 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(16, outputs, 4, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = functional.leaky_relu(layer(x), 0.2, inplace=True)
        out: Tensor = self.cnn3(x)
        return out


def _moved(side: list[Tensor], flow: Tensor, reduction: float) -> list[Tensor]:
    """Move all that belongs to one image by its flow (B, 2, H, W) at full size, then reduce it.

    Bilinear reduction by an even number reads the four pixels in the middle of each block and no others, so from 4 on
    only they are moved: a quarter of the pixels at 4, a sixteenth at 8.
    """
    if reduction < 4:
        return [resize(one, 1 / reduction) for one in backward_warp(side, flow, padding="border")]
    middle = _at_middles(flow, int(reduction))
    return [functional.avg_pool2d(one, 2) for one in backward_warp(side, middle, padding="border")]


def _at_middles(flow: Tensor, block: int) -> Tensor:
    """Pick the flow of the middle four pixels of each block, (B, 2, 2 H / block, 2 W / block).

    The flow of a pixel is counted from its place in the new, smaller tensor.
    """
    batch, _, height, width = flow.shape
    rows, columns = height // block, width // block
    middle = slice(block // 2 - 1, block // 2 + 1)
    kept = flow.reshape(batch, 2, rows, block, columns, block)[:, :, :, middle, :, middle]
    kept = kept.reshape(batch, 2, 2 * rows, 2 * columns)
    x = torch.arange(2 * columns, device=flow.device) // 2 * (block - 2) + block // 2 - 1
    y = torch.arange(2 * rows, device=flow.device) // 2 * (block - 2) + block // 2 - 1
    return torch.cat([kept[:, :1] + x, kept[:, 1:] + y[:, None]], dim=1)


def _handed_on(carried: Tensor, reduction: float) -> Tensor:
    """Resize a block's features to the size of the next one, which works at 1 / reduction.

    They go by way of full size. Down to there that is the same as doubling: between two pixels of the smaller size
    the enlarged one is linear, and reduction averages symmetrically around the places that doubling reads.
    """
    return resize(carried, 2) if reduction >= 1 else resize(resize(carried, 2 * reduction), 1 / reduction)
