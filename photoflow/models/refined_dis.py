"""Optical flow from DIS and the affine motions in it, chosen from pixel by pixel by a small network."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.models.affine_motions import AffineMotion, affine_motions, missed_motions
from photoflow.models.dis import DIS, consistent, grey
from photoflow.ops import backward_warp

MOTIONS, MISSED = 4, 3  # affine ones, beside the flow itself
CANDIDATES = 1 + MOTIONS + MISSED
_FINE = 2  # by which the pictures are reduced for the choice
_LARGE, _APART = 16.0, 4.0  # pixels: in units of these flows and differences of flows are seen
_LIKELY = 2.0  # more, before its softmax, has what `CompletedDIS` would choose


class Candidates(NamedTuple):
    """What the flow of each pixel may be.

    Args:
        flows: (B, 8, 2, H, W) float32, pixels: that of DIS; the 4 affine motions that most of its pixels agree on; and
            3 that it has missed. Where there are fewer, the first motion again, and where there is none, DIS again.
        shares: how many of the pixels or features that were asked agree on each, (B, 8); 0 for those that repeat
            others.
        back: DIS from the second image to the first, (B, 2, H, W).
    """

    flows: Tensor
    shares: Tensor
    back: Tensor


class RefinedDIS(nn.Module):
    """DIS at full resolution, and the affine motions of background and objects: a network weighs them.

    DIS blurs the edges of what moves, what is hidden in the second image it can only guess, and small things that move
    far it does not find. Affine motions, fitted to the pixels whose flow is certain and to features of what is lost,
    have none of these faults, but do not say which pixel moves by which. The network sees how well each candidate fits
    at each pixel, gives each a weight, and adds a small correction.

    Args:
        weights: name in the registry of weights, or a file of them; None: untrained.

    Raises:
        WeightsError: the weights are not to be had, or are those of another network.

    Source: choosing among candidate flows: Lempitsky et al., "FusionFlow: Discrete-Continuous Optimization for Optical
    Flow Estimation", CVPR 2008; here the choice is learned, and soft.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        # Of each pixel colour and every candidate's fit; of four pixels together the candidates' flows, how far they
        # are from the flow back and from DIS, whether they stay inside, and their shares; and where DIS is sure.
        self.choice = _UNet(_FINE**2 * (3 + CANDIDATES) + CANDIDATES * 6 + 1, (32, 48, 64), _FINE**2 * (CANDIDATES + 2))
        if weights is not None:
            self.load(weights)

    def load(self, weights: str | Path, *, offline: bool = False, accept_licence: bool = False) -> None:
        """Load weights.

        Raises:
            WeightsError: the weights are not to be had, or are those of another network.
        """
        from photoflow.models.weights import load_weights

        load_weights(self, weights, offline=offline, accept_licence=accept_licence)

    def forward(self, image1: Tensor, image2: Tensor, candidates: Candidates | None = None) -> Tensor:
        """Where each pixel of `image1` is in `image2`.

        Args:
            image1: (B, 3, H, W) RGB in [0, 1], any floating-point dtype.
            image2: another of the same shape.
            candidates: what is chosen from; None: `measured`.

        Returns:
            (B, 2, H, W) float32, pixels.

        Raises:
            ValueError, TypeError: the images have the wrong or different shapes or dtypes.
        """
        check_planes("RefinedDIS", "image1", image1, 3)
        check_planes("RefinedDIS", "image2", image2, 3, beside=image1)
        flows, shares, back = measured(image1, image2) if candidates is None else candidates
        margins = margins_to(image1, 4 * _FINE)
        image1, image2, back = (padded(x, margins) for x in (image1, image2, back))
        flows = padded(flows.flatten(1, 2), margins).unflatten(1, (-1, 2))
        with torch.no_grad():
            sure = consistent(flows[:, 0], back)
            seen = _seen(image1, image2, flows, shares, back, sure)
            first = torch.where(sure, 0, 1)
            likely = _LIKELY * torch.cat([first == index for index in range(CANDIDATES)], 1).float()
        chosen = functional.pixel_shuffle(self.choice(seen.to(image1.dtype)), _FINE).float()
        weights = (likely + chosen[:, :CANDIDATES]).softmax(1)
        return cropped((weights[:, :, None] * flows).sum(1) + chosen[:, CANDIDATES:], margins)


class _UNet(nn.Module):
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


@torch.no_grad()
def measured(image1: Tensor, image2: Tensor) -> Candidates:
    """What the flow from `image1` to `image2` may be, by DIS, on the CPU."""
    measure = DIS(whole=True)
    forth, back = measure(image1, image2), measure(image2, image1)
    sure1, sure2 = (consistent(*pair)[:, 0].cpu() for pair in ((forth, back), (back, forth)))
    flows, shares = [], []
    for flow, asked, other, one, two in zip(forth.cpu(), sure1, sure2, grey(image1), grey(image2)):
        motions = affine_motions(flow, asked, MOTIONS)
        first = motions[0].carried if motions else flow
        motions += [AffineMotion(first, 0.0)] * (MOTIONS - len(motions))
        known = torch.stack([flow, *(motion.carried for motion in motions)])
        motions += missed_motions(one, two, ~asked, ~other, known, MISSED)
        motions += [AffineMotion(first, 0.0)] * (MOTIONS + MISSED - len(motions))
        flows.append(torch.stack([flow, *(motion.carried for motion in motions)]))
        shares.append(torch.tensor([1.0, *(motion.share for motion in motions)]))
    return Candidates(torch.stack(flows).to(forth), torch.stack(shares).to(forth), back)


def _seen(image1: Tensor, image2: Tensor, flows: Tensor, shares: Tensor, back: Tensor, sure: Tensor) -> Tensor:
    """What the choice is made from: (B, C, H / 2, W / 2)."""
    inside = torch.ones_like(back[:, :1])
    fits, about = [], []
    for flow, share in zip(flows.unbind(1), shares.unbind(1)):
        fits.append((backward_warp(image2, flow, padding="border") - image1).abs().mean(1, keepdim=True))
        off = flow + backward_warp(back, flow, padding="border")
        about += [(flow / _LARGE).tanh(), _far(off), _far(flow - flows[:, 0]), backward_warp(inside, flow)]
        about.append(share[:, None, None, None] * inside)
    fine = functional.pixel_unshuffle(torch.cat([image1, *fits], 1), _FINE)
    coarse = functional.avg_pool2d(torch.cat([*about, sure.to(back)], 1), _FINE)
    return torch.cat([fine, coarse.to(fine.dtype)], 1)


def _far(difference: Tensor) -> Tensor:
    """How far flows (B, 2, H, W) are apart, from 0 to 1."""
    return difference.square().sum(1, keepdim=True).sqrt().div(_APART).tanh()
