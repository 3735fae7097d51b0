"""Frames between keyframes, from an interpolation network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from photoflow.models.precision import fast_inference
from photoflow.render.renderer import Renderer

Array = np.ndarray[Any, Any]

STILL = 3  # of 255: what an interpolation changes by no more, where both keyframes agree, stands still


class Interpolator(Protocol):
    """`photoflow.models.ifnet.IFNet` or `photoflow.models.amt.AMT`, or what is called like them."""

    def __call__(self, img0: Tensor, img1: Tensor, t: float) -> Tensor:
        """The frame (B, 3, H, W) at `t` in [0, 1] between two, RGB in [0, 1]."""


class InterpolatedRenderer:
    """Draws keyframes with another renderer, and the frames between them by interpolation.

    Keyframes lie evenly over the clip, with one at its beginning and one at its end. What stands still in both
    keyframes, and in what the network makes of them, is theirs to the bit.

    Args:
        keyframes: draws them.
        network: the interpolator, on `device`.
        seconds: length of the clip.
        rate: keyframes a second, about.
        device: where the network runs.

    Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022, and Li et
    al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", CVPR 2023, for the networks.
    """

    def __init__(
        self, keyframes: Renderer, network: Interpolator, seconds: float, rate: float, device: str = "cpu"
    ) -> None:
        self.keyframes, self._network, self._device = keyframes, network, device
        self._step = seconds / max(1, round(seconds * rate))
        self._kept: OrderedDict[tuple[Any, float], Array] = OrderedDict()

    def frame(self, t: float) -> Array:
        """The picture at time `t` seconds: uint8 (H, W, 3)."""
        first, second, share = self._around(t, self.keyframes.frame)
        return first if share == 0 else self._between(first, second, share)

    def cutout(self, t: float) -> Array:
        """What moves alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied."""
        first, second, share = self._around(t, self.keyframes.cutout)
        if share == 0:
            return first
        # Colours are interpolated where they are opaque: over nothing they mean nothing.
        alpha = self._between(np.repeat(first[..., 3:], 3, 2), np.repeat(second[..., 3:], 3, 2), share)[..., :1]
        rgb = self._between(_premultiplied(first), _premultiplied(second), share)
        opacity = np.maximum(alpha.astype(np.float32) / 255, 1 / 510)
        return np.concatenate([np.clip(rgb / opacity + 0.5, 0, 255).astype(np.uint8), alpha], axis=2)

    def flow(self, t: float) -> Array:
        """Displacement of the photo's pixels at time `t`: (2, H, W) float32, 0 where nothing moves."""
        return self.keyframes.flow(t)

    def _around(self, t: float, draw: Callable[[float], Array]) -> tuple[Array, Array, float]:
        """The keyframes before and after `t`, and how far `t` is on the way from one to the other."""
        place = t / self._step
        before = int(np.floor(place + 1e-6))
        share = place - before
        first = self._kept_or_drawn(before * self._step, draw)
        if share < 1e-6:
            return first, first, 0.0
        return first, self._kept_or_drawn((before + 1) * self._step, draw), float(share)

    def _kept_or_drawn(self, t: float, draw: Callable[[float], Array]) -> Array:
        """A keyframe; the last ones stay at hand for the frames that follow."""
        key = (draw.__name__, t)
        if key not in self._kept:
            self._kept[key] = draw(t)
            if len(self._kept) > 2:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _between(self, first: Array, second: Array, share: float) -> Array:
        """The uint8 picture a share of the way from one to the other."""
        with torch.inference_mode(), fast_inference(self._device):
            made = self._network(self._planes(first), self._planes(second), share).float()
        drawn = made[0].permute(1, 2, 0).mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()
        same = (first == second).all(axis=2, keepdims=True)
        little = (np.abs(drawn.astype(np.int16) - first) <= STILL).all(axis=2, keepdims=True)
        return np.where(same & little, first, drawn)

    def _planes(self, picture: Array) -> Tensor:
        """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1] on the device."""
        planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        return planes.to(self._device).float() / 255


def _premultiplied(rgba: Array) -> Array:
    """uint8 colours times alpha."""
    return np.asarray(rgba[..., :3] * (rgba[..., 3:].astype(np.float32) / 255) + 0.5, dtype=np.uint8)
