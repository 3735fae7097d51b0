"""The photo without its subject: the hole is completed with texture of the photo itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.render.patch_match import Floats, Indices, Mask, PatchSearch, describe_patches, improve, peel

Photo = NDArray[np.uint8]

SEARCH_SIDE, DRAFT_SIDE = 512, 192  # matches are found at this size, or for a draft, and lifted to the photo's
MARGIN = 3  # photo pixels around the hole that are never copied: they may show the subject's rim
RADII = (3, 2, 1)  # patch radii, largest first; smaller ones where there is little to copy from
FEW_SOURCES = 60  # a coarser level must offer at least so many patches
BIAS_LIMIT = 40.0  # grey levels by which a copied patch may be made lighter or darker
CROWDING = 1.0  # price of using a source once too often, in typical patch distances
TEXTURE_WEIGHT = 2.0
CALM = 3.0  # texture energy (grey levels per pixel) below which an area counts as smooth
COARSEST_SIDE = 24  # the shorter side of the coarsest level is at least this
PEEL_PAIRS = 20_000_000  # hole pixels times sources up to which peeling is affordable
ROUNDS = (2, 4, 6, 10)  # of search and vote, finest level first; the last holds for all coarser ones
STRIP = 1 << 16  # photo pixels that are written at a time


def fill_background(rgb: Photo, hole: Mask, avoid: Mask | None = None, draft: bool = False) -> Photo:
    """Fill the hole with texture that continues the photo around it.

    A coarse-to-fine pyramid alternates between matching the patches of the hole with patches of the
    photo and letting the matches vote on the hole's colours. The offsets found at `SEARCH_SIDE` are then
    lifted to full size, where whole pieces of the photo are copied, their brightness following the vote.

    Args:
        rgb: uint8 (H, W, 3) photo.
        hole: bool (H, W), true where the photo is unknown; it should cover the subject and its soft rim.
        avoid: bool (H, W), what must not be copied into the hole: other subjects.
        draft: matches are found at a smaller size, in a fifth of the time or so.

    Returns:
        uint8 (H, W, 3); equal to `rgb` outside the hole. The same input gives the same bytes.

    Raises:
        InputError: shapes or types differ from the above, or the hole covers the whole photo.

    Source: Wexler, Shechtman, Irani, Space-Time Completion of Video (2007), section 3; texture channels
        as in Newson et al., Video Inpainting of Complex Scenes (2014), section 3.3; brightness correction
        after Darabi et al., Image Melding (2012), with means only. Deviations: low DCT coefficients stand
        for patches, votes fall off slower than a Gaussian (a seam keeps a say and heals), and smooth
        areas start from a membrane.
    """
    avoid = np.zeros_like(hole) if avoid is None else avoid
    _check(rgb, hole, avoid)
    filled: Photo = rgb.copy()
    if hole.any():
        window = _context(hole)
        side = DRAFT_SIDE if draft else SEARCH_SIDE
        filled[window] = _fill(rgb[window], hole[window], avoid[window], side)
    return filled


def _check(rgb: Photo, hole: Mask, avoid: Mask) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InputError(f"expected a uint8 (H, W, 3) photo, got {rgb.dtype} {rgb.shape}")
    for name, given in (("hole", hole), ("avoid", avoid)):
        if given.dtype != np.bool_ or given.shape != rgb.shape[:2]:
            raise InputError(f"expected a bool {rgb.shape[:2]} array as {name}, got {given.dtype} {given.shape}")
    if hole.size and hole.all():
        raise InputError("expected some background around the subject, got a mask of the whole photo")


def _context(hole: Mask) -> tuple[slice, slice]:
    """Return the hole's bounding box with as much again on every side, as (rows, columns)."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    margin = max(64, int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1)

    def grown(known: Indices, size: int) -> slice:
        return slice(max(0, int(known[0]) - margin), min(size, int(known[-1]) + 1 + margin))

    return grown(rows, hole.shape[0]), grown(columns, hole.shape[1])


@dataclass(frozen=True)
class _Level:
    """One size of the photo: RGB and texture, what is unknown, what must not be copied."""

    image: Floats
    hole: Mask
    barred: Mask

    def halved(self) -> _Level:
        """Return the averages of the known pixels of 2 x 2; one unknown pixel makes the average unknown."""
        known = ~self.hole[..., None]
        total, weight = _halve(self.image * known), _halve(known.astype(np.float32))
        barred = _halve(self.barred[..., None].astype(np.float32))[..., 0] > 0
        return _Level(np.divide(total, np.maximum(weight, np.float32(1e-6))), weight[..., 0] < 0.999, barred)

    def search(self, enough: int) -> PatchSearch | None:
        """Set up the search with the largest patches possible for `enough` sources; return None if none are."""
        for radius in RADII:
            if min(self.hole.shape) > 2 * radius:
                search = PatchSearch.around(self.hole, self.barred, radius)
                if len(search.sources) >= enough:
                    return search
        return None


def _halve(image: Floats) -> Floats:
    """Return the means of 2 x 2 pixels; the last row and column are repeated where the size is odd."""
    h, w = image.shape[:2]
    even = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    total: Floats = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    total *= np.float32(0.25)
    return total


def membrane(image: Floats, known: Floats) -> Floats:
    """Fill what is unknown of an image (h, w, C) smoothly, from ever wider surroundings.

    Args:
        image: float32.
        known: (h, w) in [0, 1], how much each pixel is known.
    """
    import torch

    from photoflow.models.push_pull import push_pull

    planes = torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None]
    weight = torch.from_numpy(np.ascontiguousarray(known, np.float32))[None, None]
    return np.ascontiguousarray(push_pull(planes, weight)[0].permute(1, 2, 0).numpy())


def _fill(rgb: Photo, hole: Mask, avoid: Mask, side: int) -> Photo:
    finest = _reduced(rgb, hole, avoid, side)
    search = finest.search(16) or finest.search(1)
    if search is None:
        nowhere = np.zeros((2, *finest.hole.shape), np.int64)
        return _lift(np.zeros_like(rgb), rgb, hole, nowhere, finest.image[..., :3])
    solution, field = _complete(finest, search)
    offsets = _offsets(search, field)
    return _lift(rgb, rgb, hole, offsets, _brightness(solution, finest, search, offsets))


def _reduced(rgb: Photo, hole: Mask, avoid: Mask, longest: int) -> _Level:
    """Reduce the photo to search size; a pixel is known where every photo pixel under it is."""
    scale = max(1.0, max(hole.shape) / longest)
    h, w = (max(1, round(side / scale)) for side in hole.shape)
    reach = 2 * MARGIN + 1
    near = cv2.dilate((hole | avoid).astype(np.uint8), np.ones((reach, reach), np.uint8))
    blank = rgb.copy()
    blank[hole] = 0

    def resized(image: NDArray[Any]) -> Floats:
        return cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)

    known = 1 - resized(hole.astype(np.uint8) * np.uint8(255)) / np.float32(255)
    colours = resized(blank) / np.maximum(known, np.float32(1e-3))[..., None]
    grey = cv2.cvtColor(blank, cv2.COLOR_RGB2GRAY)
    lost = resized(grey.astype(np.float32) ** 2) - resized(grey.astype(np.float32)) ** 2
    unknown = known < 0.999
    layers = np.concatenate([colours, lost[..., None]], -1)
    layers = membrane(layers, (~unknown).astype(np.float32))
    return _Level(_with_texture(layers[..., :3], layers[..., 3]), unknown, resized(near * np.uint8(255)) > 0)


def _with_texture(colours: Floats, lost: Floats) -> Floats:
    """Return RGB and the local energy of gradients in x and y and of detail lost by resizing."""
    luma = colours.sum(-1) / np.float32(np.sqrt(3.0))
    gradients = [cv2.Sobel(luma, -1, 1, 0, scale=0.25), cv2.Sobel(luma, -1, 0, 1, scale=0.25)]
    energy = cv2.blur(np.stack([gradients[0] ** 2, gradients[1] ** 2, lost], -1), (5, 5))
    texture = np.sqrt(np.maximum(energy, 0)) * np.float32(TEXTURE_WEIGHT)
    return np.concatenate([colours, texture], -1)


def _complete(finest: _Level, finest_search: PatchSearch) -> tuple[Floats, Indices]:
    """Search and vote from the coarsest level down; the filled image and field of the finest."""
    rng = np.random.default_rng(0)
    levels, searches = [finest], [finest_search]
    while min(levels[-1].hole.shape) >= 2 * COARSEST_SIDE and _depth(levels[-1].hole).max() > 4:
        level = levels[-1].halved()
        search = level.search(FEW_SOURCES)
        if search is None:
            break
        levels.append(level)
        searches.append(search)
    image, field = _first_guess(levels[-1], searches[-1], rng)
    for n in range(len(levels) - 1, -1, -1):
        level, search = levels[n], searches[n]
        if n < len(levels) - 1:
            field = search.from_coarse(field, searches[n + 1])
            h, w = level.hole.shape
            twice = cv2.resize(image, (2 * image.shape[1], 2 * image.shape[0]))[:h, :w]
            image = np.where(level.hole[..., None], twice, level.image)
            image = _vote(image, level, search, field, np.ones(len(search.targets), np.float32))
        image, field = _settle(image, level, search, field, n, rng)
    return image, field


def _depth(hole: Mask) -> Floats:
    """Return the distance in pixels of each hole pixel from what is known; 0 outside the hole."""
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3), np.float32)


def _settle(
    image: Floats, level: _Level, search: PatchSearch, field: Indices, n: int, rng: np.random.Generator
) -> tuple[Floats, Indices]:
    """Alternate search and vote at level n (0 is the finest)."""
    offered = describe_patches(level.image, search.radius)
    rounds = ROUNDS[min(n, len(ROUNDS) - 1)]
    for k in range(rounds):
        wanted = describe_patches(image, search.radius)
        typical = np.float32(np.median(search.distance(wanted, offered, field)))
        crowd = search.crowding(field) * (CROWDING * typical)
        if search.is_small() and n >= 2 and k < rounds - 1:
            field = search.exact(wanted, offered, crowd)
        else:
            side = max(search.shape)
            times, reach = (2, side // 2) if n else (1, side // 8)
            field = improve(search, wanted, offered, field, crowd, rng, times, reach)
        distance = search.distance(wanted, offered, field)
        image = _vote(image, level, search, field, distance, times=4 if n >= 2 else 1)
    return image, field


def _first_guess(level: _Level, search: PatchSearch, rng: np.random.Generator) -> tuple[Floats, Indices]:
    """Peel patches layer by layer where there is texture, and take a membrane where there is not."""
    field = np.arange(level.hole.size)
    field[search.targets] = rng.choice(search.sources, len(search.targets))
    known = (~level.hole).astype(np.float32)
    calm = np.exp(-((level.image[..., 3:5].mean(-1, keepdims=True) / (CALM * TEXTURE_WEIGHT)) ** 2))
    smooth = membrane(np.concatenate([level.image, calm], -1), known)
    calm, smooth = np.clip(smooth[..., -1:], 0, 1), smooth[..., :-1]
    if np.count_nonzero(level.hole) * len(search.sources) > PEEL_PAIRS:
        return smooth, field
    mix = calm * calm * (3 - 2 * calm)
    peeled = peel(level.image, level.hole, search, BIAS_LIMIT)
    return np.where(level.hole[..., None], peeled + mix * (smooth - peeled), level.image), field


def _vote(
    image: Floats, level: _Level, search: PatchSearch, field: Indices, distance: Floats, times: int = 1
) -> Floats:
    """Set every hole pixel to the weighted mean of the colours from the matched patches over it.

    Each patch speaks with the mean colour of the place where it is wanted (within `BIAS_LIMIT`), so
    that lighting flows in from the rim, further with each of the `times`; near and well matched
    patches weigh more.
    """
    (h, w), side = search.shape, 2 * search.radius + 1
    typical = 0.8 * max(float(np.percentile(distance, 75)), 1e-3)
    weight = np.zeros(h * w, np.float32)
    weight[search.targets] = (1 + distance / typical) ** -1.5
    weight *= np.power(np.float32(1.2), -np.minimum(_depth(level.hole), 60)).ravel()
    total, norm = _gather_votes(level, search, field, weight)
    norm = np.maximum(norm, 1e-12)[:, None]

    def patch_means(of: Floats, centres: Indices) -> Floats:
        blurred = cv2.blur(np.ascontiguousarray(of[..., :3]), (side, side))
        return np.asarray(blurred, np.float32).reshape(-1, 3)[centres]

    source_means = patch_means(level.image, field[search.targets])
    for _ in range(times):
        gap = np.clip(patch_means(image, search.targets) - source_means, -BIAS_LIMIT, BIAS_LIMIT)
        bias = np.zeros((h * w, 3), np.float32)
        bias[search.targets] = gap * weight[search.targets, None]
        planes = bias.reshape(h, w, 3)
        added = cv2.boxFilter(planes, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        voted = total / norm
        voted[:, :3] += added[level.hole] / norm
        image = level.image.copy()
        image[level.hole] = voted
    return np.asarray(image, np.float32)


def _gather_votes(level: _Level, search: PatchSearch, field: Indices, weight: Floats) -> tuple[Floats, Floats]:
    """Sum the colours that all patches over a hole pixel bring to it, weighted, and sum the weights."""
    (h, w), r = search.shape, search.radius
    stride = w + 2 * r
    field = np.pad(field.reshape(h, w), r).ravel()
    weight = np.pad(weight.reshape(h, w), r).ravel()
    y, x = np.nonzero(level.hole)
    pixels = (y + r) * stride + x + r
    source = level.image.reshape(h * w, -1)
    total = np.zeros((len(pixels), source.shape[1]), np.float32)
    norm = np.zeros(len(pixels), np.float32)
    for dy, dx in product(range(-r, r + 1), repeat=2):
        centre = pixels + (dy * stride + dx)
        share = weight[centre]
        colours = np.take(source, field[centre] - (dy * w + dx), axis=0, mode="clip")
        colours *= share[:, None]
        total += colours
        norm += share
    return total, norm


def _offsets(search: PatchSearch, field: Indices) -> Indices:
    """Return the rows and columns from each pixel to its match, (2, h, w); the border follows the nearest target."""
    (h, w), r = search.shape, search.radius
    y = np.clip(np.arange(h), r, h - 1 - r)[:, None]
    x = np.clip(np.arange(w), r, w - 1 - r)[None, :]
    match_y, match_x = np.divmod(field[y * w + x], w)
    return np.stack([match_y - y, match_x - x])


def _brightness(solution: Floats, finest: _Level, search: PatchSearch, offsets: Indices) -> Floats:
    """Compute the colour to add to the copied photo: its low frequencies follow the vote, and the rim shows no step."""
    h, w = search.shape
    y = np.clip(np.arange(h)[:, None] + offsets[0], 0, h - 1)
    x = np.clip(np.arange(w)[None, :] + offsets[1], 0, w - 1)
    colours = np.ascontiguousarray(solution[..., :3])
    low = cv2.blur(colours, (7, 7))
    bias = low - low[y, x]
    rim = np.zeros(h * w, bool)
    rim[search.targets] = True
    weight = (rim.reshape(h, w) & ~finest.hole).astype(np.float32)
    step = (colours - colours[y, x] - bias) * weight[..., None]
    step = cv2.blur(step, (5, 5)) / np.maximum(cv2.blur(weight, (5, 5)), 1e-6)[..., None]
    correction: Floats = bias + membrane(np.clip(step, -BIAS_LIMIT, BIAS_LIMIT), weight)
    return correction


def _lift(photo: Photo, rgb: Photo, hole: Mask, offsets: Indices, bias: Floats) -> Photo:
    """Copy pixels of `photo` into the hole of `rgb` along offsets known at a smaller size.

    Pieces of one offset are copied as they are; where pieces meet, the copies are blended over one
    pixel of the smaller size. `bias` is interpolated and added.
    """
    (height, width), (h, w) = hole.shape, bias.shape[:2]
    jump_y = np.rint(offsets[0] * (height / h)).astype(np.int64)
    jump_x = np.rint(offsets[1] * (width / w)).astype(np.int64)
    torn = _is_torn(jump_y * 2 * width + jump_x)
    (low_y, high_y, part_y), (low_x, high_x, part_x) = _cells(height, h), _cells(width, w)
    near_y, near_x = np.where(part_y < 0.5, low_y, high_y), np.where(part_x < 0.5, low_x, high_x)
    pixels = photo.reshape(-1, 3)

    def copied(y: Indices, x: Indices, cell: tuple[Indices, Indices]) -> Photo:
        place = np.clip(y + jump_y[cell], 0, height - 1) * width
        place = place + np.clip(x + jump_x[cell], 0, width - 1)
        colours: Photo = np.take(pixels, place, axis=0)
        return colours

    filled: Photo = rgb.copy()
    occupied = np.flatnonzero(hole.any(0))
    x = np.arange(occupied[0], occupied[-1] + 1)
    lx, hx, fx = low_x[x], high_x[x], part_x[x][:, None]
    strip = max(1, STRIP // len(x))
    for y in np.split(np.arange(height), range(strip, height, strip)):
        here = np.s_[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        inside = hole[here]
        ly, hy, fy = low_y[y], high_y[y], part_y[y][:, None]
        colour = copied(y[:, None], x, (near_y[y][:, None], near_x[x])).astype(np.float32)
        sy, sx = np.nonzero(inside & torn[np.ix_(ly, lx)])
        colour[sy, sx] = 0
        for (cy, share_y), (cx, share_x) in product(((ly, 1 - fy), (hy, fy)), ((lx, 1 - fx), (hx, fx))):
            colour[sy, sx] += share_y[sy] * share_x[sx] * copied(y[sy], x[sx], (cy[sy], cx[sx]))
        light = bias[ly] * (1 - fy[..., None]) + bias[hy] * fy[..., None]
        colour += cv2.resize(light, (width, len(y)), interpolation=cv2.INTER_LINEAR)[:, x[0] : x[-1] + 1]
        np.clip(colour + np.float32(0.5), 0, 255, out=colour)
        filled[here][inside] = colour.astype(np.uint8)[inside]
    return filled


def _cells(length: int, cells: int) -> tuple[Indices, Indices, Floats]:
    """Find the two of `cells` cells around each of `length` pixels, and its distance from the first, in cells."""
    place = np.clip((np.arange(length) + 0.5) * (cells / length) - 0.5, 0, cells - 1)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, cells - 1), (place - low).astype(np.float32)


def _is_torn(jump: Indices) -> Mask:
    """Mark each cell unless it and its right, lower and lower right neighbours all jump alike."""
    jump = np.pad(jump, ((0, 1), (0, 1)), mode="edge")
    first = jump[:-1, :-1]
    torn: Mask = (first != jump[1:, :-1]) | (first != jump[:-1, 1:]) | (first != jump[1:, 1:])
    return torn
