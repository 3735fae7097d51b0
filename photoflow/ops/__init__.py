"""The compiled operators: motion applied to images, on the CPU and on CUDA, with gradients.

Tensors are (B, C, H, W); a flow is (B, 2, H, W) in pixels, x right, then y down; integer coordinates are pixel
centres. Every tensor argument may also be any array with `__dlpack__` (NumPy, CuPy, JAX): it is read where it lies,
without a copy, and the results are torch tensors.

Importing this module loads torch and registers the operators as `torch.ops.photoflow.*`.
"""

from __future__ import annotations

from photoflow.ops._library import build_info, why_not_on
from photoflow.ops.backward_warp import backward_warp
from photoflow.ops.correlation_lookup import Correlation, correlation_lookup
from photoflow.ops.flow_attention import flow_attention
from photoflow.ops.forward_splat import forward_splat
from photoflow.ops.occlusion import occlusion, range_map
from photoflow.ops.repeatable import repeatable

__all__ = [
    "Correlation",
    "backward_warp",
    "build_info",
    "correlation_lookup",
    "flow_attention",
    "forward_splat",
    "occlusion",
    "range_map",
    "repeatable",
    "why_not_on",
]
