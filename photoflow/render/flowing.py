"""Regions that stay in place while what is in them flows: water, clouds, smoke."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.motion import DrawnField, InPlaceField, Motion, Scene
from photoflow.motion.within import WithinField
from photoflow.render.cutout import crop, support
from photoflow.render.region import Window, coarse

CELL = 0.12  # of the picture's longest side: from one patch that changes over to the next
SPREAD = 0.5  # how far apart in weight the first and the last patch change over
FRONT = 0.35  # of weight: how long one patch takes; SPREAD + FRONT <= 1, or no moment is the photo alone
ALONE = (SPREAD + FRONT) / 2  # from a weight of 1/2 on, one pass is all there is
HASTE = 8.0  # times the difference in brightness, 0 to 1, by which a patch is quicker
BLOCK = 8  # pixels: the side of the blocks whose detail is compared
LIFT = 1.6  # the most by which detail is lifted
SKETCH = 4  # pixels from one node to the next of the first look at a motion
CLEARANCE = 0.006  # of the picture's longest side: the soft edge along what stands in the region


class FlowingLayer:
    """A region that stays in place while what is in it flows on.

    Where two passes show, they dissolve into each other in patches, one after the other, and the detail that is lost
    while both show in one place is lifted to what they have: nothing is seen twice for long, nor is it soft.

    Args:
        rgb: uint8 (H, W, 3), the photo.
        alpha: float32 (H, W) in [0, 1], the region.
        motion: an in-place motion, or another one, which then fades towards the region's edge.
        standing: float32 (H, W) in [0, 1], the opacity of what stands in the region and stays: it is left out with a
            soft edge, and what flows comes to rest there.
        scale, seconds, loop, device: see `photoflow.motion.Scene`.
        name: of the layer.
    """

    def __init__(
        self, rgb: Array, alpha: Array, motion: Motion, *, scale: float, seconds: float, loop: bool, device: str,
        standing: Array | None = None, name: str = "",
    ) -> None:  # fmt: skip
        alpha = alpha if standing is None else without(alpha, standing)
        self.motion, self.name, self._timing = motion, name, (scale, seconds, loop, device)
        self.box = box = support(alpha)
        self._size = alpha.shape
        self._region = np.ascontiguousarray(crop(alpha, box))
        self._picture = np.ascontiguousarray(crop(rgb, box))
        self.field_over(SKETCH)  # a motion that cannot be is refused at once
        self._window = slice(box[1], box[3]), slice(box[0], box[2])

    def field_over(self, step: int) -> InPlaceField:
        """Return the motion over `box`, on a grid of every `step`th pixel, and in such steps."""
        scale, seconds, loop, device = self._timing
        (left, top, *_), (height, width) = self.box, self._size
        scene = Scene(
            coarse(self._region, step), (left / step, top / step), scale / step, seconds, loop, device,
            (width / step, height / step),
        )  # fmt: skip
        own = self.motion.in_place or self.motion.inside
        field = self.motion.field(scene) if own else WithinField.of(self.motion, scene)
        assert isinstance(field, InPlaceField)
        return field

    @cached_property
    def field(self) -> InPlaceField:
        """Return the motion over `box`, pixels."""
        return self.field_over(1)

    @cached_property
    def order(self) -> Array:
        """Return when each block of pixels changes over from one pass to the next, see `ranked_noise`."""
        return ranked_noise(self._region.shape, CELL * max(self._size))

    @property
    def rgba(self) -> Array:
        """Return the region at rest, uint8 (h, w, 4) over `box`, RGB not premultiplied."""
        return np.dstack([self._picture, np.rint(255 * self._region).astype(np.uint8)])

    @cached_property
    def _rgb(self) -> Tensor:
        planes = np.ascontiguousarray(self._picture.transpose(2, 0, 1), dtype=np.float32) / 255
        return torch.from_numpy(planes)[None].to(self._timing[3])

    @cached_property
    def _alpha(self) -> Tensor:
        return torch.from_numpy(self._region)[None].to(self._timing[3])

    @cached_property
    def _order(self) -> Tensor:
        return torch.from_numpy(self.order).to(self._timing[3])

    def render(self, t: float) -> tuple[Tensor, Window]:
        if isinstance(self.field, DrawnField):
            colours = self.field.draw(self._rgb, t)[0]
            return torch.cat([colours.clamp_(0, 1) * self._alpha, self._alpha]), self._window
        passes = [(flow, weight) for flow, weight in self.field.sources(t) if weight > 0.5 - ALONE]
        shown = [self._read(flow) for flow, _ in passes]
        if len(shown) == 1:
            colours = shown[0]
        else:
            colours = dissolved(shown[0], shown[1], SPREAD * self._order + (passes[0][1] - 0.5))
        return torch.cat([colours.clamp_(0, 1) * self._alpha, self._alpha]), self._window

    def _read(self, flow: Tensor) -> Tensor:
        # Bicubic: linear reading is sharp at whole pixels and soft between them, so that the water would pulse.
        return ops.backward_warp(self._rgb, flow[None], mode="bicubic", padding="reflection")[0]

    def cutout(self, t: float) -> tuple[Tensor, Window]:
        return self.render(t)

    def flow(self, t: float) -> tuple[Tensor, Window]:
        """Return the displacements as any layer does, within half a period: then the material starts again."""
        return self.field.flow(t) * (self._alpha > 0.5), self._window


def without(alpha: Array, standing: Array) -> Array:
    """Return a region's opacity without what stands in it, both float32 (H, W), with a soft edge along that.

    A region of which nothing would be left is returned as it is.
    """
    width = max(1, round(CLEARANCE * max(alpha.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (4 * width + 1, 4 * width + 1))
    taken = cv2.GaussianBlur(cv2.dilate(standing, kernel), (0, 0), width)
    left: Array = alpha * (1 - np.maximum(taken, standing))
    return left if (left > 0.5).any() else alpha


def ranked_noise(size: tuple[int, ...], cell: float) -> Array:
    """Draw smooth noise of which every value is as frequent as any other, in [-0.5, 0.5].

    Args:
        size: (H, W), pixels.
        cell: pixels from one feature to the next.

    Returns:
        (ceil(H / 8), ceil(W / 8)) float32, a value for each block.
    """
    height, width = size
    draw = np.random.Generator(np.random.PCG64(11))
    nodes = draw.uniform(size=[max(2, round(side / cell) + 2) for side in size]).astype(np.float32)
    noise = cv2.resize(nodes, (-(-width // BLOCK), -(-height // BLOCK)), interpolation=cv2.INTER_CUBIC)
    ranks = np.empty(noise.size, np.float32)
    ranks[noise.ravel().argsort(kind="stable")] = np.linspace(-0.5, 0.5, noise.size, dtype=np.float32)
    return np.asarray(ranks.reshape(noise.shape))


def dissolved(first: Tensor, second: Tensor, ahead: Tensor) -> Tensor:
    """Mix two pictures by place without loss of detail.

    out = B + w (A - B), whose high band is lifted by sqrt((w E_A + (1 - w) E_B) / E_out), 1 to `LIFT`, with E the
    energy of a picture's high band in blocks of 8 x 8 pixels. The more the pictures differ, the faster one takes the
    place of the other: w = S(1/2 + ahead (1 + HASTE |A - B|) / FRONT), with S a smoothstep.

    Args:
        first: A, (3, H, W) in [0, 1].
        second: B, likewise.
        ahead: (ceil(H / 8), ceil(W / 8)) in [-1, 1], by how much of weight a block is past the middle of its change
            to A.

    Returns:
        (3, H, W), which may leave [0, 1] a little.
    """
    height, width = first.shape[1:]
    both = torch.stack([grey(first), grey(second)])
    apart = F.avg_pool2d(block_means((both[:1] - both[1:]).abs_()), 3, 1, 1)
    share = ((1 + HASTE * apart[0]) / FRONT * ahead + 0.5).clamp_(0, 1)
    share = share * share * (3 - 2 * share)
    weight = dense(share, height, width)
    bands = high_band(both)
    band = torch.lerp(bands[1], bands[0], weight)  # the weight is smooth, so it has no share in the high band
    energy = block_means(torch.cat([bands * bands, (band * band)[None]]))
    wanted = torch.lerp(energy[1], energy[0], share)
    gain = (wanted / energy[2].clamp_min(1e-8)).sqrt_().clamp_(1, LIFT) - 1
    return torch.lerp(second, first, weight).add_(band.mul_(dense(gain, height, width)))


def dense(blocks: Tensor, height: int, width: int) -> Tensor:
    """Interpolate the values of blocks to every pixel: (h, w) -> (height, width)."""
    planes = F.interpolate(blocks[None, None], scale_factor=BLOCK, mode="bilinear", align_corners=False)
    return planes[0, 0, :height, :width]


def grey(picture: Tensor) -> Tensor:
    """Return the brightness of a picture (3, H, W): (H, W)."""
    return (0.299 * picture[0]).add_(picture[1], alpha=0.587).add_(picture[2], alpha=0.114)


def high_band(planes: Tensor) -> Tensor:
    """Return planes (C, H, W) less their binomial blur over three by three pixels; 0 along the border."""
    band = torch.zeros_like(planes)
    if min(planes.shape[1:]) > 2:
        rows = (planes[:, :-2] + planes[:, 2:]).add_(planes[:, 1:-1], alpha=2)
        low = (rows[..., :-2] + rows[..., 2:]).add_(rows[..., 1:-1], alpha=2)
        torch.sub(planes[:, 1:-1, 1:-1], low, alpha=1 / 16, out=band[:, 1:-1, 1:-1])
    return band


def block_means(planes: Tensor) -> Tensor:
    """Return the means of planes (C, H, W) over blocks of 8 x 8 pixels, also over those that the border cuts."""
    return F.avg_pool2d(planes, BLOCK, ceil_mode=True)
