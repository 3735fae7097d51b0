"""Benchmark of forward_splat against scatter_add_ in PyTorch and, on CUDA, a CuPy kernel, all written from the paper.

Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020, section 3.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ops.measure import OURS, PLAIN, Case, Method
from photoflow.ops import forward_splat

SHAPES = ((1, 3, 1080, 1920), (8, 64, 384, 512), (4, 3, 384, 512))
QUICK = SHAPES[0]


def cases(device: str, quick: bool) -> Iterator[Case]:
    """Yield softmax at every shape and dtype, and sum and average at 1080p."""
    half = torch.float16 if device == "cuda" else torch.bfloat16
    for shape in SHAPES[:1] if quick else SHAPES:
        for dtype in (torch.float32,) if quick else (torch.float32, half):
            yield case("softmax", shape, dtype, device)
    if not quick:
        yield case("sum", QUICK, torch.float32, device)
        yield case("average", QUICK, torch.float32, device)


def case(mode: str, shape: tuple[int, int, int, int], dtype: torch.dtype, device: str) -> Case:
    batch, channels, height, width = shape
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(shape, generator=generator).to(device, dtype)
    flow = smooth_flow(batch, height, width, generator).to(device)
    metric = -3 * torch.rand(batch, 1, height, width, generator=generator).to(device)
    weighed = mode == "softmax"
    methods: dict[str, Method] = {OURS: ours(mode), PLAIN: scatter_add(mode)}
    if weighed and device == "cuda" and importlib.util.find_spec("cupy"):
        methods["CuPy kernel"] = cupy_softmax
    # What is read and written at least: image, flow, metric; result, coverage. Backward: the gradient of the result,
    # the inputs and (but for sum) the result; the gradients of the inputs.
    pixels, features = batch * height * width, channels * image.element_size()
    beside = 4 * (3 if weighed else 2)
    forward_bytes = pixels * (2 * features + beside + 4)
    backward_bytes = pixels * ((3 if mode == "sum" else 4) * features + 2 * beside)
    return Case(
        op="forward_splat",
        shape="x".join(map(str, shape)) + ("" if weighed else f" {mode}"),
        inputs=(image, flow, metric) if weighed else (image, flow),
        methods=methods,
        differentiable=(0, 1, 2) if weighed else (0, 1),
        forward_bytes=forward_bytes,
        both_bytes=forward_bytes + backward_bytes,
        tolerance=1e-3 if dtype == torch.float32 else 1e-2,
        dtype=dtype,
    )


def smooth_flow(batch: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Draw a random flow of several pixels that bends every 64 pixels.

    It is rounded to 1/64 pixel, so that pixel + flow is exact in float32 too, and all methods agree on the target.
    """
    coarse = 5 * torch.randn(batch, 2, height // 64 + 2, width // 64 + 2, generator=generator)
    smooth = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return (smooth * 64).round() / 64


def ours(mode: str) -> Callable[..., Any]:
    return lambda *inputs: forward_splat(*inputs, mode=mode)


def scatter_add(mode: str) -> Callable[..., Tensor]:
    """Return splatting as is common in PyTorch."""

    def splat(image: Tensor, flow: Tensor, metric: Tensor | None = None) -> Tensor:
        batch, _, height, width = image.shape
        values = image.float()
        if metric is not None:
            weight = (metric - metric.max()).exp()
            values = torch.cat([values * weight, weight], 1)
        elif mode == "average":
            values = torch.cat([values, values.new_ones(batch, 1, height, width)], 1)
        gy, gx = torch.meshgrid(
            torch.arange(height, device=image.device), torch.arange(width, device=image.device), indexing="ij"
        )
        x, y = gx + flow[:, 0], gy + flow[:, 1]
        x0, y0 = x.detach().floor(), y.detach().floor()
        flat = values.flatten(2)
        out = torch.zeros_like(flat)
        for xi, yi in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
            bilinear = (1 - (x - xi).abs()) * (1 - (y - yi).abs())
            inside = (xi >= 0) & (xi < width) & (yi >= 0) & (yi < height)
            index = (yi.clamp(0, height - 1) * width + xi.clamp(0, width - 1)).long()
            portion = (bilinear * inside).reshape(batch, 1, -1)
            out = out.scatter_add(2, index.reshape(batch, 1, -1).expand_as(flat), flat * portion)
        out = out.reshape(values.shape)
        if mode != "sum":
            out = out[:, :-1] / out[:, -1:].clamp_min(1e-7)
        return out.to(image.dtype)

    return splat


@cache
def cupy_kernel() -> Any:
    """Compile a kernel with one thread for each value of each source pixel, which adds its four shares atomically."""
    import cupy  # type: ignore[import-not-found, unused-ignore]

    source = r"""
    extern "C" __global__ void splat(const float* values, const float* flow, float* out, int channels, int height,
                                     int width, long long count) {
      for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count;
           i += (long long)gridDim.x * blockDim.x) {
        const long long plane = (long long)height * width;
        const int at = i % plane, batch = i / plane / channels;
        const float* u = flow + batch * 2 * plane + at;
        const float x = at % width + u[0], y = at / width + u[plane];
        const int left = floorf(x), top = floorf(y);
        float* target = out + i / plane * plane;
        for (int k = 0; k < 4; ++k) {
          const int column = left + (k & 1), row = top + (k >> 1);
          if (column < 0 || column >= width || row < 0 || row >= height) continue;
          const float share = (1 - fabsf(x - column)) * (1 - fabsf(y - row));
          atomicAdd(target + (long long)row * width + column, share * values[i]);
        }
      }
    }"""
    return cupy.RawKernel(source, "splat")


def cupy_softmax(image: Tensor, flow: Tensor, metric: Tensor) -> Tensor:
    """Splat by softmax with `cupy_kernel`, in the forward direction only."""
    import cupy

    weight = (metric.detach() - metric.detach().max()).exp()
    values = torch.cat([image.detach().float() * weight, weight], 1)
    out = torch.zeros_like(values)
    arguments = [cupy.from_dlpack(tensor) for tensor in (values, flow.detach().contiguous(), out)]
    _, channels, height, width = values.shape
    count = values.numel()
    with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
        sizes = (cupy.int32(channels), cupy.int32(height), cupy.int32(width), cupy.int64(count))
        cupy_kernel()((min((count + 255) // 256, 1 << 20),), (256,), (*arguments, *sizes))
    return (out[:, :-1] / out[:, -1:].clamp_min(1e-7)).to(image.dtype)
