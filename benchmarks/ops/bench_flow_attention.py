"""Benchmark of flow_attention against interpolate, conv2d, sigmoid and a product, and the same compiled."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ops.measure import OURS, PLAIN, Case
from photoflow.ops import flow_attention

CHANNELS, HIDDEN = 256, 64  # the generator's features at a quarter of its image
SHAPES = ((1, 256), (4, 256), (1, 512), (4, 512))  # batch, side of the image


def cases(device: str, quick: bool) -> Iterator[Case]:
    """Yield the generator's shapes in both precisions, and one in channels_last."""
    half = torch.float16 if device == "cuda" else torch.bfloat16
    for batch, side in SHAPES[:1] if quick else SHAPES:
        for dtype in (torch.float32,) if quick else (torch.float32, half):
            yield case(batch, side, dtype, device)
    if not quick:
        yield case(1, 512, torch.float32, device, channels_last=True)


def case(batch: int, side: int, dtype: torch.dtype, device: str, channels_last: bool = False) -> Case:
    """Build the case of one shape and dtype: features at a quarter of the image, the flow at its full size."""
    feature = torch.randn(batch, CHANNELS, side // 4, side // 4, device=device).to(dtype)
    if channels_last:
        feature = feature.to(memory_format=torch.channels_last)
    flow = 4 * torch.randn(batch, 2, side, side, device=device)
    shapes = ((HIDDEN, 2, 3, 3), (HIDDEN,), (CHANNELS, HIDDEN, 3, 3), (CHANNELS,))
    weights = [(torch.randn(shape, device=device) * 0.05).to(dtype) for shape in shapes]
    # Bytes of the features in and out, and of the four flow pixels that each feature reads.
    forward = 2 * feature.nbytes + 8 * 4 * batch * (side // 4) ** 2
    return Case(
        op="flow_attention",
        shape="x".join(map(str, feature.shape)) + (" NHWC" if channels_last else ""),
        inputs=(feature, flow, *weights),
        methods={OURS: flow_attention, PLAIN: plain},
        differentiable=(0, 1, 2, 3, 4, 5),
        forward_bytes=forward,
        both_bytes=forward + 3 * feature.nbytes + flow.nbytes,
        tolerance=1e-3 if dtype == torch.float32 else 3e-2,
        dtype=dtype,
    )


def plain(feature: Tensor, flow: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """Compute the gate as is common in PyTorch."""
    height, width = feature.shape[2:]
    small = functional.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
    scaled = torch.stack([small[:, 0] * (width / flow.shape[3]), small[:, 1] * (height / flow.shape[2])], dim=1)
    hidden = functional.conv2d(scaled.to(feature.dtype), w1, b1, padding=1).relu()
    return feature * functional.conv2d(hidden, w2, b2, padding=1).sigmoid()
