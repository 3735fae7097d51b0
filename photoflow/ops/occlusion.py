"""occlusion: which pixels of two images are seen in the other; range_map: how often a flow reaches each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.ops._contract import as_tensor, check_beside, check_features, check_number, fail
from photoflow.ops.forward_splat import forward_splat

_NAME = "occlusion"


def _check_flow(operator: str, argument: str, flow: Tensor) -> None:
    check_features(operator, argument, flow)
    if flow.shape[1] != 2:
        fail(operator, argument, "shape (B, 2, H, W)", tuple(flow.shape))
    if flow.dtype not in (torch.float32, torch.float64):
        fail(operator, argument, "float32 or float64", flow.dtype, TypeError)


def occlusion(flow_ab: Tensor, flow_ba: Tensor, *, alpha: float = 0.01, beta: float = 0.5) -> tuple[Tensor, Tensor]:
    """Check two flows forward and backward, both ways in one call.

    A pixel p is seen in the other image where the way there and back ends near p,

        |f(p) + g(p + f(p))|^2 < alpha (|f(p)|^2 + |g(p + f(p))|^2) + beta,

    with f the flow to the other image, g the flow back, read bilinearly, and p + f(p) inside the other image.

    Args:
        flow_ab: Flow from image a to image b (B, 2, H, W), float32 or float64, pixels.
        flow_ba: Flow from image b to image a, of the same shape and dtype.
        alpha: Tolerance relative to the squared lengths, at least 0.
        beta: Absolute tolerance, square pixels, at least 0.

    Returns:
        visible_a and visible_b, each (B, 1, H, W) of the flows' dtype: 1 = seen in the other image, 0 = not seen, or
        the flow is NaN or infinite. A step function: no gradient flows through it, and a tangent becomes 0.

    Raises:
        ValueError, TypeError: An argument has the wrong shape, device, value or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Meister, Hur and Roth, "UnFlow", AAAI 2018, equation (2). Deviation: outside the image is not seen.
    """
    flow_ab = as_tensor(_NAME, "flow_ab", flow_ab)
    flow_ba = as_tensor(_NAME, "flow_ba", flow_ba)
    _check_flow(_NAME, "flow_ab", flow_ab)
    if isinstance(flow_ba, Tensor) and flow_ba.dtype != flow_ab.dtype:
        fail(_NAME, "flow_ba", str(flow_ab.dtype), flow_ba.dtype, TypeError)
    batch, _, height, width = flow_ab.shape
    flow_ba = check_beside(_NAME, "flow_ba", flow_ba, flow_ab, (batch, 2, height, width), "(B, 2, H, W)")
    for argument, value in (("alpha", alpha), ("beta", beta)):
        check_number(_NAME, argument, value)
    visible_a, visible_b = torch.ops.photoflow.occlusion(flow_ab.detach(), flow_ba.detach(), alpha, beta)
    return visible_a, visible_b


@torch.library.register_fake("photoflow::occlusion")
def _fake(flow_ab: Tensor, flow_ba: Tensor, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    batch, _, height, width = flow_ab.shape
    return flow_ab.new_empty((batch, 1, height, width)), flow_ab.new_empty((batch, 1, height, width))


def range_map(flow: Tensor) -> Tensor:
    """Measure how much of the image a flow brings to each pixel: the forward splat of ones.

    Args:
        flow: Flow from image a to image b (B, 2, H, W), float32 or float64, pixels.

    Returns:
        (B, 1, H, W): about 1 where b shows what a shows, towards 0 where b shows what a hides, above 1 where several
        pixels of a meet. Differentiable once with respect to the flow.

    Raises:
        ValueError, TypeError: The flow has the wrong shape or dtype.
        RuntimeError: A CUDA tensor, and no CUDA operators were built.

    Source: Wang et al., "Occlusion Aware Unsupervised Learning of Optical Flow", CVPR 2018, section 3.2.
    """
    flow = as_tensor("range_map", "flow", flow)
    _check_flow("range_map", "flow", flow)
    nothing = flow.new_empty((flow.shape[0], 0, *flow.shape[2:]))
    return forward_splat(nothing, flow, mode="sum")[1]
