"""Frames drawn by a generator: the splat generator, the pyramid generator, or the flow-guided one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow import ops
from photoflow.arrays import Array
from photoflow.device import fast_inference
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.splat_generator import SplatGenerator
from photoflow.render.fetching import interleaved
from photoflow.render.renderer import Renderer

_STILL = 1.0  # pixels
SEAM = 4  # pixels over which a generated region blends into the photo
RIM = 1 / 160  # of the photo's longer side: rim around the subject that may show some of it, and would stay behind


class FlowGuided(Protocol):
    """Interface of `photoflow.models.generator.FlowGuidedGenerator` and networks that are called like it."""

    def __call__(self, image: Tensor, mask: Tensor, flow: Tensor, warped: Tensor, occlusion: Tensor) -> Tensor:
        """Draw the picture (B, 3, H, W); colours, mask and occlusion are in [0, 1], the flow in pixels.

        Args:
            image: (B, 3, H, W), the photo.
            mask: (B, 1, H, W), the subject.
            flow: (B, 2, H, W).
            warped: (B, 3, H, W), the photo splatted along the flow.
            occlusion: (B, 1, H, W), 1 where nothing arrived.
        """


Generator = FlowGuided | SplatGenerator | PyramidGenerator


class GeneratedRenderer:
    """Renderer that draws the moving parts by a generator, from the photo and the flow.

    The photo is splatted along the flow. The generator sees the photo, the splatted photo, the mask, the flow and the
    holes where nothing arrived. Outside the old and new places of the moving parts, the frame equals the photo exactly.

    Args:
        exact: renderer that provides the flow, and the opacity of the moving parts.
        photo: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1], the moving parts.
        network: one of the generators, on `device`.
        device: device of the network.

    Source: "Photo animation by an explicit flow blueprint", the executor. Deviation: the photo is moved by softmax
    splatting, larger motion in front, which leaves holes open that backward warping would fill with ghosts.
    """

    def __init__(self, exact: Renderer, photo: Array, mask: Array, network: Generator, device: str = "cpu") -> None:
        self.exact, self._network, self._device = exact, network, device
        self._bytes = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None].to(device)
        self._photo = self._bytes.float() / 255
        self._rim = max(2, round(max(photo.shape[:2]) * RIM))
        self._mask = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None].to(device)
        self._weight: Tensor | None = None  # decides which of several pixels is in front; None: the frame's flow does

    @property
    def device(self) -> torch.device:
        """Return where it draws."""
        return self._bytes.device

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t`, seconds: uint8 (H, W, 3)."""
        return interleaved(self.planes(t))

    @ops.repeatable()
    @torch.inference_mode()
    def planes(self, t: float) -> Tensor:
        """Draw the picture at time `t`, seconds, as uint8 (3, H, W)."""
        return self._draw(self.exact.flow_planes(t)[None])[0]

    def cutout(self, t: float) -> Array:
        """Draw the moving parts alone at time `t`, seconds: uint8 (H, W, 4), RGB not premultiplied."""
        return interleaved(self.cutout_planes(t))

    def cutout_planes(self, t: float) -> Tensor:
        """Draw the moving parts alone at time `t`, seconds, as uint8 (4, H, W)."""
        return torch.cat([self.planes(t), self.exact.cutout_planes(t)[3:]])

    def flow(self, t: float) -> Array:
        """Return the photo's displacement at time `t`, seconds: (2, H, W) float32, pixels, 0 where nothing moves."""
        return self.exact.flow(t)

    def flow_planes(self, t: float) -> Tensor:
        """Return the photo's displacement at time `t`, seconds: (2, H, W) float32, pixels, where frames are drawn."""
        return self.exact.flow_planes(t)

    def _draw(self, flow: Tensor) -> Tensor:
        length = torch.hypot(flow[:, :1], flow[:, 1:])
        # Nothing else would be drawn, but a GPU does not wait to see that.
        if not flow.is_cuda and not length.any():
            return self._bytes
        moving = (length > 0).float()
        moved, occlusion = thrown(torch.cat([self._photo, moving], 1), flow, self._weight)
        arrived, landed = moved[:, :3].contiguous(), moved[:, 3:]
        if isinstance(self._network, SplatGenerator | PyramidGenerator):
            rim = _grown(moving, self._rim) * (1 - moving) * _grown(occlusion, self._rim)
            flow = flow.masked_fill(rim > 0, torch.nan)
            occlusion = torch.maximum(occlusion, rim * (landed < 0.5))
        with fast_inference(self._device):
            generated = draw(self._network, self._photo, self._mask, flow, arrived, occlusion, self._weight)
        touched = torch.maximum(torch.maximum(moving, occlusion), (landed > 0).float())
        share = _softened(touched)
        mixed = self._photo + share * (generated - self._photo)
        colours = mixed.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
        return torch.where(share > 0, colours, self._bytes)


def draw(
    network: Generator,
    image: Tensor,
    mask: Tensor,
    flow: Tensor,
    warped: Tensor,
    occlusion: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """Call a generator of any kind with the arguments that it expects.

    Args:
        network: a `SplatGenerator`, which splats the photo itself and takes photo, mask and flow; a `PyramidGenerator`,
            which takes photo, flow and weight; or a flow-guided generator, which takes the first five arguments.
        image: (B, 3, H, W) in [0, 1].
        mask: (B, 1, H, W) in [0, 1], the subject.
        flow: (B, 2, H, W), pixels.
        warped: (B, 3, H, W), the photo splatted along the flow.
        occlusion: (B, 1, H, W), 1 where nothing arrived.
        weight: (B, 1, H, W), pixels, weight of each pixel where several arrive; None: it follows from the flow.

    Returns:
        (B, 3, H, W), float32.
    """
    drawn: Tensor
    if isinstance(network, SplatGenerator):
        drawn = network(image, mask, flow)
    elif isinstance(network, PyramidGenerator):
        drawn = network(image, flow, weight)
    else:
        drawn = network(image, mask, flow, warped, occlusion)
    return drawn.float()


def moving(flow: Tensor) -> Tensor:
    """Return a mask of the pixels that move by more than a pixel, to be used as the subject if no mask is known.

    Args:
        flow: (B, 2, H, W), pixels.

    Returns:
        (B, 1, H, W) float32, 0 or 1; 1 everywhere in a sample where nothing moves.
    """
    moves = (flow.norm(dim=1, keepdim=True) > _STILL).float()
    return torch.where(moves.amax((1, 2, 3), keepdim=True) > 0, moves, 1.0)


def thrown(planes: Tensor, flow: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Move planes along a flow by softmax splatting, larger motion in front, as in `SubjectLayer`.

    Args:
        planes: (B, C, H, W).
        flow: (B, 2, H, W), pixels.
        weight: (B, 1, H, W), pixels, used as the length of the motion; None: the length of the flow.

    Returns:
        The planes at their new places, and (B, 1, H, W), 1 where less than half a pixel arrived, 0 elsewhere.
    """
    length = torch.hypot(flow[:, :1], flow[:, 1:]) if weight is None else weight
    metric = 4 * length / length.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
    arrived, coverage = ops.forward_splat(planes, flow, metric, mode="softmax")
    return arrived, (coverage < 0.5).float()


def _grown(region: Tensor, pixels: int) -> Tensor:
    """Dilate a region (B, 1, H, W) of 0 and 1 by some pixels."""
    side = 2 * pixels + 1
    return F.max_pool2d(F.max_pool2d(region, (side, 1), 1, (pixels, 0)), (1, side), 1, (0, pixels))


def _softened(touched: Tensor) -> Tensor:
    """Soften a region (B, 1, H, W): 1 where it is 1, falling to 0 within `SEAM` pixels around it."""
    side = 2 * SEAM + 1
    grown = _grown(touched, SEAM)
    faded = F.avg_pool2d(grown, side, 1, SEAM, count_include_pad=False)
    return torch.maximum(touched, faded * grown)
