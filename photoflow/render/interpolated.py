"""Frames between keyframes, drawn by an interpolation network."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from photoflow import ops
from photoflow.arrays import Array
from photoflow.device import fast_inference
from photoflow.models.dis import DISInterpolation, RefinedInterpolation, dis_interpolation, flow_candidates
from photoflow.models.ifnet import IFNet
from photoflow.render.fetching import interleaved
from photoflow.render.renderer import Renderer

LARGE = 2560  # pixels; a longer frame's flow is estimated at half its size, as RIFE's author advises for 4K
STILL = 3  # of 255: where both keyframes agree, smaller changes by the network count as none


class FrameMaker:
    """Interpolation of uint8 pictures by a network.

    Args:
        network: `photoflow.models.ifnet.IFNet`, `photoflow.models.amt.AMT` or
            `photoflow.models.dis.RefinedInterpolation`, with its weights, or
            `photoflow.models.dis.DISInterpolation`; it is moved to `device`.
        device: device of the network.
    """

    def __init__(self, network: nn.Module, device: str) -> None:
        self._network, self._device = network.to(device), device
        # Of the last two pictures, as each is used often.
        self._planes: deque[tuple[Array | Tensor, Tensor]] = deque(maxlen=2)
        self._known: tuple[Tensor, Tensor, Any] | None = None  # the last two planes, and the motion between them

    def __call__(self, before: Array, after: Array, t: float) -> Array:
        """Draw the picture between two pictures.

        Args:
            before: uint8 (H, W, 3), or (H, W, 4) with straight alpha.
            after: like `before`, a frame later.
            t: time between them, in (0, 1).

        Returns:
            uint8 of the same shape. Colours are weighted by their opacity; alpha moves with them.
        """
        return interleaved(self.planes(before, after, t))

    @ops.repeatable()
    def planes(self, before: Array | Tensor, after: Array | Tensor, t: float) -> Tensor:
        """Draw the picture between two, arrays or uint8 planes (C, H, W) on the device, as such planes."""
        first, second = self._on_device(before), self._on_device(after)
        with torch.inference_mode(), fast_inference(self._device):
            has_alpha = first.shape[1] == 4
            options = self._options(first, second)
            made = self._network(first[:, :3], second[:, :3], t, details=has_alpha, **options)
            if not has_alpha:
                return _as_bytes(made)
            opacity = made.carry(first[:, 3:], second[:, 3:]).float()
            colours = made.frame.float() / opacity.clamp_min(1 / 510)
            return _as_bytes(torch.cat([colours, opacity], dim=1))

    def _options(self, first: Tensor, second: Tensor) -> dict[str, Any]:
        """Return the network's additional arguments for two images (1, 3 or 4, H, W)."""
        network, options = self._network, dict[str, Any]()
        if isinstance(network, IFNet) and max(first.shape) > LARGE:
            options["scale"] = 0.5
        if isinstance(network, DISInterpolation):
            options["flows"] = self._measured(first, second, dis_interpolation.measured)
        if isinstance(network, RefinedInterpolation):
            options["candidates"] = self._measured(first, second, flow_candidates.measured)
        return options

    def _measured(self, first: Tensor, second: Tensor, measure: Callable[[Tensor, Tensor], Any]) -> Any:
        """Measure the motion between two images, once for all frames between them."""
        if self._known is None or self._known[0] is not first or self._known[1] is not second:
            self._known = first, second, measure(first[:, :3], second[:, :3])
        return self._known[2]

    def _on_device(self, picture: Array | Tensor) -> Tensor:
        """Convert a picture to float32 (1, C, H, W) in [0, 1] on the device, colours multiplied by alpha."""
        for known, planes in self._planes:
            if known is picture:
                return planes
        if isinstance(picture, Tensor):
            planes = picture[None].float() / 255
        else:
            there = torch.from_numpy(picture).to(self._device, non_blocking=True)
            planes = there.permute(2, 0, 1)[None].float() / 255
        if planes.shape[1] == 4:
            planes = torch.cat([planes[:, :3] * planes[:, 3:], planes[:, 3:]], dim=1)
        planes = planes.contiguous()
        self._planes.append((picture, planes))
        return planes


def _as_bytes(planes: Tensor) -> Tensor:
    """Convert the planes of a picture (1, C, H, W) in [0, 1] to uint8 (C, H, W)."""
    return planes[0].float().mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Measure by how much two pictures, uint8 (C, H, W), differ in any channel: uint8 (H, W)."""
    difference = torch.maximum(one, other) - torch.minimum(one, other)
    return functools.reduce(torch.maximum, difference.unbind(0))


class InterpolatedRenderer:
    """Renderer that draws keyframes with another renderer, and the frames between them by interpolation.

    Keyframes are spaced evenly over the clip, with one at its beginning and one at its end. Pixels that are equal in
    both keyframes, and that the network hardly changes, are copied from them exactly.

    Args:
        keyframes: renderer of the keyframes.
        network: see `FrameMaker`.
        seconds: length of the clip.
        rate: approximate number of keyframes a second.
        device: device of the network.

    Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022, and Li et
    al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", CVPR 2023, for the networks.
    """

    def __init__(
        self, keyframes: Renderer, network: nn.Module, seconds: float, rate: float, device: str = "cpu"
    ) -> None:
        self.keyframes, self._make = keyframes, FrameMaker(network, device)
        self._step = seconds / max(1, round(seconds * rate))
        self._kept: OrderedDict[tuple[str, int], Tensor] = OrderedDict()

    @property
    def device(self) -> torch.device:
        """Return where it draws."""
        return self.keyframes.device

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t`, seconds: uint8 (H, W, 3)."""
        return interleaved(self.planes(t))

    def planes(self, t: float) -> Tensor:
        """Draw the picture at time `t`, seconds, as uint8 (3, H, W)."""
        return self._drawn("frame", self.keyframes.planes, t)

    def cutout(self, t: float) -> Array:
        """Draw the moving parts alone at time `t`, seconds: uint8 (H, W, 4), RGB not premultiplied."""
        return interleaved(self.cutout_planes(t))

    def cutout_planes(self, t: float) -> Tensor:
        """Draw the moving parts alone at time `t`, seconds, as uint8 (4, H, W)."""
        return self._drawn("cutout", self.keyframes.cutout_planes, t)

    def flow(self, t: float) -> Array:
        """Return the photo's displacement at time `t`, seconds: (2, H, W) float32, pixels, 0 where nothing moves."""
        return self.keyframes.flow(t)

    def flow_planes(self, t: float) -> Tensor:
        """Return the photo's displacement at time `t`, seconds: (2, H, W) float32, pixels, where frames are drawn."""
        return self.keyframes.flow_planes(t)

    def _drawn(self, kind: str, draw: Callable[[float], Tensor], t: float) -> Tensor:
        """Return the keyframe at time `t`, or else draw the picture between its two neighbours."""
        number = math.floor(t / self._step + 1e-6)
        share = t / self._step - number
        first = self._keyframe(kind, draw, number)
        if share < 1e-6:
            return first
        second = self._keyframe(kind, draw, number + 1)
        made = self._make.planes(first, second, share)
        stands_still = (_apart(first, second) == 0).logical_and_(_apart(made, first) <= STILL)
        return torch.where(stands_still, first, made)

    def _keyframe(self, kind: str, draw: Callable[[float], Tensor], number: int) -> Tensor:
        """Return a keyframe; the last two are kept for the frames that follow."""
        if (kind, number) not in self._kept:
            self._kept[kind, number] = draw(number * self._step)
        self._kept.move_to_end((kind, number))
        while len(self._kept) > 2:
            self._kept.popitem(last=False)
        return self._kept[kind, number]
