"""A texture that moves by whole pixels."""

from __future__ import annotations

import cv2
import numpy as np

SHIFT = (6, 3)  # pixels to the right and down


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with detail of a few pixels, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    smooth = sum(scale * cv2.GaussianBlur(noise, (0, 0), scale) for scale in (1.5, 4))
    return np.clip(128 + 120 * smooth, 0, 255).astype(np.uint8)


def shifted(step: int, seed: int) -> np.ndarray:
    """A part of a texture, 96x128, whose content has moved by `step` times SHIFT."""
    x, y = 32 - step * SHIFT[0], 32 - step * SHIFT[1]
    return texture(160, 192, seed)[y : y + 96, x : x + 128]
