"""Warping error of a clip: how much it flickers."""

from __future__ import annotations

from torch import Tensor

from photoflow import ops
from photoflow.metrics.masked import check_alike, masked_mean


def warping_error(frame: Tensor, following: Tensor, flow: Tensor, back: Tensor, where: Tensor | None = None) -> Tensor:
    """Compute the warping error E_warp of a frame and the one after it.

        E = mean over p with V(p) = 1 of |frame[p] - following[p + flow[p]]|^2

    with V(p) = 1 where p is seen in both frames (`ops.occlusion`), and the mean over the colours, too. That of a clip
    is the mean over its frames but the last. Papers give it times 100.

    Args:
        frame: (B, 3, H, W) in [0, 1].
        following: like `frame`, the frame after it.
        flow: (B, 2, H, W) from the frame to the one after it, pixels: that of the true clip where it is at hand, as
            one that is measured in what is judged follows its errors.
        back: like `flow`, from the frame after it to the frame.
        where: (B, 1, H, W), above one half where pixels of the frame count; None: everywhere.

    Returns:
        (B,), float64, 0 to 1; NaN where no pixel counts.

    Raises:
        ValueError: the pictures or the flows have different shapes.

    Source: Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, section 4.2, where the colours' squares
        are added: three times as much.
    """
    check_alike("warping_error", frame, following)
    seen, _ = ops.occlusion(flow.float(), back.float())
    seen = seen if where is None else seen * (where > 0.5)
    warped = ops.backward_warp(following.float(), flow.float(), padding="border")
    return masked_mean((frame.float() - warped).square(), seen)
