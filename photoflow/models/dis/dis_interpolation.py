"""A frame between two others from DIS flow alone, without weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models._contract import check_planes
from photoflow.models.dis.dis import DIS
from photoflow.models.frame_pair import Interpolated, as_coordinates, check_pair, time_of
from photoflow.ops import backward_warp

_AROUND = 4  # pixels: what looks alike is judged by a square of 9
_DECIDED = 0.02  # of unlikeness in [0, 1]: by so much less, a way has 73 % of the pixel
_SHARP = 0.04  # of unlikeness: where it is so large, bicubic reading has 37 % of the pixel


class DISInterpolation(nn.Module):
    """The frame at time t between two images, from the flows between them.

    A pixel of the new frame moves either as the pixel of the first image at its place does, or as that of the second:
    more as the one by which both images look alike around it. Where they do, they are read sharply (bicubic), elsewhere
    softly (linear). It has no parameters.

    Plain warping reads each image by the flow of the other's pixels; here both halves of a way are one motion.
    """

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        t: float | Tensor = 0.5,
        details: bool = False,
        flows: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | Interpolated:
        """Make the frame at time t.

        Args:
            img0: (B, 3, H, W), RGB in [0, 1], the frame at time 0.
            img1: (B, 3, H, W), the frame at time 1.
            t: time from 0 to 1, or a tensor of them, B or (B, 1, 1, 1).
            details: return flows and mask too: those of the likelier way.
            flows: from `img0` to `img1` and back, (B, 2, H, W) each, pixels; None: `measured`.

        Returns:
            The frame, (B, 3, H, W) of the images' dtype, or `Interpolated`.

        Raises:
            ValueError, TypeError: a wrong shape, dtype or time.
        """
        check_pair("DISInterpolation", img0, img1)
        time = time_of("DISInterpolation", t, img0, ends=True)
        ways = two_ways("DISInterpolation", img0, img1, time, flows)
        softly = [moved(img0, img1, way) for way in ways]
        sharply = [moved(img0, img1, way, "bicubic") for way in ways]
        one, other = (unlikeness(*pair) for pair in softly)
        share = torch.sigmoid((other - one) / _DECIDED)
        linear, bicubic = (
            torch.lerp((second[0] + second[1]) / 2, (first[0] + first[1]) / 2, share)
            for first, second in (softly, sharply)
        )
        frame = torch.lerp(linear, bicubic, torch.exp(-torch.minimum(one, other) / _SHARP)).clamp(0, 1)
        if not details:
            return frame
        likelier = torch.where(one <= other, *ways)
        return Interpolated(frame, likelier[:, :2], likelier[:, 2:], torch.full_like(likelier[:, :1], 0.5))


def measured(img0: Tensor, img1: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the flows between two images by DIS at full resolution, on the CPU.

    Args:
        img0: (B, 3, H, W), RGB in [0, 1].
        img1: the same.

    Returns:
        From `img0` to `img1` and back, (B, 2, H, W) float32 each, pixels. The frames of all
        times are made from the same flows.
    """
    measure = DIS(whole=True)
    return measure(img0, img1), measure(img1, img0)


def two_ways(
    name: str, img0: Tensor, img1: Tensor, time: Tensor, flows: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Return two flows from the frame at `time` to both images, (B, 4, H, W) each.

    By the first, the frame's pixels move as those of `img0` at their place do; by the second, as those of `img1`.

    Raises:
        ValueError, TypeError: flows of a wrong shape or dtype; the message begins with `name`.
    """
    flows = measured(img0, img1) if flows is None else flows
    for which, flow in zip(("flows[0]", "flows[1]"), flows):
        check_planes(name, which, flow, 2, beside=img0)
    forth, back = (as_coordinates(flow) for flow in flows)
    one, other = (torch.cat([-time * flow, (1 - time) * flow], dim=1) for flow in (forth, -back))
    return one, other


def moved(img0: Tensor, img1: Tensor, way: Tensor, mode: str = "bilinear") -> tuple[Tensor, Tensor]:
    """Read both images (B, 3, H, W), each along its half of a way (B, 4, H, W)."""
    flow0, flow1 = way.split(2, dim=1)
    return backward_warp(img0, flow0, mode=mode, padding="border"), backward_warp(
        img1, flow1, mode=mode, padding="border"
    )


def unlikeness(moved0: Tensor, moved1: Tensor) -> Tensor:
    """Average the difference of two images (B, 3, H, W) over the square around each pixel: (B, 1, H, W)."""
    difference = (moved0 - moved1).abs().mean(dim=1, keepdim=True)
    around = functional.pad(difference, (_AROUND,) * 4, mode="replicate")
    return functional.avg_pool2d(around, 2 * _AROUND + 1, stride=1)
