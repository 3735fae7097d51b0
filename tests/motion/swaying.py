"""Frames whose motion is known."""

import cv2
import numpy as np


def texture(height, width, seed=0):
    """A picture with much to see at all scales, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    mixed = sum(s * cv2.GaussianBlur(noise, (0, 0), s) for s in (1, 2, 4))
    return np.clip(128 + 60 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def moved(picture, x, y):
    """The picture, all of which is displaced by (x, y) pixels."""
    height, width = picture.shape[:2]
    way = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return cv2.warpAffine(picture, way, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def swaying(count=30, height=72, width=96, amplitude=4.0):
    """Frames of a picture that sways once, and its displacements (T, 2)."""
    angles = 2 * np.pi * np.arange(count) / count
    ways = np.stack([amplitude * np.sin(angles), amplitude / 4 * np.sin(2 * angles)], 1)
    picture = texture(height, width)
    return [moved(picture, x, y) for x, y in ways], ways
