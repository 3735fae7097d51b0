"""backward_warp: images read at displaced places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import torch
from torch import Tensor

from photoflow.ops._contract import (
    as_tensor,
    check_beside,
    check_choice,
    check_features,
    empty_in_format_of,
    fail,
    refuse_double_backward,
    register_gradient,
)

_NAME = "backward_warp"
_MODES = {"bilinear": 2, "bicubic": 4, "nearest": 1}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


@overload
def backward_warp(image: Tensor, flow: Tensor, *, mode: str = ..., padding: str = ...) -> Tensor: ...
@overload
def backward_warp(image: Sequence[Tensor], flow: Tensor, *, mode: str = ..., padding: str = ...) -> list[Tensor]: ...


def backward_warp(
    image: Tensor | Sequence[Tensor], flow: Tensor, *, mode: str = "bilinear", padding: str = "zeros"
) -> Tensor | list[Tensor]:
    """Read images at displaced places: out[p] = image[p + flow[p]].

    Args:
        image: Features (B, C, H, W), float16, bfloat16, float32 or float64; or several of them in a list, of one B,
            H and W and any channels each, which are warped in one pass. Dtypes may differ, but for float64.
        flow: Displacement (B, 2, h, w), float32, pixels, x right, then y down; float64 is taken beside a float64
            image. (h, w) may differ from (H, W). Where it is NaN or infinite the output is 0.
        mode: "bilinear", "bicubic" or "nearest" (halves go to the even pixel).
        padding: What lies outside the image: "zeros", the "border" pixel, or its "reflection" about the border.

    Returns:
        (B, C, h, w) of the image's dtype and memory format (contiguous or channels_last), accumulated in float32
        (float64 for float64); a list of them for a list. Differentiable once with respect to images and flow. On the
        CPU nothing depends on the number of threads; on CUDA the gradient of an image is bitwise repeatable under
        `torch.use_deterministic_algorithms(True)`.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Keys, "Cubic Convolution Interpolation", IEEE TASSP 1981, with a = -0.75 as in torch's
    `grid_sample(align_corners=True)`, whose padding rules these are.

    Autocast leaves the operator alone: features keep their dtype and the flow stays float32.
    """
    alone = not isinstance(image, (list, tuple))
    images = [as_tensor(_NAME, "image", one) for one in ([image] if alone else image)]
    if not images:
        fail(_NAME, "image", "at least one tensor", "an empty list")
    flow = _checked_flow(images, as_tensor(_NAME, "flow", flow))
    mode_code = check_choice(_NAME, "mode", mode, _MODES)
    padding_code = check_choice(_NAME, "padding", padding, _PADDINGS)
    if alone:
        result: Tensor = torch.ops.photoflow.backward_warp(images[0], flow, mode_code, padding_code)
        return result
    results: list[Tensor] = torch.ops.photoflow.backward_warp_many(images, flow, mode_code, padding_code)
    return results


def _checked_flow(images: list[Tensor], flow: Tensor) -> Tensor:
    """Check the images and the flow beside each, and return the flow in the type that they accumulate in."""
    for image in images:
        check_features(_NAME, "image", image)
    first = images[0]
    for image in images[1:]:
        if image.shape[0] != first.shape[0] or image.shape[2:] != first.shape[2:]:
            fail(_NAME, "image", f"tensors of the B, H and W of {tuple(first.shape)}", tuple(image.shape))
        if (image.dtype == torch.float64) != (first.dtype == torch.float64):
            fail(_NAME, "image", "float64 for all tensors or for none", f"{first.dtype} and {image.dtype}", TypeError)
        if image.device != first.device:
            fail(_NAME, "image", f"tensors on {first.device}", image.device)
    flow = check_beside(_NAME, "flow", flow, first, (first.shape[0], 2, None, None), "(B, 2, h, w)")
    if flow.shape[2] * flow.shape[3] != 0 and first.shape[2] * first.shape[3] == 0:
        fail(_NAME, "image", "at least one pixel to read", tuple(first.shape))
    return flow


@torch.library.register_fake("photoflow::backward_warp")
def _fake(image: Tensor, flow: Tensor, mode: int, padding: int) -> Tensor:
    return empty_in_format_of(image, (*image.shape[:2], *flow.shape[2:]))


@torch.library.register_fake("photoflow::backward_warp_many")
def _fake_many(images: list[Tensor], flow: Tensor, mode: int, padding: int) -> list[Tensor]:
    return [_fake(image, flow, mode, padding) for image in images]


@torch.library.register_fake("photoflow::backward_warp_backward")
def _fake_backward(
    grad: Tensor,
    image: Tensor,
    flow: Tensor,
    mode: int,
    padding: int,
    needs_image: bool,
    needs_flow: bool,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    images, grad_flow = _fake_many_backward(
        [grad], [image], flow, mode, padding, [needs_image], needs_flow, deterministic
    )
    return images[0], grad_flow


@torch.library.register_fake("photoflow::backward_warp_many_backward")
def _fake_many_backward(
    grads: list[Tensor],
    images: list[Tensor],
    flow: Tensor,
    mode: int,
    padding: int,
    needs_image: list[bool],
    needs_flow: bool,
    deterministic: bool,
) -> tuple[list[Tensor], Tensor]:
    batch = flow.shape[0]
    wanted = [
        empty_in_format_of(image, (batch if needed else 0, *image.shape[1:]))
        for image, needed in zip(images, needs_image)
    ]
    return wanted, flow.new_empty((batch if needs_flow else 0, *flow.shape[1:]))


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, flow, ctx.mode, ctx.padding = inputs
    ctx.save_for_backward(image, flow)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, flow = ctx.saved_tensors
    needs_image, needs_flow = ctx.needs_input_grad[:2]
    grad_image, grad_flow = torch.ops.photoflow.backward_warp_backward(
        grad, image, flow, ctx.mode, ctx.padding, needs_image, needs_flow, torch.are_deterministic_algorithms_enabled()
    )
    return grad_image if needs_image else None, grad_flow if needs_flow else None, None, None


def _setup_context_many(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    images, flow, ctx.mode, ctx.padding = inputs
    ctx.save_for_backward(flow, *images)


def _backward_many(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    flow, *images = ctx.saved_tensors
    needs_images, needs_flow = ctx.needs_input_grad[:2]
    # A result that nothing was made of has no gradient: its image takes no part.
    used = [i for i, grad in enumerate(grads) if grad is not None]
    needed = [bool(needs_images[i]) for i in used]
    if not used:
        return [None] * len(images), None, None, None
    grad_images, grad_flow = torch.ops.photoflow.backward_warp_many_backward(
        [grads[i] for i in used],
        [images[i] for i in used],
        flow,
        ctx.mode,
        ctx.padding,
        needed,
        needs_flow,
        torch.are_deterministic_algorithms_enabled(),
    )
    wanted: list[Tensor | None] = [None] * len(images)
    for i, grad_image, is_needed in zip(used, grad_images, needed):
        wanted[i] = grad_image if is_needed else None
    return wanted, grad_flow if needs_flow else None, None, None


register_gradient("backward_warp", _backward, setup_context=_setup_context)
register_gradient("backward_warp_many", _backward_many, setup_context=_setup_context_many)
refuse_double_backward(_NAME)
refuse_double_backward("backward_warp_many")
