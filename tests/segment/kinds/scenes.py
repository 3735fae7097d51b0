"""Synthetic scenes whose regions are known."""

from __future__ import annotations

import cv2
import numpy as np

from photoflow.arrays import Array

HEIGHT, WIDTH = 240, 360
HORIZON = 110


def noise(sigma: float, seed: int, across: float = 1.0) -> Array:
    """Smooth noise of mean 0 and deviation 1, stretched along the rows by `across`."""
    draw = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(draw, (0, 0), sigma * across, sigmaY=sigma)
    return np.asarray(smooth / smooth.std())


def painted(ground: tuple[int, int, int], *layers: tuple[Array, tuple[float, float, float]]) -> Array:
    """A colour with weighted colours on top, float32."""
    picture = np.full((HEIGHT, WIDTH, 3), ground, np.float32)
    for weight, colour in layers:
        picture += weight[..., None] * np.array(colour, np.float32)
    return picture


def cloudy_sky() -> Array:
    clouds = np.clip(0.6 * noise(7, 0, 2.5), 0, 1)
    return painted((90, 140, 210), (clouds, (120, 90, 35)))


def rocks() -> Array:
    rough = noise(1.2, 1)
    return painted((95, 80, 65), (rough, (22, 20, 18)), (noise(5, 2), (14, 12, 10)))


def sea() -> Array:
    waves = noise(1.0, 3, 7)
    return painted((60, 105, 160), (waves, (5, 6, 7)))


def leaves() -> Array:
    return painted((70, 120, 40), (noise(3, 4), (28, 38, 16)), (noise(1, 5), (8, 12, 6)))


def skyline() -> Array:
    """The row of a mountain's outline at each column."""
    x = np.arange(WIDTH)
    return np.asarray(HORIZON + 22 * np.sin(x / 40) + 6 * np.sin(x / 9))


def below(line: Array) -> Array:
    """True below a line, (H, W) bool."""
    return np.arange(HEIGHT)[:, None] > line


def finished(picture: Array) -> Array:
    """Blur as a lens does, and round to uint8."""
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6), 0, 255).astype(np.uint8)


def mountains() -> tuple[Array, Array]:
    """A cloudy sky over rocks, and the sky's mask."""
    ground = below(skyline())
    return finished(np.where(ground[..., None], rocks(), cloudy_sky())), ~ground


def coast() -> tuple[Array, Array]:
    """A cloudy sky over a sea with a rock in it, and the sea's mask."""
    water = below(np.full(WIDTH, HORIZON))
    picture = np.where(water[..., None], sea(), cloudy_sky())
    rock = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(rock, (230, 190), (50, 24), 0, 0, 360, 1, -1)
    return finished(np.where(rock[..., None] > 0, rocks(), picture)), water & (rock == 0)


def plume() -> tuple[Array, Array]:
    """Pale smoke that widens as it rises before a dark wall, and where it is dense."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    width = 14 + 0.22 * (HEIGHT - y)
    dense = np.exp(-(((x - 180) / width) ** 2)) * np.clip((y - 20) / 40, 0, 1) * np.clip((230 - y) / 40, 0, 1)
    dense = dense * np.clip(1 + 0.15 * noise(7, 6), 0, 1.4)
    return finished(painted((40, 38, 36), (dense.astype(np.float32), (150, 150, 152)))), np.asarray(dense > 0.4)


def candle() -> tuple[Array, Array, Array]:
    """A flame over its wax in the dark, the mask of the flame and of the wax with it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    half = 7 * np.clip((y - 60) / 30, 0, 1) * np.clip((112 - y) / 14, 0, 1)
    flame = np.abs(x - 180) < half
    wax = (np.abs(x - 180) < 30) & (y > 122) & (y < 220)
    glow = np.exp(-(((x - 180) / 22) ** 2) - ((y - 90) / 40) ** 2).astype(np.float32)
    picture = painted((8, 6, 5), (glow, (120, 60, 15)), (wax.astype(np.float32), (70, 45, 25)))
    picture[flame] = (255, 238, 190)
    return finished(picture), flame, flame | wax


def iou(mask: Array, true: Array) -> float:
    found = mask > 0.5
    return float((found & true).sum() / (found | true).sum())
