"""Pictures of an evaluation: conversion from and to tensors, errors as heat maps, and HTML."""

from __future__ import annotations

import base64
import html

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.viz import colour_wheel_legend, flow_to_rgb

WIDEST = 960  # largest width of a picture in the page, pixels: keeps the file of a page with large photos small
_QUALITY = 90


def as_bytes(image: Tensor) -> Array:
    """Convert a picture (1, 3, H, W) in [0, 1] to uint8 (H, W, 3)."""
    rounded = image[0].float().mul(255).add(0.5).clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def as_planes(rgb: Array, device: str | torch.device) -> Tensor:
    """Convert a picture, uint8 (H, W, 3), to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(rgb).to(device).permute(2, 0, 1)[None].contiguous().float() / 255


def heat(values: Array, full: float) -> Array:
    """Draw numbers as a heat map: black at 0, then red and yellow, white at `full` and above.

    Args:
        values: (H, W), at least 0; NaN is drawn grey.
        full: value that is drawn white, above 0.

    Returns:
        uint8 (H, W, 3).
    """
    levels = np.clip(np.nan_to_num(values, nan=0, posinf=full) / full * 255 + 0.5, 0, 255).astype(np.uint8)
    picture = np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_HOT), cv2.COLOR_BGR2RGB))
    picture[np.isnan(values)] = 128
    return picture


def difference(image: Tensor, target: Tensor, full: float = 0.25) -> Array:
    """Draw the difference of two pictures (1, 3, H, W), the mean over colours of |image - target|, as a heat map."""
    return heat((image.float() - target.float()).abs().mean(dim=1)[0].cpu().numpy(), full)


def flow_picture(flow: Tensor, full: float) -> Array:
    """Draw a flow (1, 2, H, W) as colours, fully saturated at `full` pixels: uint8 (H, W, 3)."""
    return flow_to_rgb(flow[0].float().cpu().numpy(), max(full, 1e-3))


def embedded(rgb: Array, description: str = "") -> str:
    """Embed a picture in an HTML element.

    Args:
        rgb: uint8 (H, W, 3), reduced if it is more than `WIDEST` pixels wide.
        description: alternative text of the picture.
    """
    height, width = rgb.shape[:2]
    if width > WIDEST:
        size = (WIDEST, max(1, round(height * WIDEST / width)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    _, data = cv2.imencode(".webp", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    text = base64.b64encode(data.tobytes()).decode()
    return f'<img alt="{html.escape(description)}" src="data:image/webp;base64,{text}">'


def wheel() -> tuple[str, str]:
    """Return the panel that explains the colours of a flow: its name and its HTML."""
    shown = embedded(colour_wheel_legend(96), "colour wheel: red is right, yellow down, white still")
    return "colours of flow", f'<div class="wheel">{shown}</div>'
