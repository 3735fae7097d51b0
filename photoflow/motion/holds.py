"""Holds: strokes say what of a subject is free and what is pinned; between them its freedom changes smoothly."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from photoflow.arrays import Array

Stroke = Sequence[Sequence[float]]  # a line through points (x, y), pixels; a single point is one too

SIDE = 160  # cells along the longer side of the subject's box
BRUSH = 0.03  # of the subject's size: the radius of a stroke
FREE_FROM = 0.4  # of the subject's size: so far from the pins, along the subject, all is free where only pins are said
FADED_AT = 0.3  # of the same: so far from the free strokes nothing moves where only those are said
_COARSEST = 24  # cells: no guess is made for a smaller grid
_MOST_STEPS = 400  # of the solver on each grid
_PRECISE = 1e-3  # of the residue that a guess of 0 leaves


def hold_weights(mask: Array, free: Sequence[Stroke], pinned: Sequence[Stroke]) -> Array | None:
    """Return how freely each pixel of a subject moves, float32 (H, W) in [0, 1].

    It is S(h), with S a smoothstep and h the harmonic function inside the mask that is 1 at the free strokes, 0 at the
    pinned ones, and without slope across the mask's edge, so that an arm that is free does not loosen the trunk beside
    it. Where only one kind is said the other one is where the way through the subject to a stroke is longer than
    `FREE_FROM` or `FADED_AT` of the subject's size, the square root of its area. Beyond the mask, and in separate
    parts that no stroke touches, it is as in the nearest part that is touched.

    Args:
        mask: float32 (H, W) in [0, 1].
        free: what moves.
        pinned: what stays.

    Returns:
        None where nothing is said.
    """
    if not (free or pinned) or not (mask > 0.5).any():
        return None
    left, top, width, height = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    cell = max(1.0, max(width, height) / SIDE)
    size = max(1, round(width / cell)), max(1, round(height / cell))
    inside = cv2.resize(mask[top : top + height, left : left + width], size, interpolation=cv2.INTER_AREA) > 0.5
    if not inside.any():
        return None
    extent = float(np.sqrt((mask > 0.5).sum())) / cell
    origin = np.array([left, top]) / cell
    drawn = [_drawn(strokes, inside, cell, origin, max(1.0, BRUSH * extent)) for strokes in (free, pinned)]
    drawn[0] &= ~drawn[1]  # what is said to be both stays
    loose, held = _completed(drawn[0], drawn[1], inside, extent)
    weights = _beyond(harmonic(inside, loose, held), _touched(inside, loose | held))
    weights = weights * weights * (3 - 2 * weights)
    x, y = ((np.arange(side) + 0.5) / cell - start - 0.5 for side, start in zip(mask.shape[::-1], origin))
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return np.asarray(cv2.remap(weights, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def touches(mask: Array, stroke: Stroke) -> bool:
    """Return whether a stroke lies on a subject, or so near that its brush reaches it; mask: (H, W) in [0, 1]."""
    bits = mask > 0.5
    near = max(1.0, BRUSH * float(np.sqrt(bits.sum())))
    return bool((_painted([stroke], bits.shape, 1.0, np.zeros(2), near) & bits).any())


def harmonic(inside: Array, loose: Array, held: Array) -> Array:
    """Solve Laplace's equation in a region without flux across its edge, from coarse grids to fine ones.

    Args:
        inside: bool (h, w), the region.
        loose: bool (h, w), where the solution is 1.
        held: bool (h, w), where it is 0.

    Returns:
        float32 (h, w) in [0, 1]; 0 outside, and in parts of the region with neither.

    Source: Bornemann, Deuflhard, "The cascadic multigrid method for elliptic problems", Numer. Math. 75, 1996: on each
        grid conjugate gradients begin with the solution of the next coarser one.
    """
    touched = _touched(inside, loose | held)
    unknown = np.pad(touched & ~loose & ~held, 1)
    known = np.pad(loose, 1).astype(np.float32)
    whole = np.pad(inside, 1).astype(np.float32)
    own = unknown.astype(np.float32)
    guess = own * np.pad(_guess(touched, loose, held), 1)
    scale = own / np.maximum(_around(whole), 1)
    degree = _around(whole) * own

    def applied(values: Array) -> Array:
        return degree * values - own * _around(values)

    source = own * _around(known)
    enough = _PRECISE**2 * float(np.vdot(source, scale * source))
    solution, residue = guess, source - applied(guess)
    step = scale * residue
    energy = float(np.vdot(residue, step))
    for _ in range(_MOST_STEPS):
        if energy <= enough:
            break
        image = applied(step)
        length = energy / float(np.vdot(step, image))
        solution += length * step
        residue -= length * image
        turned = scale * residue
        before, energy = energy, float(np.vdot(residue, turned))
        step = turned + (energy / before) * step
    return np.asarray(np.clip(solution + known * whole, 0, 1)[1:-1, 1:-1])


def _guess(inside: Array, loose: Array, held: Array) -> Array:
    """Return the solution on a grid of half the size, float32 (h, w)."""
    height, width = inside.shape
    half = max(1, width // 2), max(1, height // 2)
    if max(half) < _COARSEST:
        return np.zeros(inside.shape, np.float32)
    share = [cv2.resize(one.astype(np.float32), half, interpolation=cv2.INTER_AREA) for one in (inside, loose, held)]
    ends = [one > 0 for one in share[1:]]
    region = (share[0] > 0.5) | ends[0] | ends[1]
    solved = _beyond(harmonic(region, ends[0] & ~ends[1], ends[1]), _touched(region, ends[0] | ends[1]))
    return np.asarray(cv2.resize(solved, (width, height), interpolation=cv2.INTER_LINEAR))


def _around(values: Array) -> Array:
    """Return the sum of the four neighbours; the frame of one cell stays 0."""
    total = np.zeros_like(values)
    total[1:-1, 1:-1] = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return total


def _drawn(strokes: Sequence[Stroke], inside: Array, cell: float, origin: Array, radius: float) -> Array:
    """Return the cells of a region under strokes; for a stroke that meets none, the one that is nearest."""
    total = np.zeros(inside.shape, bool)
    for stroke in strokes:
        under = _painted([stroke], inside.shape, cell, origin, radius)
        if not (under & inside).any():
            x, y = np.mean(np.asarray(stroke, np.float64), axis=0) / cell - origin
            rows, columns = np.nonzero(inside)
            nearest = int(np.hypot(rows - y, columns - x).argmin())
            under[rows[nearest], columns[nearest]] = True
        total |= under & inside
    return total


def _painted(strokes: Sequence[Stroke], size: tuple[int, ...], cell: float, origin: Array, radius: float) -> Array:
    """Return what is within a radius, in cells, of strokes in pixels: bool, of the size (h, w) given."""
    canvas = np.zeros(size, np.uint8)
    bits = 4  # of the fraction of a coordinate
    for stroke in strokes:
        points = (np.asarray(stroke, np.float64) + 0.5) / cell - origin - 0.5
        fixed = np.rint(points * (1 << bits)).astype(np.int32)
        if len(fixed) > 1:
            cv2.polylines(canvas, [fixed[:, None]], False, 1, max(1, round(2 * radius)), cv2.LINE_8, bits)
        for x, y in fixed.tolist():
            cv2.circle(canvas, (x, y), round(radius * (1 << bits)), 1, -1, cv2.LINE_8, bits)
    return canvas > 0


def _completed(free: Array, pinned: Array, inside: Array, extent: float) -> tuple[Array, Array]:
    """Return where all moves and where nothing does; what was not said is far from what was."""
    if free.any() and pinned.any():
        return free, pinned
    if pinned.any():
        return ways(inside, pinned, FREE_FROM * extent) & inside, pinned
    return free, ways(inside, free, FADED_AT * extent) & inside


def ways(inside: Array, start: Array, longest: float) -> Array:
    """Return what is farther than `longest` cells from the start by any way inside, or cannot be reached; bool (h, w).

    The way is measured in steps to the eight neighbours, those to the corners as long as they are.
    """
    distance = np.where(start, 0.0, np.inf).astype(np.float32)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    square = np.ones((3, 3), np.uint8)
    far = np.float32(longest + 10)
    distance = np.minimum(distance, far)
    for _ in range(int(np.ceil(longest)) + 1):
        nearer = np.minimum(cv2.erode(distance, cross) + 1, cv2.erode(distance, square) + np.float32(np.sqrt(2)))
        nearer = np.where(inside, np.minimum(distance, nearer), far)
        if np.array_equal(nearer, distance):
            break
        distance = nearer
    return np.asarray(distance > longest)


def _touched(inside: Array, strokes: Array) -> Array:
    """Return the connected parts (4-neighbours) of a region that strokes touch."""
    _, labels = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    return np.asarray(np.isin(labels, np.unique(labels[strokes & inside])) & inside)


def _beyond(weights: Array, known: Array) -> Array:
    """Continue weights to where they are not known from the nearest cells where they are, smoothly."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(nearest.max()) + 1, np.float32)
    values[nearest[known]] = weights[known]
    full = values[nearest]
    return np.asarray(np.where(known, full, cv2.GaussianBlur(full, (0, 0), 2.0)))
