"""Nearest-neighbour fields: for every target patch of an image, the most similar source patch.

A field is a flat int64 array over all pixels that holds, at each target, the flat index of its match.
A patch is identified by its centre and compared through a short descriptor, so that one comparison is
the squared distance of two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

COHERENCE = 0.3  # price of one neighbour with another offset, in typical patch distances
MEAN_WEIGHT = 0.5  # below 1 because brightness is corrected after matching
CHROMA_WEIGHT = 0.8
FREQUENCIES = 5  # DCT coefficients with u + v below this describe the luma of a patch
POSITION_WEIGHT = 1800.0  # per diagonal: prefers near sources, so that distant objects are not copied
EXACT_PAIRS = 12_000_000  # up to here all pairs are compared
CHUNK = 4_000_000
FAR = 4000.0  # price per squared distance across the image, per colour value squared
NEIGHBOURS = ((0, -1), (0, 1), (-1, 0), (1, 0))


@lru_cache(maxsize=8)
def _cosines(side: int) -> Floats:
    """Return the orthonormal DCT-II basis of `side` samples, one function a row."""
    frequency, sample = np.mgrid[0:side, 0:side]
    basis = np.cos(np.pi * (sample + 0.5) * frequency / side) * np.sqrt(2.0 / side)
    basis[0] = np.sqrt(1.0 / side)
    rows: Floats = basis.astype(np.float32)
    return rows


def describe_patches(image: Floats, radius: int) -> Floats:
    """Describe the patch around every pixel: low frequencies, texture energy and position.

    Args:
        image: (H, W, 3 + K) RGB in [0, 255], then K channels of texture energy.
        radius: patches are 2 * radius + 1 pixels wide.

    Returns:
        (H * W, D) descriptors; squared distances are comparable to sums over the patch.
    """
    h, w = image.shape[:2]
    side = 2 * radius + 1
    basis = _cosines(side)
    luma = image[..., :3].sum(-1) / np.float32(np.sqrt(3.0))
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    chroma = np.stack([red - blue, green - 0.5 * (red + blue)], -1) * np.float32(CHROMA_WEIGHT)

    def project(plane: Floats, u: int, v: int) -> Floats:
        weight = np.float32(MEAN_WEIGHT if u + v == 0 else 1.0)
        filtered = cv2.sepFilter2D(plane, -1, basis[v] * weight, basis[u], borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(filtered, np.float32).reshape(h, w, -1)

    reach = min(FREQUENCIES, side)
    planes = [project(luma, u, v) for u in range(reach) for v in range(reach - u)]
    planes += [project(chroma, u, v) for u, v in ((0, 0), (0, 1), (1, 0))]
    texture = np.ascontiguousarray(image[..., 3:])
    planes.append(cv2.blur(texture, (side, side)).reshape(h, w, -1) * np.float32(side))
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32) / np.float32(np.hypot(h, w))
    planes.append(np.stack([ys, xs], -1) * np.float32(POSITION_WEIGHT))
    return np.concatenate(planes, -1).reshape(h * w, -1)


@dataclass(frozen=True)
class PatchSearch:
    """The target patches and the source patches of a search, by the flat index of their centre."""

    shape: tuple[int, int]
    radius: int
    targets: Indices
    sources: Indices
    allowed: Mask  # flat, true at the sources

    @classmethod
    def around(cls, hole: Mask, barred: Mask, radius: int) -> PatchSearch:
        """Build the search for a hole: targets touch `hole`, sources avoid `hole` and `barred`, all lie in the image.

        Args:
            hole: (H, W), true where pixels are unknown.
            barred: (H, W), true where no source may be.
            radius: patches are 2 * radius + 1 pixels wide.
        """
        h, w = hole.shape
        window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        touched = cv2.dilate(hole.astype(np.uint8), window) > 0
        spoiled = touched | (cv2.dilate(barred.astype(np.uint8), window) > 0)
        allowed = np.zeros((h, w), bool)
        allowed[radius : h - radius, radius : w - radius] = ~spoiled[radius : h - radius, radius : w - radius]
        ys, xs = np.nonzero(touched)
        ys, xs = np.clip(ys, radius, max(h - 1 - radius, 0)), np.clip(xs, radius, max(w - 1 - radius, 0))
        return cls((h, w), radius, np.unique(ys * w + xs), np.flatnonzero(allowed), allowed.ravel())

    def distance(self, wanted: Floats, offered: Floats, field: Indices) -> Floats:
        """Compute the squared descriptor distance of every target to its match."""
        gap = np.take(offered, field[self.targets], axis=0)
        gap -= wanted[self.targets]
        squared: Floats = np.einsum("nd,nd->n", gap, gap)
        return squared

    def crowding(self, field: Indices) -> Floats:
        """Measure how much more often than their share the surroundings of each source are used, (H * W,) in [0, 4]."""
        used = np.bincount(field[self.targets], minlength=field.size).astype(np.float32)
        share = max(1.0, 1.5 * len(self.targets) / len(self.sources))
        excess: Floats = np.clip(cv2.blur(used.reshape(self.shape), (9, 9)) - share, 0, 4)
        return excess.ravel()

    def nearest_source(self) -> Indices:
        """Return the source that lies closest in the image to each pixel."""
        blocked = (~self.allowed).reshape(self.shape).astype(np.uint8)
        _, label = cv2.distanceTransformWithLabels(blocked, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        label = label.ravel()
        source_of: Indices = np.zeros(int(label.max()) + 1, np.int64)
        source_of[label[self.sources]] = self.sources
        nearest: Indices = source_of[label]
        return nearest

    def from_coarse(self, field: Indices, coarse: PatchSearch) -> Indices:
        """Enlarge the field of an image of half the size: offsets are doubled, odd pixels follow even ones."""
        (h, w), (ch, cw), r = self.shape, coarse.shape, coarse.radius
        ys, xs = np.divmod(self.targets, w)
        cy, cx = np.clip(ys // 2, r, ch - 1 - r), np.clip(xs // 2, r, cw - 1 - r)
        match_y, match_x = np.divmod(field[cy * cw + cx], cw)
        ys, xs = ys + 2 * (match_y - cy), xs + 2 * (match_x - cx)
        match = np.clip(ys, 0, h - 1) * w + np.clip(xs, 0, w - 1)
        lost = ~self.allowed[match]
        if lost.any():
            match[lost] = self.nearest_source()[match[lost]]
        fine = np.arange(h * w)
        fine[self.targets] = match
        return fine

    def is_small(self) -> bool:
        """Return whether comparing every target with every source is affordable."""
        return len(self.targets) * len(self.sources) <= EXACT_PAIRS

    def exact(self, wanted: Floats, offered: Floats, crowd: Floats) -> Indices:
        """Find the field of nearest sources by comparing all pairs."""
        target, source = wanted[self.targets], offered[self.sources]
        price = np.einsum("nd,nd->n", source, source) + crowd[self.sources]
        field = np.arange(len(wanted))
        step = max(1, CHUNK // len(source))
        for i in range(0, len(target), step):
            cost = target[i : i + step] @ source.T
            cost *= -2
            cost += price
            field[self.targets[i : i + step]] = self.sources[cost.argmin(1)]
        return field


def improve(
    search: PatchSearch,
    wanted: Floats,
    offered: Floats,
    field: Indices,
    crowd: Floats,
    rng: np.random.Generator,
    rounds: int,
    reach: int,
) -> Indices:
    """Improve a field by PatchMatch: propagation of neighbours' offsets, then random search around matches.

    All targets are updated at once, which is fast in numpy. The cost of a match also rises with every
    neighbour that has another offset (so that large pieces are copied whole) and with the crowding of
    its source (so that copies do not repeat).

    Args:
        search: targets and sources.
        wanted, offered: (H * W, D) descriptors of the image as it is, and of the sources.
        field: the field to start from; it is not changed.
        crowd: (H * W,) cost of each source, from `PatchSearch.crowding`.
        rng: generator of the random offsets.
        rounds: number of rounds of propagation and random search.
        reach: largest random offset, pixels.

    Returns:
        The improved field.

    Source: Barnes et al., PatchMatch (2009), section 3. Propagation is parallel and jumps 8, 3 and 1
    pixels instead of scanning; coherence and crowding are additions (the latter after Kaspar et al. 2015).
    """
    h, w = search.shape
    here = search.targets
    y, x = np.divmod(here, w)
    aim = wanted[here]
    is_target = np.zeros(h * w, bool)
    is_target[here] = True
    field = field.copy()
    gap = np.empty_like(aim)
    kappa = np.float32(COHERENCE * np.median(search.distance(wanted, offered, field)))

    def beside(dy: int, dx: int) -> Indices:
        flat: Indices = np.clip(y + dy, 0, h - 1) * w + np.clip(x + dx, 0, w - 1)
        return flat

    adjacent = [(n, is_target[n]) for n in (beside(dy, dx) for dy, dx in NEIGHBOURS)]

    def price(match: Indices, neighbour_offsets: list[Indices]) -> Floats:
        offset = match - here
        strangers = np.zeros(len(here), np.float32)
        for (_, counts), other in zip(adjacent, neighbour_offsets, strict=True):
            strangers += counts & (other != offset)
        total: Floats = crowd[match] + kappa * strangers
        return total

    def distance(match: Indices) -> Floats:
        np.take(offered, match, axis=0, out=gap, mode="clip")
        np.subtract(gap, aim, out=gap)
        squared: Floats = np.einsum("nd,nd->n", gap, gap)
        return squared

    current = distance(field[here])

    def consider(match_y: Indices, match_x: Indices) -> None:
        match = np.clip(match_y, 0, h - 1) * w + np.clip(match_x, 0, w - 1)
        offsets = [field[n] - n for n, _ in adjacent]
        candidate = distance(match)
        better = candidate + price(match, offsets) < current + price(field[here], offsets)
        better &= search.allowed[match]
        field[here[better]] = match[better]
        current[better] = candidate[better]

    for k in range(rounds):
        for jump in (8, 1) if k == 0 else (3, 1):
            for dy, dx in NEIGHBOURS:
                n = beside(dy * jump, dx * jump)
                (ny, nx), (my, mx) = np.divmod(n, w), np.divmod(field[n], w)
                consider(my - ny + y, mx - nx + x)
        radius = reach
        while radius >= 1:
            my, mx = np.divmod(field[here], w)
            dy, dx = rng.integers(-radius, radius + 1, (2, len(here)))
            consider(my + dy, mx + dx)
            radius //= 3
    return field


def peel(image: Floats, hole: Mask, search: PatchSearch, bias_limit: float) -> Floats:
    """Fill a hole from the rim inwards, each pixel from the source most similar to its known surroundings.

    Args:
        image: (H, W, 3 + K) colours and texture, as for `describe_patches`.
        hole: (H, W), true where `image` is unknown.
        search: where patches may come from.
        bias_limit: largest correction of a colour towards the mean of the surroundings, grey levels.

    Returns:
        (H, W, 3 + K), equal to `image` outside the hole. Time grows with the size of the hole times the
        number of sources.

    Source: Efros and Leung, Texture Synthesis by Non-parametric Sampling (1999), a layer at a time and
        with a cost for far sources.
    """
    (h, w), r = search.shape, search.radius
    dy, dx = (d.ravel() for d in np.mgrid[-r : r + 1, -r : r + 1])
    sy, sx = np.divmod(search.sources, w)
    patches = image[sy[:, None] + dy, sx[:, None] + dx]
    rows, squares = patches.reshape(len(sy), -1), (patches**2).sum(-1)
    known = np.pad(~hole, r)
    image = np.pad(image, ((r, r), (r, r), (0, 0)))
    inside = known[r : r + h, r : r + w]
    while not inside.all():
        grown = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        ys, xs = np.nonzero(grown & ~inside)
        around = (ys[:, None] + r + dy, xs[:, None] + r + dx)
        seen = known[around].astype(np.float32)
        part = image[around] * seen[..., None]
        count = seen.sum(1)[:, None]
        cost = (seen @ squares.T - 2 * part.reshape(len(ys), -1) @ rows.T) / count
        far = 2 * ((ys[:, None] - sy) / h) ** 2 + ((xs[:, None] - sx) / w) ** 2
        best = patches[(cost + FAR * far).argmin(1)]
        gap = (part - best * seen[..., None]).sum(1) / count
        gap[:, 3:] = 0
        image[ys + r, xs + r] = best[:, len(dy) // 2] + np.clip(gap, -bias_limit, bias_limit)
        inside |= grown
    return image[r : r + h, r : r + w]
