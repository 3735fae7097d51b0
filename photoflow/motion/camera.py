"""Motion of the camera: how the whole picture is seen."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.field import MotionField
from photoflow.motion.motion import Motion, Scaled, check_range
from photoflow.motion.parametric import smoothstep, there_and_back
from photoflow.motion.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_PUSH = 0.06
MOST_ZOOM = 3.0  # beyond it a path would show a small part of the picture, far too soft
SETTLE = 1.0  # seconds in which a hand begins to shake, and in a loop comes to rest again
ROLL = 0.5  # radians of a shake's roll per share of the picture that it moves
# Of the shake to the side, upwards and about the axis: (times a second, radians, share) of its waves.
SHAKE = (
    ((0.31, 0.4, 0.55), (0.83, 2.1, 0.30), (1.57, 4.4, 0.15)),
    ((0.37, 3.6, 0.55), (0.71, 0.9, 0.30), (1.81, 5.3, 0.15)),
    ((0.27, 1.7, 0.60), (0.59, 5.0, 0.25), (1.33, 2.9, 0.15)),
)


@dataclass(frozen=True)
class Camera(Motion):
    """Moves the camera; near things pass by faster than far ones.

    It acts on the whole picture and needs no subject. All movements begin at rest and ease in and out; in a loop they
    go there and back. Where they would show the picture's border, they zoom in by just as much as hides it. Without any
    amount the camera pushes in by 0.06.

    Args:
        push: share by which the thing in focus grows as the camera comes nearer, 0 to 0.5.
        pull: the same, but the clip begins near and ends (in a loop: is halfway) at the photo.
        pan: turn to the right, as the share of its width by which the picture goes to the left, -0.25 to 0.25.
        tilt: turn upwards, as the share of its height by which the picture goes down, -0.25 to 0.25.
        orbit: way to the right about the thing in focus, as the share of the picture's width by which the infinitely
            far passes behind it, -0.25 to 0.25.
        dolly: dolly zoom: the camera comes nearer (below 0: goes back) and zooms out (in), so that the thing in focus
            keeps its size; the share by which it would grow, -0.4 to 0.4.
        handheld: shake of a hand, as the share of its longest side by which the picture moves at most, 0 to 0.1.

    Source: a pinhole camera, Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2nd ed., sec. 6.1; its
        field of view is that of a lens whose focal length is the picture's longest side.
    """

    name: ClassVar[str] = "camera"
    views: ClassVar[bool] = True
    push: float = 0.0
    pull: float = 0.0
    pan: float = 0.0
    tilt: float = 0.0
    orbit: float = 0.0
    dolly: float = 0.0
    handheld: float = 0.0

    def __post_init__(self) -> None:
        limits = {
            "push": (0, 0.5), "pull": (0, 0.5), "pan": (-0.25, 0.25), "tilt": (-0.25, 0.25), "orbit": (-0.25, 0.25),
            "dolly": (-0.4, 0.4), "handheld": (0, 0.1),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            check_range(self.name, name, getattr(self, name), low, high)
        if not any(getattr(self, name) for name in limits):
            object.__setattr__(self, "push", DEFAULT_PUSH)

    def pose(self, t: float, seconds: float, loop: bool) -> Pose:
        """Return where the camera is at time `t` of a clip of so many seconds."""
        u = t / seconds
        part = there_and_back(u) if loop else smoothstep(u)
        side, up, roll, most = (self.handheld * amount for amount in shake(t, seconds, loop))
        return Pose(
            growth=part * self.push + (1 - part) * self.pull, dolly=part * self.dolly, orbit=part * self.orbit,
            pan=part * self.pan, tilt=part * self.tilt, side=side, up=up, roll=roll, shake=most,
        )  # fmt: skip

    def field(self, scene: Scene) -> MotionField:
        """Return the displacements of what stands in focus, in the distance of the whole `scene`."""
        height, width = scene.mask.shape
        size = scene.picture or (width, height)
        return FlatField(CameraPath([(1.0, self)], size, scene.seconds, scene.loop), scene)


@dataclass(frozen=True)
class Pose:
    """The place and direction of a camera relative to those of the photo; poses add.

    Args:
        growth: share by which the thing in focus has grown as the camera came nearer.
        dolly, orbit, pan, tilt: see `Camera`.
        side, up, roll: shake, shares of the picture's longest side, and of a roll of `ROLL` radians.
        shake: the most that each of these may be about now.
    """

    growth: float = 0.0
    dolly: float = 0.0
    orbit: float = 0.0
    pan: float = 0.0
    tilt: float = 0.0
    side: float = 0.0
    up: float = 0.0
    roll: float = 0.0
    shake: float = 0.0

    def plus(self, factor: float, other: Pose) -> Pose:
        """Return this pose and `factor` times another."""
        sums = (a + factor * b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other)))
        return Pose(*sums)


def shake(t: float, seconds: float, loop: bool) -> tuple[float, float, float, float]:
    """Return the shake of a hand to the side, upwards and about the axis, in [-1, 1], and the most that it may be.

    It is 0 at the beginning; in a loop its waves close.
    """
    t = t % seconds if loop else t
    settle = min(SETTLE, seconds / 4)
    most = smoothstep(t / settle) * (smoothstep((seconds - t) / settle) if loop else 1.0)
    amounts = []
    for waves in SHAKE:
        total = 0.0
        for rate, phase, share in waves:
            rate = max(1, round(rate * seconds)) / seconds if loop else rate
            total += share * math.sin(2 * math.pi * rate * t + phase)
        amounts.append(most * total)
    return amounts[0], amounts[1], amounts[2], most


def unscaled(motion: Motion) -> tuple[float, Camera]:
    """Return a factor and the camera whose path it scales.

    Args:
        motion: a camera, scaled any number of times.
    """
    factor = 1.0
    while isinstance(motion, Scaled):
        factor, motion = factor * motion.factor, motion.motion
    assert isinstance(motion, Camera)
    return factor, motion


class CameraPath:
    """The path of a camera over a picture: where every pixel of any depth is seen at any time.

    A pixel p at inverse depth w, 1 = in focus, is seen at

        q ~ A(t) (p, 1)^T + w b(t)

    Args:
        cameras: (factor, camera), whose movements add up.
        size: (width, height) of the picture, pixels.
        seconds: length of the clip.
        loop: whether its end leads into its beginning.
        depths: the least and the largest inverse depth in the picture.

    Raises:
        InputError: most of the picture would have to be hidden to hide its border.
    """

    def __init__(
        self, cameras: Sequence[tuple[float, Camera]], size: tuple[float, float], seconds: float, loop: bool,
        depths: tuple[float, float] = (1.0, 1.0),
    ) -> None:  # fmt: skip
        self._cameras, self._seconds, self._loop, self._depths = tuple(cameras), seconds, loop, depths
        width, height = size
        self._longest = max(width, height)
        self._share = width / self._longest, height / self._longest
        half = (width - 1) / 2, (height - 1) / 2
        self._half = np.array(half) / self._longest
        scale = 1 / self._longest
        self._units = np.array([[scale, 0, -half[0] * scale], [0, scale, -half[1] * scale], [0, 0, 1]])
        self._pixels = np.linalg.inv(self._units)
        for t in np.linspace(0, seconds, 33):
            self.matrix(float(t))

    def matrix(self, t: float) -> Array:
        """Return (A | b) at time `t`, seconds: (3, 4) float64, for pixels of the picture."""
        pose = Pose()
        for factor, camera in self._cameras:
            pose = pose.plus(factor, camera.pose(t, self._seconds, self._loop))
        seen = self._projection(pose)
        seen[:2] *= self._least_zoom(pose)
        return np.column_stack([self._pixels @ seen[:, :3] @ self._units, self._pixels @ seen[:, 3]])

    def _projection(self, pose: Pose) -> Array:
        """Return (A | b) in units of the longest side about the picture's centre, without any zoom."""
        near = self._depths[1]
        grown, zoomed = (1 + pose.growth) * (1 + pose.dolly), 1 + pose.dolly
        if not (zoomed > 0 and grown > 0 and near * (1 - 1 / grown) < 0.9):
            raise InputError("camera: so long a way leads through what is near; expected smaller amounts")
        forward, aside = 1 - 1 / grown, pose.orbit * self._share[0]
        yaw = math.atan(pose.pan * self._share[0] + pose.side)
        pitch = math.atan(pose.tilt * self._share[1] + pose.up)
        # Sideways, the picture is shifted along with the camera, so that what is in focus keeps its place.
        moved = np.array([
            [1, 0, aside * grown, -aside * grown], [0, 1, 0, 0], [0, 0, 1, -forward],
        ])  # fmt: skip
        seen = _turned(yaw, pitch, ROLL * pose.roll) @ moved
        seen[:2] /= zoomed
        return np.asarray(seen)

    def _least_zoom(self, pose: Pose) -> float:
        """Return the least zoom at which no depth shows a border, with shakes as large as they may be about now."""
        signs: Sequence[tuple[int, ...]] = [(0, 0, 0)]
        if pose.shake:
            signs = list(itertools.product((-1, 1), repeat=3))
        zoom = 1.0
        for side, up, roll in signs:
            shaken = dataclasses.replace(pose, side=side * pose.shake, up=up * pose.shake, roll=roll * pose.shake)
            zoom = max(zoom, self._zoom(self._projection(shaken)))
        if zoom > MOST_ZOOM:
            raise InputError("camera: so wide a way would show a small part of the picture; expected smaller amounts")
        return zoom

    def _zoom(self, seen: Array) -> float:
        """Return by how much the corners at the least and the largest depth must go outwards to be at the frame's."""
        signs = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])
        corners = np.column_stack([signs * self._half, np.ones(4)])
        wide = self._half > 0  # a single row or column has no border to be hidden
        if not wide.any():
            return 1.0
        least = np.inf
        for depth in self._depths:
            homogeneous = corners @ seen[:, :3].T + depth * seen[:, 3]
            if (homogeneous[:, 2] <= 0.05).any():
                return np.inf
            outwards = (signs * homogeneous[:, :2] / homogeneous[:, 2:])[:, wide]
            least = min(least, float((outwards / self._half[wide]).min()))
        return 1 / least if least > 0 else np.inf


class FlatField(MotionField):
    """The displacements that a camera gives to what stands in focus."""

    def __init__(self, path: CameraPath, scene: Scene, factor: float = 1.0) -> None:
        self._path, self._scene, self._factor = path, scene, factor

    def flow(self, t: float) -> Tensor:
        import torch

        x, y = np.broadcast_arrays(*self._scene.grid)
        left, top = self._scene.origin
        points = np.stack([x + left, y + top], axis=-1).astype(np.float64)
        moved = (seen(self._path.matrix(t), points, 1.0) - points) * self._factor
        planes = torch.from_numpy(np.ascontiguousarray(moved.transpose(2, 0, 1), np.float32))
        return planes.to(self._scene.device, non_blocking=True)

    def scaled(self, factor: float) -> MotionField:
        return FlatField(self._path, self._scene, factor * self._factor)


def seen(matrix: Array, points: Array, depth: Array | float) -> Array:
    """Return where pixels of the photo are seen, (..., 2).

    Args:
        matrix: (3, 4), see `CameraPath.matrix`.
        points: (..., 2) x, y, pixels.
        depth: (...), their inverse depth.
    """
    homogeneous = points @ matrix[:, :2].T + matrix[:, 2] + np.multiply.outer(depth, matrix[:, 3])
    return np.asarray(homogeneous[..., :2] / homogeneous[..., 2:])


def unseen(matrix: Array, points: Array, depth: Array | float) -> Array:
    """Return which pixel of the photo is seen at some points, (..., 2): the inverse of `seen`.

    Args:
        matrix: (3, 4), see `CameraPath.matrix`.
        points: (..., 2) x, y, pixels of the frame.
        depth: (...), the inverse depth of what is seen there.
    """
    inverse = np.linalg.inv(matrix[:, :3])
    rays, towards = points @ inverse[:, :2].T + inverse[:, 2], inverse @ matrix[:, 3]
    along = (1 + np.asarray(depth) * towards[2]) / rays[..., 2]
    return np.asarray(rays[..., :2] * along[..., None] - np.multiply.outer(depth, towards[:2]))


def _turned(yaw: float, pitch: float, roll: float) -> Array:
    """Return the rotation, (3, 3): to the right, then upwards, then clockwise as seen."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    right = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    cos, sin = math.cos(pitch), math.sin(pitch)
    upwards = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    cos, sin = math.cos(roll), math.sin(roll)
    return np.asarray(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ upwards @ right)
