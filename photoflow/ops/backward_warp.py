"""backward_warp: an image read at displaced places."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from photoflow.ops._contract import (
    as_tensor,
    check_beside,
    check_choice,
    check_features,
    fail,
    refuse_double_backward,
)

_NAME = "backward_warp"
_MODES = {"bilinear": 2, "bicubic": 4, "nearest": 1}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def backward_warp(image: Tensor, flow: Tensor, *, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Read an image at displaced places: out[p] = image[p + flow[p]].

    Args:
        image: Features (B, C, H, W), float16, bfloat16, float32 or float64.
        flow: Displacement (B, 2, h, w), float32, pixels, x right, then y down; float64 is taken beside a float64
            image. (h, w) may differ from (H, W). Where it is NaN or infinite the output is 0.
        mode: "bilinear", "bicubic" or "nearest" (halves go to the even pixel).
        padding: What lies outside the image: "zeros", the "border" pixel, or its "reflection" about the border.

    Returns:
        (B, C, h, w) of the image's dtype, accumulated in float32 (float64 for float64). Differentiable once with
        respect to image and flow; on the CPU the result does not depend on the number of threads.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Keys, "Cubic Convolution Interpolation", IEEE TASSP 1981, with a = -0.75 as in torch's
    `grid_sample(align_corners=True)`, whose padding rules these are.

    Autocast leaves the operator alone: features keep their dtype and the flow stays float32.
    """
    image = as_tensor(_NAME, "image", image)
    flow = as_tensor(_NAME, "flow", flow)
    check_features(_NAME, "image", image)
    flow = check_beside(_NAME, "flow", flow, image, (image.shape[0], 2, None, None), "(B, 2, h, w)")
    mode_code = check_choice(_NAME, "mode", mode, _MODES)
    padding_code = check_choice(_NAME, "padding", padding, _PADDINGS)
    if flow.shape[2] * flow.shape[3] != 0 and image.shape[2] * image.shape[3] == 0:
        fail(_NAME, "image", "at least one pixel to read", tuple(image.shape))
    result: Tensor = torch.ops.photoflow.backward_warp(image, flow, mode_code, padding_code)
    return result


@torch.library.register_fake("photoflow::backward_warp")
def _fake(image: Tensor, flow: Tensor, mode: int, padding: int) -> Tensor:
    return image.new_empty((*image.shape[:2], *flow.shape[2:]))


@torch.library.register_fake("photoflow::backward_warp_backward")
def _fake_backward(
    grad: Tensor, image: Tensor, flow: Tensor, mode: int, padding: int, needs_image: bool, needs_flow: bool
) -> tuple[Tensor, Tensor]:
    batch = image.shape[0]
    return (
        image.new_empty((batch if needs_image else 0, *image.shape[1:])),
        flow.new_empty((batch if needs_flow else 0, *flow.shape[1:])),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, flow, ctx.mode, ctx.padding = inputs
    ctx.save_for_backward(image, flow)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, flow = ctx.saved_tensors
    needs_image, needs_flow = ctx.needs_input_grad[:2]
    grad_image, grad_flow = torch.ops.photoflow.backward_warp_backward(
        grad, image, flow, ctx.mode, ctx.padding, needs_image, needs_flow
    )
    return grad_image if needs_image else None, grad_flow if needs_flow else None, None, None


torch.library.register_autograd("photoflow::backward_warp", _backward, setup_context=_setup_context)
refuse_double_backward(_NAME)
