"""flow_attention: features weighed by a gate that is computed from a flow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from photoflow.ops._contract import (
    as_tensor,
    check_beside,
    check_dense,
    check_features,
    fail,
    refuse_double_backward,
    register_gradient,
)

_NAME = "flow_attention"
_NEEDS = 6  # tensor arguments, and so gradients
_KEEPING = (0, 4)  # of these, feature and w2 have gradients in their own memory format; the others' are contiguous


def _native_on_the_cpu() -> tuple[torch.dtype, ...]:
    """Return the half precisions that this processor multiplies natively; others convolve faster in float32."""
    about = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    flags = {torch.bfloat16: ("amx_bf16", "avx512_bf16"), torch.float16: ("amx_fp16", "avx512_fp16")}
    return tuple(dtype for dtype, names in flags.items() if any(about.get(name) for name in names))


_NATIVE_ON_THE_CPU = _native_on_the_cpu()


def _convolution_dtype(feature: Tensor) -> torch.dtype:
    """Choose the second convolution's dtype: the features' or autocast's, where that is quick; else float32."""
    dtype, device = feature.dtype, feature.device.type
    if dtype == torch.float64:
        return dtype
    if device != "meta" and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    if device != "cpu" or dtype in _NATIVE_ON_THE_CPU:
        return dtype
    return torch.float32


def _check_weight(argument: str, tensor: Tensor, feature: Tensor, shape: tuple[int | None, ...], names: str) -> None:
    """Check a weight or bias: the features' dtype, or float32 beside features in half precision."""
    check_dense(_NAME, argument, tensor, names)
    fits = tensor.dim() == len(shape) and all(want is None or size == want for size, want in zip(tensor.shape, shape))
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        fail(_NAME, argument, f"shape {names} = ({wanted})", tuple(tensor.shape))
    if tensor.device != feature.device:
        fail(_NAME, argument, f"a tensor on {feature.device}", tensor.device)
    half = feature.dtype in (torch.float16, torch.bfloat16)
    if tensor.dtype != feature.dtype and not (half and tensor.dtype == torch.float32):
        fail(_NAME, argument, f"{feature.dtype}{' or torch.float32' if half else ''}", tensor.dtype, TypeError)


def flow_attention(feature: Tensor, flow: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """Weigh features by a gate computed from a flow:

        gate = sigmoid(conv(relu(conv(resize(flow), w1) + b1), w2) + b2),    out = feature * gate,

    with 3 by 3 convolutions, stride 1, zero padding 1. `resize` reads the flow bilinearly at the features' size (H, W)
    and multiplies its x by W / w and its y by H / h, since a displacement is in pixels of its own resolution. Pixels
    are areas there (`align_corners=False`): a resized image covers what the original covers, so that sizes, and with
    them displacements, scale by exactly W / w and H / h, which corner-aligned places would not (they scale by
    (W - 1) / (w - 1)). The centre of pixel X lies at (X + 1/2) w / W - 1/2 in integer-centred coordinates of the flow;
    beyond the outermost centres the border is repeated. Nothing is averaged where the flow is larger.

    Args:
        feature: Features (B, C, H, W), float16, bfloat16, float32 or float64, NCHW or channels_last.
        flow: Displacement (B, 2, h, w), float32, pixels of its own size, x right, then y down; float64 is taken beside
            float64 features. A pixel whose flow is NaN or infinite counts as no motion and spoils no other.
        w1, b1: First convolution, (K, 2, 3, 3) and (K,), K at least 1.
        w2, b2: Second convolution, (C, K, 3, 3) and (C,). Weights and biases have the features' dtype, or are
            float32 beside features in half precision.

        Each may also be any array with `__dlpack__` (NumPy, CuPy, JAX), which is read where it lies.

    Returns:
        (B, C, H, W) of the features' dtype, in their memory format. Differentiable once with respect to every
        argument. The first convolution and all sums over pixels accumulate in float32 (float64 beside float64); the
        second convolution is oneDNN's or cuDNN's, in the features' dtype on CUDA, and on the CPU in float32 for half
        precisions that the processor does not multiply natively. What does not pass through that library does not
        depend on the number of threads, and is repeatable on CUDA too.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Autocast changes the dtype of the second convolution alone: the result keeps the features' dtype, and the flow and
    the first convolution stay float32. Weights and biases may then be float32 beside features of any precision.

    Source: the flow attention in the generator of photo animation by an explicit flow blueprint, where it gates the
    features at a quarter of the image's size. Deviation: the displacements scale with the resizing.
    """
    feature, flow = as_tensor(_NAME, "feature", feature), as_tensor(_NAME, "flow", flow)
    w1, b1 = as_tensor(_NAME, "w1", w1), as_tensor(_NAME, "b1", b1)
    w2, b2 = as_tensor(_NAME, "w2", w2), as_tensor(_NAME, "b2", b2)
    check_features(_NAME, "feature", feature)
    batch, channels, height, width = feature.shape
    flow = check_beside(_NAME, "flow", flow, feature, (batch, 2, None, None), "(B, 2, h, w)")
    if height * width != 0 and flow.shape[2] * flow.shape[3] == 0:
        fail(_NAME, "flow", "at least one pixel to read", tuple(flow.shape))
    _check_weight("w1", w1, feature, (None, 2, 3, 3), "(K, 2, 3, 3)")
    hidden = w1.shape[0]
    if hidden == 0:
        fail(_NAME, "w1", "K of at least 1", tuple(w1.shape))
    _check_weight("b1", b1, feature, (hidden,), "(K,)")
    _check_weight("w2", w2, feature, (channels, hidden, 3, 3), "(C, K, 3, 3)")
    _check_weight("b2", b2, feature, (channels,), "(C,)")
    if w1.dtype != b1.dtype or w1.dtype != b2.dtype:
        w1, b1, b2 = w1.float(), b1.float(), b2.float()
    w2 = w2.to(_convolution_dtype(feature))
    arguments = (feature, flow, w1, b1, w2, b2)
    keeps_raw = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in arguments)
    device = feature.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        # Its rule has been followed above; the convolution inside must not follow it again.
        with torch.autocast(device, enabled=False):
            out: Tensor = torch.ops.photoflow.flow_attention(*arguments, keeps_raw)[0]
        return out
    result: Tensor = torch.ops.photoflow.flow_attention(*arguments, keeps_raw)[0]
    return result


def _empty_in_format(of: Tensor) -> Tensor:
    """Allocate a tensor like another, in its format: pixel by pixel only where that lies so without gaps."""
    dense = of.is_contiguous(memory_format=torch.channels_last) and not of.is_contiguous()
    return torch.empty_like(of, memory_format=torch.channels_last if dense else torch.contiguous_format)


@torch.library.register_fake("photoflow::flow_attention")
def _fake(
    feature: Tensor, flow: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, keeps_raw: bool
) -> tuple[Tensor, Tensor]:
    raw = feature.new_empty((feature.shape[0] if keeps_raw else 0, *feature.shape[1:]), dtype=w2.dtype)
    return _empty_in_format(feature), raw.to(memory_format=torch.channels_last)


@torch.library.register_fake("photoflow::flow_attention_backward")
def _fake_backward(
    grad: Tensor,
    feature: Tensor,
    flow: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    raw: Tensor,
    *needs: bool,
) -> tuple[Tensor, ...]:
    gradients = []
    for place, (of, needed) in enumerate(zip((feature, flow, w1, b1, w2, b2), needs)):
        if needed and place in _KEEPING:
            gradients.append(_empty_in_format(of))
        else:
            gradients.append(of.new_empty((of.shape[0] if needed else 0, *of.shape[1:])))
    return tuple(gradients)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.keeps_raw = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, output[1])


def _backward(ctx: Any, grad: Tensor | None, grad_raw: Tensor | None) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad[:_NEEDS]
    if grad is None:
        return (None,) * (_NEEDS + 1)
    if not ctx.keeps_raw:
        raise RuntimeError(f"{_NAME}: a gradient needs keeps_raw=True")
    grads = torch.ops.photoflow.flow_attention_backward(grad, *ctx.saved_tensors, *needs)
    return *(value if needed else None for value, needed in zip(grads, needs)), None


register_gradient("flow_attention", _backward, setup_context=_setup_context)
refuse_double_backward(_NAME)
