"""The interface of every renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from photoflow.arrays import Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Renderer(Protocol):
    """Draws the picture at any time; on CUDA, the same picture to the bit each time.

    Each of its pictures is to be had as an array, or as planes that may still be in the making where it is drawn.
    """

    @property
    def device(self) -> torch.device:
        """Return where it draws."""

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t` seconds: uint8 (H, W, 3)."""

    def planes(self, t: float) -> Tensor:
        """Draw the same as `frame`, where it is drawn: uint8 (3, H, W)."""

    def cutout(self, t: float) -> Array:
        """Draw the moving parts alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied."""

    def cutout_planes(self, t: float) -> Tensor:
        """Draw the same as `cutout`, where it is drawn: uint8 (4, H, W)."""

    def flow(self, t: float) -> Array:
        """Return the displacement of the photo's pixels at time `t`: (2, H, W) float32, 0 where nothing moves."""

    def flow_planes(self, t: float) -> Tensor:
        """Return the same as `flow`, where frames are drawn."""
