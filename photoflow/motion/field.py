"""Displacement fields: the displacement of every pixel of a region at any time."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor


class MotionField(ABC):
    """The displacement of every pixel of a region at any time, relative to the photo."""

    @abstractmethod
    def flow(self, t: float) -> Tensor:
        """Return the displacement from the photo to time `t`.

        Args:
            t: seconds, any real number.

        Returns:
            (2, h, w) float32, pixels, channel 0 = x right, 1 = y down.
        """

    @abstractmethod
    def scaled(self, factor: float) -> MotionField:
        """Return the same motion with displacements `factor` times as large."""


class InPlaceField(MotionField):
    """A field that says where to read the photo inside a region that stays in place (water, clouds)."""

    @abstractmethod
    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        """Return the places in the photo that each pixel shows at time `t`, seconds.

        Returns:
            One pass or two as (flow, weight): pixel p shows the photo at p + flow[p], flow (2, H, W) float32 in pixels;
            of two passes the one or the other, by shares that are equal where their weights are. The weights add up to
            1. At t = 0 it is one pass, at rest.
        """


class DrawnField(InPlaceField):
    """A field of what moves inside a thing, over which something of it slides: lids over an eye.

    One displacement cannot say that, so it draws the thing itself. `flow` says where each pixel goes all the same: what
    is covered is pressed together there.
    """

    @abstractmethod
    def draw(self, picture: Tensor, t: float) -> Tensor:
        """Return a picture of the region at rest, (1, C, H, W) float32, as it is at time `t`, seconds: the same."""

    @abstractmethod
    def smooth(self) -> DrawnField:
        """Return the field without what slides: a coarse mesh can show the rest."""


class AffineField(MotionField):
    """A field that is an affine map of the region at every moment: shifts, rotations, scalings.

    F_t(x, y) = M(t) (x, y, 1)^T

    Args:
        scene: defines the region's size and the device.
        matrix: t -> (2, 3) displacement matrix M in pixels of the region; see `affine`.
    """

    def __init__(self, scene: Scene, matrix: Callable[[float], Array]) -> None:
        self.scene, self.matrix = scene, matrix

    def flow(self, t: float) -> Tensor:
        import torch

        x, y = (torch.from_numpy(axis).to(self.scene.device, non_blocking=True) for axis in self.scene.grid)
        rows = self.matrix(t)
        # An outer sum of a row and a column: it takes one pass over the region.
        return torch.stack([float(a) * x + (float(b) * y + float(c)) for a, b, c in rows])

    def scaled(self, factor: float) -> MotionField:
        return AffineField(self.scene, lambda t: factor * self.matrix(t))


def affine(
    centre: tuple[float, float],
    *,
    angle: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Return the displacement matrix of a scaling about `centre`, then a rotation about it, then a shift.

    Args:
        centre: (x, y) pixels.
        angle: radians, clockwise as seen (y points down).
        scale: factors in x and y.
        shift: (x, y) pixels.

    Returns:
        (2, 3) float64 M with displacement = M (x, y, 1)^T.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos * scale[0], -sin * scale[1]], [sin * scale[0], cos * scale[1]]])
    centre_, shift_ = np.asarray(centre, dtype=np.float64), np.asarray(shift, dtype=np.float64)
    return np.column_stack([linear - np.eye(2), centre_ - linear @ centre_ + shift_])


class ModalField(MotionField):
    """A field that is a sum of fixed shapes with changing amounts.

    F_t(p) = sum_k S_k(p) q_k(t)

    Args:
        shapes: (K, 2, h, w) float32, pixels: the mode shapes S.
        amounts: t -> the K numbers q(t).
        device: device of the displacements.

    Source: Generative Image Dynamics (Li et al. 2024), sec. 6, where the spectral volume is used
        as a modal basis.
    """

    def __init__(self, shapes: Array, amounts: Callable[[float], Sequence[float]], device: str = "cpu") -> None:
        import torch

        self.shapes = torch.as_tensor(np.ascontiguousarray(shapes, dtype=np.float32), device=device)
        self.amounts = amounts

    def flow(self, t: float) -> Tensor:
        import torch

        # Without waiting: what the GPU does before would have to end first.
        amounts = torch.tensor(self.amounts(t), dtype=torch.float32).to(self.shapes.device, non_blocking=True)
        flow: Tensor = torch.tensordot(amounts, self.shapes, dims=1)
        return flow

    def scaled(self, factor: float) -> MotionField:
        field = copy.copy(self)
        field.shapes = factor * self.shapes
        return field


class SumField(MotionField):
    """The sum of several fields over the same region."""

    def __init__(self, fields: Sequence[MotionField]) -> None:
        self.fields = fields

    def flow(self, t: float) -> Tensor:
        total = self.fields[0].flow(t)
        for field in self.fields[1:]:
            total = total + field.flow(t)
        return total

    def scaled(self, factor: float) -> MotionField:
        return SumField([field.scaled(factor) for field in self.fields])


class DrawnSum(DrawnField):
    """Several fields of what moves inside a thing, each in its own place: faces of one picture."""

    def __init__(self, fields: Sequence[DrawnField]) -> None:
        self._fields = fields

    def flow(self, t: float) -> Tensor:
        return SumField(self._fields).flow(t)

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        from photoflow import ops

        total, *others = (field.sources(t)[0][0] for field in self._fields)
        for source in others:
            total = source + ops.backward_warp(total[None], source[None].contiguous(), padding="border")[0]
        return [(total, 1.0)]

    def draw(self, picture: Tensor, t: float) -> Tensor:
        for field in self._fields:
            picture = field.draw(picture, t)
        return picture

    def smooth(self) -> DrawnField:
        return DrawnSum([field.smooth() for field in self._fields])

    def scaled(self, factor: float) -> MotionField:
        scaled = [field.scaled(factor) for field in self._fields]
        return DrawnSum([field for field in scaled if isinstance(field, DrawnField)])
