"""Composition of moving layers: the background behind them, and each of them over it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.render.background import fill_background
from photoflow.render.cutout import Cutout, premultiplied, support
from photoflow.stage.layer import Layer
from photoflow.stage.progress import Progress

if TYPE_CHECKING:
    from photoflow.stage.plate import Footage, Plate

NOISE = 4.0  # grey levels by which a fill may differ from the photo and still explain it
CERTAIN = 20.0  # grey levels above those at which the difference is the subject's without doubt
KEPT = 4  # sets of layers whose fill and composition are kept: some 20 MB each at 1280x853
MARGIN = 4  # pixels around a hole, of which the evidence sees some
VEIL = 0.05  # opacity at which the photo's background is no longer seen


@dataclass(frozen=True)
class Composition:
    """The background and the cutouts of moving layers: at rest they add up to the photo.

    Args:
        background: uint8 (H, W, 3), the photo with the layers' holes filled in.
        cutouts: of each layer that moves, in the order of the layers, how it is drawn over that.
    """

    background: Array
    cutouts: tuple[Cutout, ...]


class Compositions:
    """The fills and compositions of some sets of layers, each computed once; threads may share it.

    Args:
        photo: uint8 (H, W, 3).
        footage: shows what is behind layers; None: no clip does.
        plate: what is known of that; None: nothing yet.
    """

    def __init__(self, photo: Array, footage: Footage | None = None, plate: Plate | None = None) -> None:
        self._photo, self._lock = photo, threading.Lock()
        self._footage, self._plate = footage, plate
        self._fills: OrderedDict[tuple[frozenset[Layer], frozenset[Layer]], Array] = OrderedDict()
        self._composed: OrderedDict[tuple[tuple[Layer, ...], frozenset[Layer], bool], Composition] = OrderedDict()

    def of(
        self, moving: Sequence[Layer], staying: Sequence[Layer], progress: Progress, draft: bool = False
    ) -> Composition:
        """Return what is drawn where some subjects move; see `photoflow.stage.Stage.compose`."""
        if not moving:
            return Composition(self._photo, ())
        others = frozenset(staying)
        with self._lock:
            draft = draft and (frozenset(moving), others) not in self._fills
            key = tuple(moving), others, draft
            if key not in self._composed:
                with ThreadPoolExecutor(1) as beside:  # filling keeps one core busy
                    colours = beside.submit(lambda: [layer.colours for layer in moving])
                    filled = self._filled(moving, others, progress, draft)
                    colours.result()
                self._composed[key] = compose(self._photo, filled, moving)
            _refresh(self._composed, key)
            return self._composed[key]

    def _filled(self, moving: Sequence[Layer], staying: frozenset[Layer], progress: Progress, draft: bool) -> Array:
        key, others = (frozenset(moving), staying), sorted(staying, key=lambda layer: layer.name)
        if draft:
            return fill_behind(self._photo, moving, others, self._plate, draft)
        if key not in self._fills:
            progress.check()
            self._look_behind([*moving, *others], progress)
            self._fills[key] = fill_behind(self._photo, moving, others, self._plate)
            progress.done(f"filled behind: {', '.join(layer.name for layer in moving)}")
        _refresh(self._fills, key)
        return self._fills[key]

    def look_behind(self, layers: Sequence[Layer], progress: Progress) -> None:
        """Make the plate that is behind layers, where there is a clip that shows it and it is not known yet."""
        with self._lock:
            self._look_behind(layers, progress)

    def _look_behind(self, layers: Sequence[Layer], progress: Progress) -> None:
        if self._footage is None or not layers:
            return
        hole = hole_behind([layer.alpha for layer in layers])
        if self._plate is None or (hole & ~self._plate.known).any():
            self._plate = self._footage.plate(layers, progress)
            if self._plate is None:
                self._footage = None

    @property
    def plate(self) -> Plate | None:
        """Return the photo without its subjects, as far as it is known from a clip."""
        return self._plate

    def fills(self) -> list[tuple[frozenset[Layer], frozenset[Layer], Array]]:
        """Return the fills that are known, each with the layers that move and the subjects that stay."""
        with self._lock:
            return [(*key, filled) for key, filled in self._fills.items()]

    def know(self, moving: frozenset[Layer], staying: frozenset[Layer], filled: Array) -> None:
        """Take a fill from a file in place of computing it."""
        self._fills[moving, staying] = filled

    def replace(self, old: Layer, new: Layer) -> None:
        """Keep what is known of a layer for one that looks the same."""
        with self._lock:
            for (moving, others), filled in list(self._fills.items()):
                if old in moving or old in others:
                    self._fills[_with(moving, old, new), _with(others, old, new)] = filled

    def copy(self) -> Compositions:
        """Return others that share all that is known."""
        with self._lock:
            other = Compositions(self._photo, self._footage, self._plate)
            other._fills, other._composed = OrderedDict(self._fills), OrderedDict(self._composed)
        return other


def _with(layers: frozenset[Layer], old: Layer, new: Layer) -> frozenset[Layer]:
    """Return the same layers with another one in the place of `old`."""
    return frozenset(new if layer is old else layer for layer in layers)


def _refresh(cache: OrderedDict[Any, Any], key: Any) -> None:
    """Make an entry the last one to be dropped when there are more than `KEPT`."""
    cache.move_to_end(key)
    while len(cache) > KEPT:
        cache.popitem(last=False)


def fill_behind(
    photo: Array, moving: Sequence[Layer], others: Sequence[Layer], plate: Plate | None = None, draft: bool = False
) -> Array:
    """Return the photo without the subjects that move, uint8 (H, W, 3): as a plate has it, else with texture.

    Args:
        photo: uint8 (H, W, 3).
        moving: the subjects that leave a hole.
        others: the subjects that stay; no subject is copied into the hole.
        plate: what is known of what is behind them; None: nothing.
        draft: quickly and roughly.
    """
    subjects = np.logical_or.reduce([layer.mask > 127 for layer in (*moving, *others)])
    hole = hole_behind([layer.alpha for layer in moving])
    if plate is not None:
        known = hole & plate.known
        photo = np.where(known[..., None], plate.picture, photo)
        hole, subjects = hole & ~known, subjects & ~known
    return fill_background(photo, hole, subjects, draft)


def compose(photo: Array, filled: Array, moving: Sequence[Layer]) -> Composition:
    """Divide the photo among its background and the subjects that move, so that at rest nothing of it is lost.

    What the fill does not explain belongs to the subject: whiskers, stems and shadows at its edge move with it, and
    the frame in which nothing has moved is the photo. Of a pixel I, with a fill B in the hole:

        B' = I + (B - I) max(e, min(alpha / VEIL, 1))       the fill, feathered into the photo at the hole's edge
        alpha' = max(alpha, m, e)                           e: evidence that the fill is wrong
        F' = (I - (1 - alpha') B') / alpha'                 m: the least opacity at which F' is a colour

    Where several holes meet the residue goes to the subject in front.

    Args:
        photo: I, uint8 (H, W, 3).
        filled: B, the same, from `fill_behind`.
        moving: the subjects, the one in front first.

    Returns:
        The background B' and each subject's alpha' and F', premultiplied.
    """
    alphas, width = [layer.alpha for layer in moving], rim(photo.shape)
    hole = hole_behind(alphas)
    window = _around(hole | (np.maximum.reduce(alphas) > 0))
    picture, inside = photo[window], hole[window]
    near = [alpha[window] for alpha in alphas]
    background = filled.copy()
    # `below` is what is behind a subject without any residue, by which its evidence is told; `behind` is what is drawn.
    below, behind = filled[window].copy(), background[window]
    doubt = evidence(picture, below, inside, width)
    _feather(behind, picture, np.maximum.reduce(near), inside, doubt)
    behind = behind.copy()
    cutouts = []
    for number in reversed(range(len(moving))):  # from the back to the front
        alpha, colours = near[number], moving[number].colours[window]
        own = reached(alpha, width)
        for in_front in near[:number]:
            own &= ~reached(in_front, width)
        part = _around(own | (alpha > 0))
        if len(moving) > 1:  # else it is the hole's
            doubt[part] = evidence(picture[part], below[part], own[part], width)
        rgba = _cut(picture[part], behind[part], colours[part], alpha[part], own[part], doubt[part])
        if number > 0:
            below[part] = np.rint(
                below[part] + (colours[part].astype(np.float32) - below[part]) * alpha[part][..., None]
            )
            behind[part] = behind[part] * (1 - rgba[..., 3:]) + rgba[..., :3] * 255 + np.float32(0.5)
        left, top = window[1].start + part[1].start, window[0].start + part[0].start
        cutouts.append(Cutout((left, top, left + rgba.shape[1], top + rgba.shape[0]), rgba))
    return Composition(background, tuple(cutouts[::-1]))


def _feather(filled: Array, photo: Array, alpha: Array, hole: Array, doubt: Array) -> None:
    """Pass the fill into the photo, in place, where no subject hides it and no evidence speaks against that."""
    edge = hole & (alpha < VEIL)
    share = np.maximum(doubt[edge], alpha[edge] / np.float32(VEIL))[:, None]
    seen = photo[edge].astype(np.float32)
    filled[edge] = np.rint(seen + (filled[edge] - seen) * share)


def _around(bits: Array) -> tuple[slice, slice]:
    """Return the rows and columns of what is true, with a margin in which the evidence can fade."""
    height, width = bits.shape
    left, top, right, bottom = support(bits)
    return slice(max(0, top - MARGIN), min(height, bottom + MARGIN)), slice(
        max(0, left - MARGIN), min(width, right + MARGIN)
    )


def _cut(photo: Array, behind: Array, colours: Array, alpha: Array, own: Array, doubt: Array) -> Array:
    """Return a subject as it is drawn, (h, w, 4) float32, premultiplied.

    Args:
        photo: uint8 (h, w, 3).
        behind: uint8 (h, w, 3), what is drawn below the subject.
        colours: uint8 (h, w, 3), its own.
        alpha: (h, w), its opacity.
        own: bool (h, w), where it has to make up for what is missing of the photo.
        doubt: (h, w) in [0, 1], evidence that what is below is not the photo's.
    """
    rgba = premultiplied(colours, alpha)
    solid = own & (alpha == 1) & (_largest(cv2.absdiff(photo, colours)) > 0)
    rgba[solid, :3] = photo[solid] / np.float32(255)
    rest = own & (alpha < 1)
    seen, below = photo[rest].astype(np.float32), behind[rest].astype(np.float32)
    opacity = np.maximum(alpha[rest], np.maximum(least_opacity(seen, below), doubt[rest]))[:, None]
    rgba[rest, :3] = np.clip(seen - (1 - opacity) * below, 0, 255 * opacity) / np.float32(255)
    rgba[rest, 3:] = opacity
    return rgba


def evidence(photo: Array, filled: Array, hole: Array, width: int) -> Array:
    """Return how sure it is that a fill is not what the photo shows, float32 (H, W) in [0, 1]; 0 outside the hole.

    Args:
        photo: uint8 (H, W, 3).
        filled: the same.
        hole: bool (H, W). Towards its edge, where both pass into each other, the evidence fades.
        width: see `rim`.
    """
    apart = _largest(cv2.absdiff(photo, filled))
    apart = cv2.GaussianBlur(cv2.dilate(apart.astype(np.float32), np.ones((3, 3), np.uint8)), (0, 0), 1.0)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    certain = smoothstep((apart - NOISE) / CERTAIN) * smoothstep(depth / (2 * width + 1))
    return np.asarray(certain, np.float32)


def least_opacity(picture: Array, behind: Array) -> Array:
    """Return the least opacity at which some colour over `behind` gives the picture, (...); both (..., 3), 0 to 255."""
    apart = picture - behind
    room = np.where(apart > 0, 255 - behind, behind)  # to white for what is brighter, to black for what is darker
    return _largest(np.abs(apart) / np.maximum(room, np.float32(1e-6))).clip(0, 1)


def _largest(picture: Array) -> Array:
    """Return the largest of three channels, (..., 3) -> (...); much faster than the maximum over an axis."""
    largest: Array = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])
    return largest


def smoothstep(u: Array) -> Array:
    """Return 0 below 0, 1 above 1, and between them a rise without slope at either end."""
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def hole_behind(alphas: Sequence[Array]) -> Array:
    """Return where the background is unknown: under the subjects and the rim that they stain; bool (H, W)."""
    opacity = np.maximum.reduce(alphas)
    covered = reached(opacity, rim(opacity.shape))
    # A subject that leaves next to nothing of the photo: what is left of it must do.
    return np.asarray(opacity > 0.5 if covered.all() else covered)


def reached(alpha: Array, width: int) -> Array:
    """Return where a subject is, with a rim of so many pixels around it; bool (H, W)."""
    side = 2 * width + 1
    return np.asarray(cv2.dilate((alpha > 0).astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def rim(size: tuple[int, ...]) -> int:
    """Return how wide the rim is that a subject stains in a picture (height, width), pixels."""
    return max(1, round(0.002 * max(size)))
