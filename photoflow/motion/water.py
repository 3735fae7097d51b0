"""Ripples of still water: what it mirrors wavers, the farther from the shore the wider."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.drift import inner_ease
from photoflow.motion.field import InPlaceField, ModalField, MotionField
from photoflow.motion.motion import Motion, check_range
from photoflow.motion.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor

REACH = 0.02  # of the picture's longest side: the largest displacement at strength 1
UPRIGHT = 0.35  # of the displacement across: ripples stretch a reflection a little, too
SHORE = 0.12  # nearness of the shore: waves are an eighth as long and as wide there as at the lower end
# Waves: their rate in repeats a period, crests from the shore to the lower end, crests across it, and share.
WAVES = ((1.0, 5.0, 1.3, 0.4), (1.5, 8.0, -2.1, 0.3), (2.0, 12.0, 3.2, 0.18), (2.5, 17.0, -4.4, 0.12))
STEP = 2  # pixels from one node of the displacements to the next


@dataclass(frozen=True)
class Water(Motion):
    """Ripples still water: what it mirrors wavers to the sides, and a little up and down.

    Waves travel towards the viewer; their lengths and their amplitudes grow from the region's upper end to its lower
    one. The photo is a moment of the motion, which is where it begins, and each moment is the photo displaced, so
    that nothing is seen twice.

    Args:
        strength: 0 to 2; at 1 what is at the region's lower end moves from its place in the photo by at most 2 % of
            the picture's longest side.
        period: seconds of the slowest wave; in a loop, the nearest that divides it.

    Source: a sum of travelling waves in the perspective of a plane, whose lengths grow in proportion to the distance
        from the horizon: their crests are even steps of its logarithm.
    """

    name: ClassVar[str] = "water"
    in_place: ClassVar[bool] = True
    strength: float = 0.5
    period: float = 2.0

    def __post_init__(self) -> None:
        check_range(self.name, "strength", self.strength, 0, 2)
        check_range(self.name, "period", self.period, 0.05, 600)

    def field(self, scene: Scene) -> WaterField:
        height, width = scene.mask.shape
        # At most twice what a wave is from its rest: once there, once in the photo.
        reach = 0.5 * self.strength * REACH * max(scene.picture or (width, height))
        rates = [self._rate(scene, wave[0]) for wave in WAVES]

        def amounts(t: float) -> tuple[float, ...]:
            angles = [rate * t for rate in rates]
            return tuple(value for a in angles for value in (math.cos(a) - 1, math.sin(a)))

        return WaterField(ModalField(ripples(scene, reach), amounts, scene.device), (height, width))

    def _rate(self, scene: Scene, repeats: float) -> float:
        """Return radians a second of a wave that repeats so often in a period."""
        cycles = scene.cycles(self.period) * repeats
        return 2 * math.pi * (max(1, round(cycles)) if scene.loop else cycles) / scene.seconds


def ripples(scene: Scene, reach: float) -> Array:
    """Return each wave at its two phases a quarter of a period apart, (8, 2, h, w) float32, pixels, on a coarse grid.

    Args:
        scene: has the region.
        reach: the amplitude of all waves together at the region's lower end, pixels.
    """
    height, width = scene.mask.shape
    size = (-(-width // STEP), -(-height // STEP))
    _, top, _, bottom = scene.box
    x = (np.arange(size[0], dtype=np.float32) * STEP - width / 2)[None]
    y = (np.arange(size[1], dtype=np.float32) * STEP)[:, None]
    near = SHORE + (1 - SHORE) * np.clip((y - top) / max(bottom - top, 1), 0, 1)
    depth = np.log(near) / math.log(SHORE)  # 1 at the shore, 0 at the lower end
    mask = cv2.resize(scene.mask, size, interpolation=cv2.INTER_AREA)
    amplitude = reach * near * inner_ease(mask)
    shapes = []
    for number, (_, crests, across, share) in enumerate(WAVES):
        # Towards the lower end the phase falls, so that crests travel there as time goes on.
        phase = 2 * math.pi * (crests * depth + across * x / (near * max(width, height)) + 0.37 * number)
        for wave in (np.cos(phase), -np.sin(phase)):
            moved = share * amplitude * wave
            shapes.append(np.stack([moved, UPRIGHT * moved]))
    return np.stack(shapes).astype(np.float32)


class WaterField(InPlaceField):
    """Displacements of what water mirrors.

    Args:
        waves: where each node of a coarse grid looks in the photo, from its place, in pixels of the region.
        size: (H, W) of the region.
    """

    def __init__(self, waves: MotionField, size: tuple[int, int]) -> None:
        self._waves, self._size = waves, size

    def flow(self, t: float) -> Tensor:
        """Return the displacement (2, H, W) float32, pixels: that of what is seen, to the first order."""
        return -self._looked_at(t)

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        return [(self._looked_at(t), 1.0)]

    def scaled(self, factor: float) -> WaterField:
        return WaterField(self._waves.scaled(factor), self._size)

    def _looked_at(self, t: float) -> Tensor:
        from torch import nn

        height, width = self._size
        coarse = self._waves.flow(t)[None]
        size = [STEP * side for side in coarse.shape[2:]]
        return nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=False)[0, :, :height, :width]
