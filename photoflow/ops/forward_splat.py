"""forward_splat: an image thrown to displaced places."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from photoflow.ops._contract import (
    as_tensor,
    check_beside,
    check_choice,
    check_features,
    check_number,
    empty_in_format_of,
    fail,
    refuse_double_backward,
    register_gradient,
)
from photoflow.ops.repeatable import is_repeatable

_NAME = "forward_splat"
_MODES = {"sum": 0, "average": 1, "linear": 2, "softmax": 3}
_WEIGHED = ("linear", "softmax")
_EPS_MODES = {"drop": 0, "add": 1, "clip": 2}


def forward_splat(
    image: Tensor,
    flow: Tensor,
    metric: Tensor | None = None,
    *,
    mode: str = "sum",
    eps: float = 1e-7,
    eps_mode: str = "drop",
) -> tuple[Tensor, Tensor]:
    """Throw every pixel p of an image to p + flow[p] and add up, or average, what lands on each pixel q.

    With b_pq the bilinear weight of p + flow[p] at q:

        sum:      out[q] = sum_p b_pq image[p]
        average:  out[q] = sum_p b_pq image[p] / sum_p b_pq
        linear:   the same with b_pq metric[p] instead of b_pq
        softmax:  the same with b_pq exp(metric[p])

    Args:
        image: Features (B, C, H, W), float16, bfloat16, float32 or float64. C may be 0.
        flow: Displacement (B, 2, H, W), float32, pixels, x right, then y down; float64 is taken beside a float64
            image. A pixel whose flow is NaN or infinite is dropped, and no other suffers.
        metric: Importance (B, 1, H, W), float32 (float64 beside float64), for the modes linear and softmax, None
            for the others. Its range does not matter to softmax. A pixel whose metric is not finite is dropped.
        mode: "sum", "average", "linear" or "softmax".
        eps: The coverage c[q] = sum_p b_pq below which a normalised result is not to be trusted, at least 0.
        eps_mode: What becomes of the result there; nothing of it touches mode "sum".
            "drop": 0 where c <= eps, elsewhere as above. With eps 0 only what nothing lands on is 0.
            "add": times c / (c + eps), as if eps were added to what is divided by: thin places fade. eps > 0.
            "clip": times min(c / eps, 1), as if what is divided by were at least eps. eps > 0.

    Returns:
        out (B, C, H, W) of the image's dtype and memory format, and coverage (B, 1, H, W), sum_p b_pq, float32
        (float64 beside float64). Both are differentiable once with respect to image, flow and metric. On the CPU the
        result does not depend on the number of threads. CUDA adds in no fixed order, but within `ops.repeatable()` and
        after `torch.use_deterministic_algorithms(True)`: then results repeat to the bit, more slowly. Gradients always
        repeat. A feature that is NaN or infinite reaches its four targets alone; on CUDA only where it has a weight.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020, section 3. Deviation: the
    metric's maximum is subtracted inside the operator, so that no range of the metric overflows; `eps` is compared
    with the coverage instead of the sum of weights, so that it means the same at any metric. Without that, the three
    `eps_mode` are what the authors' code calls zeroeps (with eps 0), addeps and clipeps.

    Autocast leaves the operator alone: features keep their dtype, flow and metric stay float32.
    """
    image = as_tensor(_NAME, "image", image)
    flow = as_tensor(_NAME, "flow", flow)
    metric = None if metric is None else as_tensor(_NAME, "metric", metric)
    check_features(_NAME, "image", image)
    batch, _, height, width = image.shape
    flow = check_beside(_NAME, "flow", flow, image, (batch, 2, height, width), "(B, 2, H, W)")
    mode_code = check_choice(_NAME, "mode", mode, _MODES)
    if (metric is not None) != (mode in _WEIGHED):
        expected = "a tensor (B, 1, H, W)" if mode in _WEIGHED else "None"
        got = "None" if metric is None else "a tensor"
        fail(_NAME, "metric", f"{expected} for mode {mode!r}", got)
    if metric is not None:
        metric = check_beside(_NAME, "metric", metric, image, (batch, 1, height, width), "(B, 1, H, W)")
    check_number(_NAME, "eps", eps)
    check_choice(_NAME, "eps_mode", eps_mode, _EPS_MODES)
    if eps_mode != "drop" and eps == 0:
        fail(_NAME, "eps", f"more than 0 for eps_mode {eps_mode!r}", eps)
    out, coverage, _ = torch.ops.photoflow.forward_splat(
        image, flow, metric, mode_code, eps if eps_mode == "drop" else 0.0, is_repeatable()
    )
    if mode == "sum" or eps_mode == "drop":
        return out, coverage
    fade = coverage / (coverage + eps if eps_mode == "add" else coverage.clamp_min(eps))
    return (out * fade).to(image.dtype), coverage


@torch.library.register_fake("photoflow::forward_splat")
def _fake(
    image: Tensor, flow: Tensor, metric: Tensor | None, mode: int, eps: float, deterministic: bool
) -> tuple[Tensor, Tensor, Tensor]:
    batch, _, height, width = image.shape
    normalised = mode != _MODES["sum"]
    return (
        empty_in_format_of(image, tuple(image.shape)),
        flow.new_empty((batch, 1, height, width)),
        flow.new_empty((batch if normalised else 0, 1, height, width)),
    )


@torch.library.register_fake("photoflow::forward_splat_backward")
def _fake_backward(
    grad_out: Tensor,
    grad_coverage: Tensor | None,
    image: Tensor,
    flow: Tensor,
    metric: Tensor | None,
    out: Tensor,
    normaliser: Tensor,
    mode: int,
    needs_image: bool,
    needs_flow: bool,
    needs_metric: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, _, height, width = image.shape
    return (
        empty_in_format_of(image, (batch if needs_image else 0, *image.shape[1:])),
        flow.new_empty((batch if needs_flow else 0, 2, height, width)),
        flow.new_empty((batch if needs_metric else 0, 1, height, width)),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    image, flow, metric, ctx.mode, _, _ = inputs
    out, _, normaliser = output
    ctx.save_for_backward(image, flow, metric, out, normaliser)
    ctx.set_materialize_grads(False)  # most do without the gradient of the coverage


def _backward(
    ctx: Any, grad_out: Tensor | None, grad_coverage: Tensor | None, grad_normaliser: Tensor | None
) -> tuple[Tensor | None, ...]:
    image, flow, metric, out, normaliser = ctx.saved_tensors
    needs = ctx.needs_input_grad[:3]
    if grad_out is None:
        grad_out = torch.zeros_like(out)
    grads = torch.ops.photoflow.forward_splat_backward(
        grad_out, grad_coverage, image, flow, metric, out, normaliser, ctx.mode, *needs
    )
    return *(grad if needed else None for grad, needed in zip(grads, needs)), None, None, None


register_gradient("forward_splat", _backward, setup_context=_setup_context)
refuse_double_backward(_NAME)
