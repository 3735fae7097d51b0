"""Shape of a subject from its mask: its anchors, its direction of growth, and the distance of each part from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError

CELLS = 80  # along the mask's longer side, so that the grid does not depend on the mask's resolution
MARGIN = 13  # cells around the mask, because motion is needed a little beyond it
OUTSIDE = 4.0  # cost of a way outside the mask: paths stay in the subject, but still cross small gaps
HOLDS = ("foot", "top", "upwind", "hook")


@dataclass(frozen=True, eq=False)
class SubjectShape:
    """The shape of a subject on its own grid, with `CELLS` cells along its longer side.

    Args:
        mask: (h, w) float32 in [0, 1].
        anchors: (h, w) int32, cells where the subject is held: the number of their separate part, from 1 on; 0
            elsewhere.
        origin, cell: (x, y) of the centre of the first cell, and the sides of a cell, in pixels of the given mask.

    Source: the distance is the viscosity solution of the eikonal equation, by the upwind differences of
        Rouy and Tourin (1992).
    """

    mask: Array
    anchors: Array
    origin: tuple[float, float]
    cell: tuple[float, float]

    @property
    def held(self) -> Array:
        """Return the anchors of all parts, (h, w) bool."""
        return np.asarray(self.anchors > 0)

    @cached_property
    def distance(self) -> Array:
        """Return the length of the way from the nearest anchor, preferably inside the mask, (h, w) float64, cells."""
        slowness = 1 / np.maximum(self.mask.astype(np.float64), 1 / OUTSIDE)
        distance = np.where(self.held, 0.0, 1e6)
        for _ in range(4 * sum(self.mask.shape)):
            across, down = (np.minimum(*pair) for pair in _neighbours(distance, 1e6))
            near, gap = np.minimum(across, down), np.abs(across - down)
            both = (across + down + np.sqrt(np.maximum(2 * slowness**2 - gap**2, 0))) / 2
            new = np.minimum(distance, np.where(gap < slowness, both, near + slowness))
            if np.abs(new - distance).max() < 1e-6:
                break
            distance = new
        return distance

    @cached_property
    def steps(self) -> list[tuple[Array, Array, Array, Array]]:
        """Return the cells in the order of the paths, level by level from the anchors on.

        Returns:
            For each level the flat indices of its cells (n,), of their predecessors to the side (n,) and of those above
            or below (n,), and the weight of the predecessor to the side, (n, 1) in [0, 1].
        """
        flat = self.distance.ravel()
        columns, rows = self.distance.shape[1], self.distance.shape[0]
        index = np.arange(flat.size).reshape(rows, columns)
        parents, shares = [], []
        for (low, high), (before, after) in zip(_neighbours(self.distance, 1e6), _neighbours(index, 0)):
            parents.append(np.where(low <= high, before, after).ravel())
            shares.append(np.maximum(flat - np.minimum(low, high).ravel(), 0))
        total = shares[0] + shares[1]
        share = shares[0] / np.maximum(total, 1e-12)
        side, upright = (np.where(one > 0, parent, other) for one, parent, other in (
            (shares[0], parents[0], parents[1]), (shares[1], parents[1], parents[0])))  # fmt: skip
        level = [0] * flat.size
        first, second, held = side.tolist(), upright.tolist(), self.held.ravel().tolist()
        for cell in np.argsort(flat, kind="stable").tolist():
            if not held[cell]:
                level[cell] = 1 + max(level[first[cell]], level[second[cell]])
        levels = np.array(level)
        order = np.argsort(levels, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(levels[order])) + 1)
        return [(g, side[g], upright[g], share[g, None]) for g in groups if levels[g[0]] > 0]

    def along_paths(self, increments: Array, start: Array | None = None) -> Array:
        """Sum up increments along the paths from the anchors.

        Args:
            increments: (h, w, ...) float or complex, increment of each cell.
            start: like `increments`, values at the anchors; None: 0.

        Returns:
            The sums, of the same shape and dtype as the increments.
        """
        added = increments.reshape(self.mask.size, -1)
        total = np.zeros_like(added) if start is None else start.reshape(added.shape) * self.held.reshape(-1, 1)
        for cells, side, upright, share in self.steps:
            share = share.astype(added.real.dtype)
            total[cells] = share * total[side] + (1 - share) * total[upright] + added[cells]
        return np.asarray(total.reshape(increments.shape))

    @cached_property
    def places(self) -> Array:
        """Return x and y of every cell, (h, w, 2) float32."""
        rows, columns = self.mask.shape
        return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)

    @cached_property
    def pieces(self) -> Array:
        """Return the step from a cell's predecessors to the cell, (h, w, 2) float32, cells; 0 at the anchors.

        Along a path they add up exactly to the vector from its anchor to its end, so that turning all pieces by one
        angle is exactly a rotation.
        """
        pieces = np.zeros((self.mask.size, 2), np.float32)
        place = self.places.reshape(-1, 2)
        for cells, side, upright, share in self.steps:
            pieces[cells] = place[cells] - share * place[side] - (1 - share) * place[upright]
        return np.asarray(pieces.reshape(self.places.shape))

    @cached_property
    def roots(self) -> Array:
        """Return the point where the path to every cell begins, (h, w, 2) float32, cells."""
        return np.asarray(self.places - self.along_paths(self.pieces))

    @cached_property
    def heading(self) -> Array:
        """Return the direction in which the subject grows, unit vectors (h, w, 2) float32."""
        smooth = np.stack([cv2.GaussianBlur(self.pieces[..., axis], (0, 0), 2.0) for axis in (0, 1)], axis=-1)
        return np.asarray(smooth / np.maximum(np.linalg.norm(smooth, axis=-1, keepdims=True), 1e-6))

    @cached_property
    def parts(self) -> Array:
        """Return the number of the separate part of every cell, that of its path's anchor: (h, w) int32 from 0 on."""
        parts = self.anchors.ravel() - 1
        for cells, side, upright, share in self.steps:
            parts[cells] = np.where(share[:, 0] >= 0.5, parts[side], parts[upright])
        return np.asarray(parts.reshape(self.mask.shape))

    @cached_property
    def lengths(self) -> Array:
        """Return the length of each part from its anchor to its free ends, (parts,) float64, cells."""
        inside = self.mask > 0.5
        own = [self.distance[inside & (self.parts == part)] for part in range(self.anchors.max())]
        return np.array([max(float(np.percentile(one, 97)), 2.0) if one.size else 2.0 for one in own])

    @cached_property
    def length(self) -> Array:
        """Return the length of the part that a cell belongs to, (h, w) float32, cells."""
        return np.asarray(self.lengths[self.parts], dtype=np.float32)

    @cached_property
    def height(self) -> Array:
        """Return the distance from the anchors in lengths of the part, (h, w) float32 in [0, 1]."""
        return np.asarray(np.clip(self.distance / self.length, 0, 1), dtype=np.float32)

    @cached_property
    def thickness(self) -> Array:
        """Return the radius of the largest disc in the mask that covers a cell, (h, w) float32, cells; 0 outside."""
        inside = (self.mask > 0.5).astype(np.uint8)
        thickness = np.minimum(self.mask, 1).astype(np.float32)
        for radius in (2, 3, 4, 6, 8, 11, 15, 20, 27, 36):
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            opened = cv2.morphologyEx(inside, cv2.MORPH_OPEN, disc)
            if not opened.any():
                break
            thickness[opened > 0] = radius
        return np.asarray(cv2.GaussianBlur(thickness, (0, 0), 1.5))

    def onto(self, maps: Array, size: tuple[int, int]) -> Array:
        """Interpolate complex maps from the grid to the pixels of the mask: (..., h, w) -> (..., *size) complex64."""
        x = ((np.arange(size[1]) - self.origin[0]) / self.cell[0]).astype(np.float32)
        y = ((np.arange(size[0]) - self.origin[1]) / self.cell[1]).astype(np.float32)
        x, y = np.meshgrid(np.clip(x, 0, self.mask.shape[1] - 1), np.clip(y, 0, self.mask.shape[0] - 1))
        full = np.empty((*maps.shape[:-2], *size), np.complex64)
        for place in np.ndindex(maps.shape[:-2]):
            for target, part in ((full.real, maps.real), (full.imag, maps.imag)):
                plane = np.ascontiguousarray(part[place], dtype=np.float32)
                target[place] = cv2.remap(plane, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return full


def subject_shape(
    mask: Array, hold: str, upwind: tuple[float, float] = (-1.0, 0.0), least: float = 0.1
) -> SubjectShape:
    """Build the shape of a subject from its mask.

    Args:
        mask: (h, w) float32 in [0, 1].
        hold: where the subject is held: "foot", "top", "upwind" (at its pole if it has one, else on the side that faces
            the wind) or "hook", one point at the top.
        upwind: unit vector (x, y) against the wind.
        least: a separate patch of the mask is a part with its own anchors if its area is at least this share of the
            largest one's; smaller patches belong to the nearest part.

    Raises:
        InputError: the mask has no area, or is not (h, w) with values in [0, 1].
    """
    coarse, origin, cell = _coarse(mask)
    solid = cv2.morphologyEx((coarse > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    anchors = np.zeros(coarse.shape, np.int32)
    for number, label in enumerate(1 + np.flatnonzero(areas >= least * areas.max()), start=1):
        anchors[_anchors(labels == label, hold, upwind)] = number
    whole = np.maximum(coarse, solid * np.float32(0.5))
    return _shape(whole.tobytes(), anchors.tobytes(), coarse.shape, origin, cell)


@lru_cache(maxsize=4)
def _shape(
    mask: bytes, anchors: bytes, size: tuple[int, int], origin: tuple[float, float], cell: tuple[float, float]
) -> SubjectShape:
    """Return a shape; the last ones are kept with all that was found of them: winds change, subjects rarely do."""
    return SubjectShape(
        np.frombuffer(mask, np.float32).reshape(size), np.frombuffer(anchors, np.int32).reshape(size), origin, cell
    )


def _coarse(mask: Array) -> tuple[Array, tuple[float, float], tuple[float, float]]:
    """Resample a mask to the shape's grid; return it, the pixel (x, y) of its first cell, and the sides of a cell."""
    given = np.asarray(mask, dtype=np.float32)
    if given.ndim != 2 or given.size == 0 or not (given.min() >= 0 and given.max() <= 1):
        raise InputError(f"wind: expected a mask (h, w) with values from 0 to 1, got shape {np.shape(mask)}")
    solid = given >= 0.5 * given.max()
    if not given.any() or np.count_nonzero(solid) < 4:
        raise InputError(f"wind: expected a mask with an area, got {np.count_nonzero(given)} pixels above 0")
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    left, top, width, height = columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1
    per_pixel = CELLS / max(width, height)
    wide, high = max(2, round(width * per_pixel)), max(2, round(height * per_pixel))
    how = cv2.INTER_AREA if per_pixel < 1 else cv2.INTER_LINEAR
    box = slice(top, top + height), slice(left, left + width)
    own, covered = (cv2.resize(m[box].astype(np.float32), (wide, high), interpolation=how) for m in (given, solid))
    own = own / given.max()
    # Keep parts that are thinner than a cell, such as stems.
    near = cv2.dilate((own > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    thin = (covered > min(0.1, 0.5 * covered.max())) & ~near
    own[thin] = 1
    cell = (width / wide, height / high)
    origin = tuple(float(corner - 0.5 + (0.5 - MARGIN) * side) for corner, side in zip((left, top), cell))
    return np.pad(own, MARGIN), (origin[0], origin[1]), cell


def _anchors(part: Array, hold: str, upwind: tuple[float, float]) -> Array:
    """Find the anchors of one connected part, bool (h, w): bool (h, w)."""
    rows, columns = np.nonzero(part)
    anchors = np.zeros_like(part)
    if hold == "hook":
        top = rows == rows.min()
        anchors[rows.min(), round(float(columns[top].mean()))] = True
        return anchors
    if hold == "upwind":
        towards, depth = _pole(part) or upwind, 0.1
    else:
        towards, depth = (0.0, 1.0 if hold == "foot" else -1.0), 0.12
    reach = columns * towards[0] + rows * towards[1]
    # Anchors are the rim on that side, if near the end: an uneven end is held along its whole width.
    beyond = np.roll(part, (-round(towards[1]), -round(towards[0])), axis=(0, 1))
    near = reach >= reach.max() - depth * np.ptp(reach)
    anchors[rows, columns] = near & ~beyond[rows, columns]
    return anchors


def _pole(part: Array) -> tuple[float, float] | None:
    """Find the side with the pole, where a column of the part is far taller than most: its unit vector, or None."""
    spans = part.sum(axis=0)
    columns = np.flatnonzero(spans)
    outer = max(1, math.ceil(0.12 * len(columns)))
    sides = {(-1.0, 0.0): spans[columns[:outer]].max(), (1.0, 0.0): spans[columns[-outer:]].max()}
    side = max(sides, key=lambda one: sides[one])
    return side if sides[side] > 1.25 * np.median(spans[columns]) else None


def _neighbours(values: Array, border: float) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the values to the (left, right) and (above, below) of each cell, `border` outside the grid."""
    wide = np.pad(values, 1, constant_values=border)
    return (wide[1:-1, :-2], wide[1:-1, 2:]), (wide[:-2, 1:-1], wide[2:, 1:-1])
