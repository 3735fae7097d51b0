"""Steady flow of water, clouds or smoke inside a region that stays where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.field import InPlaceField
from photoflow.motion.motion import Motion, check_points, check_range
from photoflow.motion.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Drift(Motion):
    """Lets the material inside the region flow for ever, along arrows or in one direction.

    In one direction what is farther away is slower, as clouds and rivers are: the speed is proportional to the rows
    from the horizon, but at least a quarter of its largest value. In a region that reaches the picture's upper border
    the horizon is its lowest row (sky), in one that reaches the lower border its highest (water); in any other all
    is equally fast.

    Args:
        arrows: (x1, y1, x2, y2) in pixels of the photo: material at the tail reaches the head after
            one second. The velocity between arrows is interpolated.
        anchors: (x, y) in pixels of the photo: points that stand still.
        period: seconds after which the material starts again from the photo; this is not visible, as
            two passes half a period apart replace each other, here sooner and there later. In a loop, the
            nearest period that divides it.
        direction: in place of arrows, where it flows: degrees, 0 = right, 90 = down.
        speed: with a direction, how fast the nearest material is: the share of the picture's longest side that it
            moves in a second, 0 to 1; 0.012 by default.

    Source: Holynski et al. 2021, "Animating Pictures with Eulerian Motion Fields": a steady velocity
        field is integrated, and two passes are blended to a loop. The passes here run from half a
        period before the photo to half a period after it, which halves the stretching, and read
        pixels backwards: in a steady field that is exact and leaves no holes.
    """

    name: ClassVar[str] = "drift"
    in_place: ClassVar[bool] = True
    arrows: tuple[tuple[float, ...], ...] = ()
    anchors: tuple[tuple[float, ...], ...] = ()
    period: float = 3.0
    direction: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrows", check_points(self.name, "arrows", self.arrows, 4, 0))
        object.__setattr__(self, "anchors", check_points(self.name, "anchors", self.anchors, 2, 0))
        check_range(self.name, "period", self.period, 0.1, 600)
        if bool(self.arrows) == (self.direction is not None):
            raise InputError(f"drift: expected arrows or a direction, got {'both' if self.arrows else 'neither'}")
        if any(a[:2] == a[2:] for a in self.arrows):
            raise InputError("drift: an arrow has no length; a point that stands still is an anchor")
        if self.direction is not None:
            check_range(self.name, "direction", self.direction, -360, 360)
            check_range(self.name, "speed", SPEED if self.speed is None else self.speed, 0, 1)
            if self.anchors:
                raise InputError("drift: anchors go with arrows, got a direction")
        elif self.speed is not None:
            raise InputError("drift: speed goes with a direction, got arrows, whose lengths are theirs")

    def field(self, scene: Scene) -> DriftField:
        height, width = scene.mask.shape
        step = max(1, -(-max(height, width) // VELOCITY_SIDE))  # the velocity is smooth, so a coarse grid is enough
        mask = cv2.resize(scene.mask, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
        if self.direction is None:
            arrows = np.array([[*scene.locate(*a[:2]), *scene.locate(*a[2:])] for a in self.arrows]) / step
            anchors = np.array([scene.locate(*p) for p in self.anchors]).reshape(-1, 2) / step
            velocity = dense_velocity(arrows, anchors, mask)
        else:
            speed = SPEED if self.speed is None else self.speed
            length = speed * max(scene.picture or (width, height)) / step
            angle = math.radians(self.direction)
            along = np.array([math.cos(angle), math.sin(angle)], np.float32)[:, None, None]
            velocity = along * np.float32(length) * nearness(scene, len(mask)) * inner_ease(mask)
        period = scene.seconds / scene.cycles(self.period)
        return DriftField(velocity, period, scene.mask.shape, scene.device)


SPEED = 0.012  # of the picture's longest side a second: clouds and rivers that nobody would call hurried
FARTHEST = 0.25  # speed of the farthest material, of the nearest one's: clouds have heights, they end at no plane
VELOCITY_SIDE = 320  # longest side of the velocity's grid, in pixels of that grid


def nearness(scene: Scene, rows: int) -> Array:
    """Return how near the region's material is, in each of so many rows, (rows, 1) float32: 1 = nearest.

    A plane above or below the eye that moves sideways does so, in the picture, in proportion to the rows from the
    horizon.
    """
    _, top, _, bottom = scene.box
    height = len(scene.mask)
    lowest = (scene.picture[1] if scene.picture else height) - 1 - scene.origin[1]
    is_sky, is_ground = top + scene.origin[1] <= 1, bottom >= lowest - 1
    if is_sky == is_ground:
        return np.ones((rows, 1), np.float32)
    y = np.linspace(0, height - 1, rows, dtype=np.float32)[:, None]
    share = (y - top) / max(bottom - top, 1)
    return np.asarray(np.clip(1 - share if is_sky else share, FARTHEST, 1), np.float32)


def dense_velocity(arrows: Array, anchors: Array, mask: Array) -> Array:
    """Interpolate the velocity of every pixel from a few arrows and anchors.

    v(p) = sum_i w_i(p) v_i / sum_i w_i(p),  w_i = 1 / (d_i(p)^2 + 1)

    with d_i the distance to arrow or anchor i; eased to 0 towards the edge of the mask.

    Args:
        arrows: (N, 4) x1, y1, x2, y2, pixels of the mask.
        anchors: (M, 2) x, y, pixels of the mask; their velocity is 0.
        mask: (h, w) float32 in [0, 1].

    Returns:
        (2, h, w) float32, pixels a second.

    Source: Shepard 1968 (inverse-distance interpolation).
    """
    height, width = mask.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    total = np.zeros((2, height, width), np.float32)
    weights = np.zeros((height, width), np.float32)
    still = np.concatenate([anchors, anchors], axis=1)  # an arrow without length
    for x1, y1, x2, y2 in np.concatenate([arrows, still]).astype(np.float32):
        dx, dy = x2 - x1, y2 - y1
        along = ((x - x1) * dx + (y - y1) * dy) / max(float(dx * dx + dy * dy), 1e-6)
        along = np.clip(along, 0, 1)
        weight = 1 / ((x - x1 - along * dx) ** 2 + (y - y1 - along * dy) ** 2 + 1)
        total += weight * np.array([dx, dy], np.float32)[:, None, None]
        weights += weight
    return total / weights * inner_ease(mask)


def inner_ease(mask: Array, least: float = 1.0, bordered: bool = False) -> Array:
    """Return weights that are 0 outside the mask and rise to 1 inside it, within 3 % of the longest side.

    Args:
        mask: (h, w) float32 in [0, 1].
        least: pixels over which they rise at least.
        bordered: whether the picture's border is an edge, too.

    Returns:
        (h, w) float32 in [0, 1].
    """
    inside = (mask > 0.5).astype(np.uint8)
    inside = np.pad(inside, 1) if bordered else np.pad(inside, 1, mode="edge")
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    u = np.clip(distance / max(least, 0.03 * max(mask.shape)), 0, 1)
    return np.asarray(u * u * (3 - 2 * u), dtype=np.float32)


class DriftField(InPlaceField):
    """Displacements along a steady velocity field, found by integration.

    Args:
        velocity: (2, h, w) float32 on a coarse grid, pixels of that grid a second.
        period: length of one pass, seconds.
        size: (H, W) of the region.
        device: device of the displacements.
    """

    STEPS: ClassVar[int] = 24  # integration steps from the photo to half a period away

    def __init__(self, velocity: Array, period: float, size: tuple[int, ...], device: str) -> None:
        import torch

        self.velocity, self.period, self.size, self.device = velocity, period, size, device
        self._ahead = torch.from_numpy(self._integrate(1.0)).to(device)
        self._behind = torch.from_numpy(self._integrate(-1.0)).to(device)

    def _integrate(self, direction: float) -> Array:
        """Integrate by the midpoint rule; return the displacements after 0 … STEPS steps, (STEPS + 1, 2, h, w)."""
        _, height, width = self.velocity.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        dt = direction * self.period / 2 / self.STEPS

        def velocity_at(flow: Array) -> Array:
            planes = [
                cv2.remap(v, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                for v in self.velocity
            ]
            return np.stack(planes)

        flows = [np.zeros((2, height, width), np.float32)]
        for _ in range(self.STEPS):
            middle = flows[-1] + 0.5 * dt * velocity_at(flows[-1])
            flows.append(flows[-1] + dt * velocity_at(middle))
        return np.stack(flows)

    def flow(self, t: float) -> Tensor:
        """Return the displacement (2, H, W) float32, pixels, after `t` seconds; constant beyond half a period."""
        from torch import nn

        _, height, width = self.velocity.shape
        steps = self._ahead if t >= 0 else self._behind
        at = min(abs(t) / (self.period / 2), 1.0) * self.STEPS
        low = min(int(at), self.STEPS - 1)
        flow = steps[low] + (at - low) * (steps[low + 1] - steps[low])
        dense = nn.functional.interpolate(flow[None], self.size, mode="bilinear", align_corners=False)[0]
        dense[0] *= self.size[1] / width
        dense[1] *= self.size[0] / height
        return dense

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        passes = []
        for shift in (0.0, 0.5):
            age = ((t / self.period + shift + 0.5) % 1.0 - 0.5) * self.period
            weight = 1 - abs(age) / (self.period / 2)
            if weight > 0:
                passes.append((self.flow(-age), weight))
        return passes

    def scaled(self, factor: float) -> DriftField:
        return DriftField(self.velocity * np.float32(factor), self.period, self.size, self.device)
