"""Benchmark of backward_warp against a grid with grid_sample, the same compiled, and cv2.remap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ops.measure import OURS, PLAIN, Case, Method
from photoflow.ops import backward_warp

SHAPES = ((1, 3, 1080, 1920), (8, 64, 384, 512), (4, 3, 384, 512))
REMAP_DIFFERENCE = 0.03  # cv2.remap rounds positions to 1/32 pixel, which is visible on noise


def cases(device: str, quick: bool) -> Iterator[Case]:
    """Yield the bilinear cases in both precisions, and one bicubic."""
    half = torch.float16 if device == "cuda" else torch.bfloat16
    for shape in SHAPES[:1] if quick else SHAPES:
        for dtype in (torch.float32,) if quick else (torch.float32, half):
            yield case(shape, dtype, device, "bilinear")
    if not quick:
        yield case(SHAPES[0], torch.float32, device, "bicubic")
        yield case(SHAPES[1], torch.float32, device, "bilinear", channels_last=True)


def case(
    shape: tuple[int, int, int, int], dtype: torch.dtype, device: str, mode: str, channels_last: bool = False
) -> Case:
    """Build the case of one shape and dtype."""
    batch, channels, height, width = shape
    image = torch.rand(shape, device=device).to(dtype)
    if channels_last:
        image = image.to(memory_format=torch.channels_last)
    flow = moving(batch, height, width).to(device)
    methods: dict[str, Method] = {OURS: partial(backward_warp, mode=mode), PLAIN: partial(warp_by_grid, mode=mode)}
    if (batch, channels, dtype, device) == (1, 3, torch.float32, "cpu"):
        methods["cv2.remap"] = remap(image, cv2.INTER_CUBIC if mode == "bicubic" else cv2.INTER_LINEAR)
    forward = 2 * nbytes(image) + nbytes(flow)
    backward = 3 * nbytes(image) + 2 * nbytes(flow)  # image, gradients in and out; flow and its gradient
    name = "x".join(map(str, shape)) + (" bicubic" if mode == "bicubic" else "") + (" NHWC" if channels_last else "")
    return Case(
        op="backward_warp",
        shape=name,
        inputs=(image, flow),
        methods=methods,
        differentiable=(0, 1),
        forward_bytes=forward,
        both_bytes=forward + backward,
        # The grid of grid_sample is normalised in float32, which moves positions by 1e-4 pixels at this width.
        tolerance=1e-2 if dtype == torch.bfloat16 else 2e-3,
        tolerances={"cv2.remap": REMAP_DIFFERENCE},
        dtype=dtype,
    )


def nbytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def moving(batch: int, height: int, width: int) -> Tensor:
    """Draw a smooth random flow of several pixels, as between two video frames: (B, 2, H, W), float32, pixels."""
    coarse = 6 * torch.randn(batch, 2, max(height // 64, 2), max(width // 64, 2))
    return functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).contiguous()


def warp_by_grid(image: Tensor, flow: Tensor, *, mode: str) -> Tensor:
    """Warp as is common in PyTorch: base grid plus flow, normalised to [-1, 1], and grid_sample in float32."""
    height, width = image.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    across = 2 * (x + flow[:, 0]) / max(width - 1, 1) - 1
    down = 2 * (y + flow[:, 1]) / max(height - 1, 1) - 1
    grid = torch.stack((across, down), dim=-1)
    out = functional.grid_sample(image.float(), grid, mode, "zeros", align_corners=True)
    return out.to(image.dtype)


def remap(image: Tensor, interpolation: int) -> Method:
    """Return a warp by cv2.remap. Its map is made from the flow in each call, the image is converted beforehand."""
    pixels = image[0].permute(1, 2, 0).contiguous().numpy()
    height, width = pixels.shape[:2]
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")

    def run(image: Tensor, flow: Tensor) -> Tensor:
        across, down = (flow[0, 0].detach() + x).numpy(), (flow[0, 1].detach() + y).numpy()
        return torch.from_numpy(cv2.remap(pixels, across, down, interpolation)).permute(2, 0, 1)[None]

    return run
