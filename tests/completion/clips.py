"""A textured scene seen by a panning camera, and holes in it."""

import cv2
import numpy as np

HEIGHT, WIDTH = 72, 120


def texture(seed, height, width, sigma=2.0):
    """A coloured pattern, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def panned(count, step=3, seed=0):
    """Frames of a camera that moves to the right by `step` pixels a frame."""
    scene = texture(seed, HEIGHT, WIDTH + step * count)
    return [scene[:, number * step : number * step + WIDTH].copy() for number in range(count)]


def hole(left=50, top=24, width=16, height=20):
    """A mask of a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def blanked(frames, masks):
    """Frames in whose holes there is nothing to be seen."""
    return [np.where(mask[..., None], np.uint8(0), frame) for frame, mask in zip(frames, masks, strict=True)]


def psnr(one, other, mask):
    """PSNR within a mask, dB."""
    error = np.square(one.astype(np.float64) - other)[mask].mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))
