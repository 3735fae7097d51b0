"""Modulated deformable convolution, 3 by 3, from `backward_warp`."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.ops import backward_warp

KERNEL = 3


def deformable_convolution(features: Tensor, offsets: Tensor, shares: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve features that are read beside the places of the kernel, each by an offset and a share of its own.

    out[p] = bias + sum over k of weight[:, :, k] (shares_k[p] * features[p + tap_k + offsets_k[p]])

    On a CPU it is faster than `torchvision.ops.deform_conv2d`, which it equals, and its gradient much more so; that has
    no half precision there either.

    Args:
        features: (B, C, H, W); 0 beyond the border.
        offsets: (B, 18 G, H, W), float32 (float64 for float64 features), pixels: y and x of each of the nine taps, row
            by row, for each of the G groups of channels.
        shares: (B, 9 G, H, W), what is read there is multiplied by.
        weight: (out, C, 3, 3).
        bias: (out,).

    Returns:
        (B, out, H, W) of the weight's dtype (autocast's under autocast).

    Source: Zhu et al., "Deformable ConvNets v2", CVPR 2019, equation (1).
    """
    batch, channels, height, width = features.shape
    taps = KERNEL**2
    groups = shares.shape[1] // taps
    each = offsets.reshape(batch * groups, taps, 2, height, width).transpose(1, 2).flip(1)
    # All taps are read in one pass, as rows below each other: those of tap k begin k times the height too far down.
    tap = torch.arange(taps, device=offsets.device)
    aside = torch.stack([tap % KERNEL - 1, tap // KERNEL - 1 - tap * height]).to(each.dtype)
    flow = (each + aside.view(1, 2, taps, 1, 1)).flatten(2, 3)
    read = backward_warp(features.reshape(batch * groups, -1, height, width), flow)
    shares = shares.reshape(batch * groups, 1, taps * height, width).to(read.dtype)
    columns = (read * shares).reshape(batch, channels * taps, height * width)
    convolved = torch.matmul(weight.flatten(1), columns.to(weight.dtype))
    convolved = convolved + bias[:, None].to(convolved.dtype)
    return convolved.reshape(batch, -1, height, width)
