"""The interface of every renderer."""

from __future__ import annotations

from typing import Protocol

from photoflow.arrays import Array


class Renderer(Protocol):
    """Draws the picture at any time."""

    def frame(self, t: float) -> Array:
        """Draw the picture at time `t` seconds: uint8 (H, W, 3)."""

    def cutout(self, t: float) -> Array:
        """Draw the moving parts alone at time `t`, over nothing: uint8 (H, W, 4), RGB not premultiplied."""

    def flow(self, t: float) -> Array:
        """Return the displacement of the photo's pixels at time `t`: (2, H, W) float32, 0 where nothing moves."""
