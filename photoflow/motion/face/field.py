"""The displacements of a living face."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photoflow.motion.face.lids import Lids
from photoflow.motion.face.shapes import Shape, Window, closing, looking, places
from photoflow.motion.field import DrawnField, MotionField

if TYPE_CHECKING:
    from torch import Tensor

MOST = 3.0  # times its extent: the farthest that a movement goes, however it is scaled; beyond it the face would fold
ROUNDS = 4  # of the inversion: displacements of a head are small and smooth, and each leaves a fraction of the error
NEAR = 1.0  # of an eye's width: how far the head may have carried the eye from its place in the photo

Amount = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Move:
    """A movement of the head.

    Args:
        shape: its displacement; None: it is outside the region.
        strength: 0 to 2.
        amount: t -> share of the shape.
    """

    shape: Shape | None
    strength: float
    amount: Amount


class FaceField(DrawnField):
    """Displacements of a face: those of its lids and eyes, and those of the head, which carries them along.

    What is at p in the photo goes to p + E(p) + H(p + E(p)), with E the displacement of the eyes and H the head's.

    Args:
        head: its movements.
        eyes: those that blink and look about.
        closed: t -> how far they are closed, 0 to 1.
        look: t -> how far they look to the right of the picture, in the farthest look.
        size: (height, width) of the region.
        device: of the displacements.
    """

    def __init__(
        self, head: Sequence[Move], eyes: Sequence[Lids], closed: Amount, look: Amount, size: tuple[int, int],
        device: str,
    ) -> None:  # fmt: skip
        self._closed, self._look, self._size, self._device, self._factor = closed, look, size, device, 1.0
        self._head = [(_Placed.of(move.shape, device), move) for move in head if move.shape and move.strength]
        self._eyes = [_Eye.of(lids, size, device) for lids in eyes]

    def flow(self, t: float) -> Tensor:
        """Return the displacement (2, h, w) float32, pixels; what the lids cover is pressed together between them."""
        from photoflow import ops

        eyes, head = self._moved_eyes(t), self._moved_head(t)
        return head if eyes is None else eyes + ops.backward_warp(head[None], eyes[None], padding="border")[0]

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        """Return the places in the photo that each pixel shows, as one pass."""
        source = self._behind(t)
        for (rows, columns), lid, cover in self._over(source, t):
            part = source[:, rows, columns]
            part += (lid - part) * (cover > 0.5)
        return [(source, 1.0)]

    def draw(self, picture: Tensor, t: float) -> Tensor:
        """Return a picture (1, C, H, W) of the region as it is at time `t`, seconds: (1, C, H, W)."""
        from photoflow import ops

        source = self._behind(t)
        lids = self._over(source, t)
        drawn = ops.backward_warp(picture, source[None], mode="bicubic", padding="reflection")
        for (rows, columns), lid, cover in lids:
            lid[0] += columns.start  # the warp counts from the window's own corner
            lid[1] += rows.start
            over = ops.backward_warp(picture, lid[None], mode="bicubic", padding="reflection")
            drawn[:, :, rows, columns].lerp_(over, cover)
        return drawn

    def scaled(self, factor: float) -> MotionField:
        field = copy.copy(self)
        field._factor = factor * self._factor
        return field

    def _behind(self, t: float) -> Tensor:
        """Return the places in the photo that pixels show without the upper lids, (2, H, W) float32, from each."""
        from photoflow import ops

        head = self._moved_head(t)[None]
        source = -head
        for _ in range(ROUNDS - 1):
            source = -ops.backward_warp(head, source, padding="border")
        return source[0]

    def _amounts(self, t: float) -> tuple[float, float]:
        """Return how far the lids are closed, 0 to 1, and how far the eyes look to the right."""
        closed, look = self._factor * self._closed(t), self._factor * self._look(t)
        return min(max(closed, 0.0), 1.0), min(max(look, -MOST), MOST)

    def _over(self, source: Tensor, t: float) -> list[tuple[Window, Tensor, Tensor]]:
        """Change the places that pixels show in the eyes, and return those of the upper lids over them."""
        closed, look = self._amounts(t)
        if not (closed or look):
            return []
        lids = [eye.look_behind(source, closed, look) for eye in self._eyes]
        return [lid for lid in lids if lid is not None and closed]

    def _moved_head(self, t: float) -> Tensor:
        import torch

        total = torch.zeros((2, *self._size), device=self._device)
        for placed, move in self._head:
            factor = min(max(self._factor * move.strength, -MOST), MOST)
            placed.add_to(total, factor * move.amount(t))
        return total

    def _moved_eyes(self, t: float) -> Tensor | None:
        """Return the displacement of lids and irises, (2, h, w) float32, pixels; None where nothing of them moves."""
        import torch

        closed, look = self._amounts(t)
        if not self._eyes or not (closed or look):
            return None
        total = torch.zeros((2, *self._size), device=self._device)
        for eye in self._eyes:
            for placed, amount in ((eye.closing, closed), (eye.looking, (1 - closed) * look)):
                if placed is not None:
                    placed.add_to(total, amount)
        return total


@dataclass(frozen=True, eq=False)
class _Placed:
    """A shape as a tensor."""

    window: Window
    planes: Tensor

    @classmethod
    def of(cls, shape: Shape, device: str) -> _Placed:
        import torch

        return cls(shape.window, torch.from_numpy(shape.planes).to(device))

    def add_to(self, total: Tensor, amount: float) -> None:
        """Add so much of the shape to displacements (2, H, W)."""
        if amount:
            total[:, self.window[0], self.window[1]].add_(self.planes, alpha=amount)


@dataclass(frozen=True, eq=False)
class _Eye:
    """An eye in a region: its lids, the shapes of its movements, and the places near it."""

    lids: Lids
    closing: _Placed | None
    looking: _Placed | None
    near: tuple[Window, Tensor, Tensor] | None

    @classmethod
    def of(cls, lids: Lids, size: tuple[int, int], device: str) -> _Eye:
        import torch

        closed, look = (
            None if shape is None else _Placed.of(shape, device) for shape in (closing(lids, size), looking(lids, size))
        )
        left, right, above, below = (side + 2 * NEAR * lids.half for side in lids.reach)
        near = places(lids.axes, size, lids.centre, (left, right, above, below))
        if near is not None:
            window, *where = near
            u, v = (torch.from_numpy(part.astype("float32")).to(device) for part in where)
            return cls(lids, closed, look, (window, u, v))
        return cls(lids, closed, look, None)

    def look_behind(self, source: Tensor, closed: float, look: float) -> tuple[Window, Tensor, Tensor] | None:
        """Change the places that pixels show, (2, H, W), in the eye, and return those of the upper lid over it.

        Returns:
            A window, the places that the lid there shows, (2, h, w), and its opacity, (h, w); None outside the region.
        """
        import torch

        if self.near is None:
            return None
        window, u, v = self.near
        part = source[:, window[0], window[1]]
        (ax, ay), (dx, dy) = self.lids.axes.tolist()
        at_u, at_v = u + ax * part[0] + ay * part[1], v + dx * part[0] + dy * part[1]
        to_u, to_v, lid, cover = self.lids.seen(at_u, at_v, closed, look)
        lid = part + torch.stack([dx * (lid - at_v), dy * (lid - at_v)])
        along, down = to_u - at_u, to_v - at_v
        part[0] += ax * along + dx * down
        part[1] += ay * along + dy * down
        return window, lid, cover
