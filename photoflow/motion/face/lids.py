"""The lids of an eye: where they are, how they close over it, and what is seen of it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.motion.face.landmarks import Eye, Features
from photoflow.segment.faces.mesh import LOWER

if TYPE_CHECKING:
    from torch import Tensor

# Of the opening of an eye: how far the lower lid rises, the edge of the upper lid that it carries along, the lashes
# above, which move as one with it, and what of the lower lid it covers, as landmarks are not so exact.
RISE, EDGE, LASHES, COVER = 0.08, 0.06, 0.15, 0.1
# The lashes at the outer corner stand above and beyond it: how far they come down and how high the part is that moves
# as one, in largest openings; how far from the corner, in halves of the eye's width.
WING, WING_HIGH, WING_REACH = 0.42, 0.3, 0.6
GAP = 0.02  # of the opening: what remains between closed lids where all that is between them is pressed together
SKIN = (0.5, 2.4)  # of the largest opening: the least and the most of the skin above that is drawn down
BROW = 0.7  # of the distance from the lid to the eyebrow: the skin that is drawn down
BELOW = 1.0  # of the largest opening: the skin below that yields to the lower lid
LOOK = 0.07  # of an eye's width: the farthest that a look goes
IRIS = 0.2  # of an eye's width: the radius of an iris
RIM = 0.2  # of the opening, in which a look fades towards the lids
TABLE = 129  # places along an eye at which its lids are known


@dataclass(frozen=True, eq=False)
class Lids:
    """The lids of an eye as curves over the line between its corners.

    Places are (u, v): u to the right of the face from the middle between the corners, v down it. In a column of the eye
    the upper lid is at v = U, the lower one at L, and o = L - U. When they are closed to the share a, the upper lid has
    come down by c = a (1 - RISE - EDGE + COVER) o and the lower one has risen by r = a RISE o:

        v in the photo                     v then
        T = U - LASHES o - skin            T, as all above it
        U - LASHES o to U + EDGE o         v + c
        U                                  U, but the upper lid is over it
        L                                  L - r
        B = L + BELOW max(o)               B, as all below it

    with v linear between: the eye stays where it is, and the upper lid covers it. About the outer corner the upper lid
    comes down by WING max(o) at least, with its lashes, of which a part stands beyond the corner.

    Args:
        centre: (2,), pixels.
        axes: (2, 2), the directions of u and v.
        upper, lower: (N,), U and L at N places of u, evenly from -half to half; they meet at both ends.
        half: half the distance of the corners, pixels.
        skin: pixels above the lashes that are drawn down.
        iris: u of the middle of the iris.
        outer: 1 where the outer corner is on the right of the face, -1 where it is on the left.
    """

    centre: Array
    axes: Array
    upper: Array
    lower: Array
    half: float
    skin: float
    iris: float
    outer: int = 1

    @classmethod
    def of(cls, face: Features, eye: Eye) -> Lids:
        """Return the lids of an eye of a face."""
        outer, inner = eye.contour[0], eye.contour[LOWER - 1]
        centre = (outer + inner) / 2
        places = (eye.contour - centre) @ face.axes.T
        half = float(abs(places[0, 0] - places[LOWER - 1, 0])) / 2
        along = np.linspace(-half, half, TABLE)
        parts = places[:LOWER], np.concatenate([places[:1], places[LOWER:], places[LOWER - 1 : LOWER]])
        lower, upper = (smoothed(np.interp(along, *part[part[:, 0].argsort()].T)) for part in parts)
        middle = (lower + upper) / 2
        lower, upper = np.maximum(lower, middle), np.minimum(upper, middle)
        most = float((lower - upper).max())
        gap = BROW * float(upper[TABLE // 2] - (eye.brow - centre) @ face.axes[1]) - LASHES * most
        iris = float((eye.iris - centre) @ face.axes[0])
        return cls(
            centre,
            face.axes,
            upper,
            lower,
            half,
            float(np.clip(gap, SKIN[0] * most, SKIN[1] * most)),
            iris,
            1 if places[0, 0] > 0 else -1,
        )

    @property
    def most(self) -> float:
        """Return the largest opening, pixels."""
        return float((self.lower - self.upper).max())

    @property
    def reach(self) -> tuple[float, float, float, float]:
        """Return how far from the centre anything moves, to the left and right, above and below, pixels."""
        above = self.skin + LASHES * self.most - float(self.upper.min())
        return self.half, self.half, above, float(self.lower.max()) + BELOW * self.most

    def at(self, u: Array) -> tuple[Array, Array]:
        """Return where the upper and the lower lid are at places u, pixels."""
        along = np.linspace(-self.half, self.half, TABLE)
        return np.interp(u, along, self.upper), np.interp(u, along, self.lower)

    def closing(self, u: Array, v: Array) -> Array:
        """Return how far down places move until the lids are closed, pixels; what is between these is pressed together.

        Args:
            u, v: places in the photo, pixels; they broadcast.
        """
        upper, lower = self.at(u)
        opening = lower - upper
        come, risen = (1 - RISE - EDGE - GAP) * opening, RISE * opening
        lashes, edge = upper - LASHES * opening, upper + EDGE * opening
        inside = come - (come + risen) * np.clip((v - edge) / np.maximum(lower - edge, 1e-6), 0, 1)
        above = come * np.clip(1 - (lashes - v) / self.skin, 0, 1)
        below = -risen * np.clip(1 - (v - lower) / (BELOW * self.most), 0, 1)
        return np.asarray(np.where(v <= edge, above, np.where(v < lower, inside, below)))

    def looking(self, u: Array, v: Array) -> Array:
        """Return how far to the right places move in a look to there, pixels: the iris does, the lids do not.

        Args:
            u, v: places in the photo, pixels; they broadcast.
        """
        upper, lower = self.at(u)
        from_lids = np.minimum(v - upper, lower - v) / np.maximum(RIM * (lower - upper), 1e-6)
        radius, off = 2 * IRIS * self.half, np.abs(u - self.iris)
        room = self.half - radius + np.where(u < self.iris, self.iris, -self.iris)
        from_corners = 1 - (off - radius) / np.maximum(room, 1e-6)
        return np.asarray(2 * LOOK * self.half * np.clip(from_lids, 0, 1) * np.clip(from_corners, 0, 1))

    def seen(self, u: Tensor, v: Tensor, closed: float, look: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what of the photo is seen at places when the eye has moved.

        Args:
            u, v: places, pixels, of one shape.
            closed: how far the lids are closed, 0 to 1.
            look: how far the eye looks to the right, in the farthest look.

        Returns:
            The place (u, v) of the eye and the lower lid that is there, v of the upper lid over it, and the opacity of
            that, 0 to 1.
        """
        import torch

        upper, lower = self._lid(self.upper, u), self._lid(self.lower, u)
        opening = lower - upper
        own, risen = (1 - RISE - EDGE + COVER) * opening, closed * RISE * opening
        wing = self._wing(u)
        come = closed * own.maximum(WING * wing)
        lashes, edge, below = (
            upper - (LASHES * opening).maximum(WING_HIGH * wing),
            upper + EDGE * opening,
            BELOW * self.most,
        )
        top, bottom = lashes - self.skin, lower + below
        stretched = top + (v - top) * self.skin / (self.skin + come)
        lid = torch.where(v < lashes + come, stretched.minimum(v), v - come)
        cover = (edge + come - v + 0.5).clamp(0, 1) * (come > 0)
        eye = upper + (v - upper) * (opening / (opening - risen).clamp_min(1e-6))
        under = bottom - (bottom - v) * below / (below + risen)
        there = torch.where(v < upper, v, torch.where(v < lower - risen, eye, under.maximum(v)))
        return (u if look == 0 else u - self._looked(u, there, look, upper, lower)), there, lid, cover

    def _wing(self, u: Tensor) -> Tensor:
        """Return how much of the largest opening counts for the lashes about the outer corner, pixels: all, at it."""
        reach = (WING_REACH * self.half) ** 2
        off = u - self.outer * self.half
        near = (reach - off * off).clamp_min(0)
        return near * near * (self.most / reach**2)

    def _looked(self, u: Tensor, v: Tensor, look: float, upper: Tensor, lower: Tensor) -> Tensor:
        """Return how far from the left what is at places comes in a look, pixels."""
        radius = 2 * IRIS * self.half
        fading = ((v - upper).minimum(lower - v) / (RIM * (lower - upper)).clamp_min(1e-6)).clamp(0, 1)
        shift = fading * (2 * LOOK * self.half * look)
        # The middle of the iris is there then, and between it and a corner the white is as much narrower or wider.
        off = u - (self.iris + shift)
        side = (off < 0) * 2.0 - 1
        before, now = self.half - radius + side * self.iris, self.half - radius + side * (self.iris + shift)
        white = ((off.abs() - radius) / now.clamp_min(1e-6)).clamp(0, 1)
        there = self.iris + off.sign() * (radius + white * before)
        return (off.abs() <= radius) * shift + (off.abs() > radius) * (fading > 0) * (u - there)

    def _lid(self, table: Array, u: Tensor) -> Tensor:
        """Return a curve of a lid at places u, pixels."""
        import torch

        values = torch.as_tensor(table, dtype=torch.float32).to(u.device, non_blocking=True)
        at = ((u / self.half + 1) / 2 * (TABLE - 1)).clamp(0, TABLE - 1)
        low = at.floor().clamp_max(TABLE - 2)
        first, second = values[low.long()], values[low.long() + 1]
        return first + (at - low) * (second - first)


def smoothed(values: Array) -> Array:
    """Return a curve through landmarks without its bends, (TABLE,), with its ends where they were."""
    kernel = np.hanning(19)[1:-1]
    line = np.linspace(values[0], values[-1], len(values))
    bent = np.pad(values - line, len(kernel) // 2, mode="reflect", reflect_type="odd")
    return np.asarray(line + np.convolve(bent, kernel / kernel.sum(), mode="valid"))
