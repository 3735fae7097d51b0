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
MARGIN = 3  # pixels around all that moves: the bicubic kernel reads them

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

    What is at p in the photo goes to p + E(p) + H(p + E(p)), with E the displacement of the eyes and H the head's. All
    is computed in the window of the region in which something moves: faces are small, and there may be several.

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
        windows = [placed.window for placed, _ in self._head] + [eye.near[0] for eye in self._eyes if eye.near]
        self._window = around(windows, size, MARGIN)
        corner = self._window[0].start, self._window[1].start
        self._head = [(placed.seen_from(corner), move) for placed, move in self._head]
        self._eyes = [eye.seen_from(corner) for eye in self._eyes]

    def flow(self, t: float) -> Tensor:
        """Return the displacement (2, h, w) float32, pixels; what the lids cover is pressed together between them."""
        from photoflow import ops

        eyes, head = self._moved_eyes(t), self._moved_head(t)
        moved = head if eyes is None else eyes + ops.backward_warp(head[None], eyes[None], padding="border")[0]
        return self._in_region(moved)

    def sources(self, t: float) -> list[tuple[Tensor, float]]:
        """Return the places in the photo that each pixel shows, as one pass."""
        source = self._behind(t)
        for (rows, columns), lid, cover in self._over(source, t):
            part = source[:, rows, columns]
            part += (lid - part) * (cover > 0.5)
        return [(self._in_region(source), 1.0)]

    def draw(self, picture: Tensor, t: float) -> Tensor:
        """Return a picture (1, C, H, W) of the region as it is at time `t`, seconds: (1, C, H, W)."""
        from photoflow import ops

        source = self._behind(t)
        lids = self._over(source, t)
        still = picture[:, :, self._window[0], self._window[1]].contiguous()
        moved = ops.backward_warp(still, source[None], mode="bicubic", padding="reflection")
        for (rows, columns), lid, cover in lids:
            lid[0] += columns.start  # the warp counts from the window's own corner
            lid[1] += rows.start
            over = ops.backward_warp(still, lid[None], mode="bicubic", padding="reflection")
            moved[:, :, rows, columns].lerp_(over, cover)
        drawn = picture.clone()
        drawn[:, :, self._window[0], self._window[1]] = moved
        return drawn

    def smooth(self) -> FaceField:
        """Return the field of the head alone: the eyes rest."""
        field = copy.copy(self)
        field._eyes = []
        return field

    def scaled(self, factor: float) -> MotionField:
        field = copy.copy(self)
        field._factor = factor * self._factor
        return field

    def _in_region(self, moved: Tensor) -> Tensor:
        """Return displacements of the window as those of the region, (2, h, w)."""
        import torch

        rows, columns = self._window
        height, width = self._size
        return torch.nn.functional.pad(moved, (columns.start, width - columns.stop, rows.start, height - rows.stop))

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

    def _zeros(self) -> Tensor:
        import torch

        rows, columns = self._window
        return torch.zeros((2, rows.stop - rows.start, columns.stop - columns.start), device=self._device)

    def _moved_head(self, t: float) -> Tensor:
        total = self._zeros()
        for placed, move in self._head:
            factor = min(max(self._factor * move.strength, -MOST), MOST)
            placed.add_to(total, factor * move.amount(t))
        return total

    def _moved_eyes(self, t: float) -> Tensor | None:
        """Return the displacement of lids and irises, (2, h, w) float32, pixels; None where nothing of them moves."""
        closed, look = self._amounts(t)
        if not self._eyes or not (closed or look):
            return None
        total = self._zeros()
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

    def seen_from(self, corner: tuple[int, int]) -> _Placed:
        """Return the shape in a window that begins at (row, column)."""
        return _Placed(shifted(self.window, corner), self.planes)

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

    def seen_from(self, corner: tuple[int, int]) -> _Eye:
        """Return the eye in a window that begins at (row, column)."""
        closed, look = (None if placed is None else placed.seen_from(corner) for placed in (self.closing, self.looking))
        near = None if self.near is None else (shifted(self.near[0], corner), *self.near[1:])
        return _Eye(self.lids, closed, look, near)

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


def shifted(window: Window, corner: tuple[int, int]) -> Window:
    """Return a window as it is counted from (row, column)."""
    rows, columns = (slice(side.start - start, side.stop - start) for side, start in zip(window, corner))
    return rows, columns


def around(windows: Sequence[Window], size: tuple[int, int], margin: int) -> Window:
    """Return the window of a region around others and so many pixels about them; one pixel where there are none."""
    if not windows:
        return slice(0, 1), slice(0, 1)
    rows, columns = (
        slice(max(0, min(side.start for side in sides) - margin), min(end, max(side.stop for side in sides) + margin))
        for sides, end in zip(zip(*windows), size)
    )
    return rows, columns
