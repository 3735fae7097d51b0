"""A layer: one thing of the photo that may move by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.holds import Stroke, hold_weights
from photoflow.render.continuation import Margins, continued
from photoflow.segment.attached import cord_above, flames_on
from photoflow.segment.kinds import Kind, kind_of
from photoflow.segment.matting import own_colours, soft_alpha
from photoflow.segment.named_parts import part_of
from photoflow.segment.selection import TOO_SMALL

STEP = 64  # pixels: a continuation is made a little wider than is asked for, and serves the next motion too


class Layer:
    """One thing of the photo that may move by itself; immutable, and shared by stages and threads.

    It is cut out when its alpha or its colours are first asked for.

    Args:
        name: letters, digits, - and _, see `photoflow.motion.motion.NAME`.
        photo: uint8 (H, W, 3), the photo at its working size.
        mask: uint8 (H, W), 255 where the thing is.
        source: what found it, in words.
        kind: what it is, where that is known; by default it is judged from the photo when it is first asked for.
        label: what a network or a person calls it ("cat").
        region: whether its material flows inside a place that stays (water, clouds); else it is a subject, which is
            cut out and leaves a hole behind.
        given: whether a person said it, and it was not found by itself.
        direction: (x, y), of length 1: where the material of a region flows; None: it is still.
        free, pinned: strokes, lines of points (x, y) in pixels of the working size, on what of it is free to move and
            on what is held; see `photoflow.motion.holds`.

    Masks and opacities are of 256 levels, so that a stage file holds them exactly.
    """

    def __init__(
        self, name: str, photo: Array, mask: Array, source: str, kind: Kind | None = None, region: bool = False,
        given: bool = False, *, label: str | None = None, direction: tuple[float, float] | None = None,
        free: Sequence[Stroke] = (), pinned: Sequence[Stroke] = (),
    ) -> None:  # fmt: skip
        self.name, self.photo, self.mask, self.source = name, photo, mask, source
        self.region, self.given, self.label, self.direction = region, given, label, direction
        self.free, self.pinned = free, pinned
        self._kind = kind
        self._levels: Array | None = None
        self._colours: Array | None = None
        self._weights: Array | None = None
        self._parts: dict[str, Array | None] = {}
        self._completed: dict[str, Layer] = {}  # with its cord, its flames
        self._continued: dict[Margins, tuple[Array, Array, tuple[int, int]]] = {}
        self._twin: Layer | None = None  # the same thing as a region, or as a subject
        # Two locks: who wants the opacity does not wait for who finds the colours.
        self._lock, self._colouring = threading.RLock(), threading.Lock()

    @property
    def known_kind(self) -> Kind | None:
        """Return what it is, None as long as nobody asked for it."""
        return self._kind

    @property
    def kind(self) -> Kind:
        """Return what it is; judged once."""
        with self._lock:
            if self._kind is None:
                self._kind = kind_of(self.photo, np.divide(self.mask, np.float32(255)), self.label)
            return self._kind

    @property
    def alpha(self) -> Array:
        """Return the soft opacity, float32 (H, W) in [0, 1].

        Raises:
            InputError: nothing of the thing is left at this size.
        """
        opacity: Array = self.levels / np.float32(255)
        return opacity

    @property
    def levels(self) -> Array:
        """Return the soft opacity as uint8 (H, W)."""
        with self._lock:
            if self._levels is None:
                self._levels = self._softened() if self.region else self._matted()
            return self._levels

    @property
    def colours(self) -> Array:
        """Return the thing's own colours, uint8 (H, W, 3), without those of what is behind its soft edge."""
        levels = self.levels
        with self._colouring:
            if self._colours is None:
                self._colours = (
                    self.photo if self.region else own_colours(self.photo, np.divide(levels, np.float32(255)))
                )
            return self._colours

    @property
    def weights(self) -> Array | None:
        """Return how freely each pixel moves, float32 (H, W) in [0, 1]; None where no stroke says it."""
        with self._lock:
            if self._weights is None:
                self._weights = hold_weights(self.mask / np.float32(255), self.free, self.pinned)
            return self._weights

    def part(self, preset: str) -> Array | None:
        """Return how freely each pixel moves in a motion of `photoflow.motion.wind.PRESETS` that is of a part.

        That is what strokes say is free; where none does, what the preset is named after: the hair, the flame.

        Returns:
            float32 (H, W) in [0, 1]; None where it is of the whole layer.
        """
        with self._lock:
            if preset not in self._parts:
                if self.free and self.weights is not None:
                    self._parts[preset] = np.minimum(2 * self.weights, 1)  # all of what is more free than held
                else:
                    self._parts[preset] = part_of(self.photo, np.divide(self.mask, np.float32(255)), preset)
            return self._parts[preset]

    @property
    def is_cut_out(self) -> bool:
        """Return whether alpha and colours are known already."""
        return self._levels is not None and self._colours is not None

    def cut_out(self) -> tuple[Array, Array]:
        """Return opacity, uint8 (H, W), and colours, uint8 (H, W, 3), computed once."""
        return self.levels, self.colours

    def know(self, levels: Array, colours: Array) -> None:
        """Take opacity, uint8 (H, W), and colours, uint8 (H, W, 3), from a file in place of computing them."""
        self._levels, self._colours = levels, colours

    def continued(self, beyond: Margins) -> tuple[Array, Array, tuple[int, int]]:
        """Continue the thing beyond the picture's border; see `photoflow.render.continuation.continued`."""
        left, top, right, bottom = (-(-side // STEP) * STEP for side in beyond)
        margins = left, top, right, bottom
        colours, alpha = self.colours, self.alpha
        with self._lock:
            if margins not in self._continued:
                self._continued = {margins: continued(colours, alpha, margins)}
            return self._continued[margins]

    def as_region(self, region: bool) -> Layer:
        """Return the same thing as a region, or as a subject."""
        if region == self.region:
            return self
        with self._lock:
            if self._twin is None:
                self._twin = self.changed(region=region)
            return self._twin

    def with_cord(self) -> Layer:
        """Return the same thing with the cord from which it hangs, where one is seen above it."""
        return self._with("cord", cord_above)

    def with_flames(self) -> Layer:
        """Return the same thing with the flames that burn on it, where some are seen."""
        return self._with("flames", flames_on)

    def _with(self, name: str, find: Callable[[Array, Array], Array | None]) -> Layer:
        with self._lock:
            if name not in self._completed:
                mask = self.mask / np.float32(255)
                found = None if self.region else find(self.photo, mask)
                self._completed[name] = self if found is None else self.changed(
                    mask=as_levels(np.maximum(mask, found)), source=f"{self.source}, with its {name}"
                )  # fmt: skip
            return self._completed[name]

    def changed(self, **what: Any) -> Layer:
        """Return a layer that is this one but for some of what it was made of, by the names of its arguments."""
        made = {
            "name": self.name, "photo": self.photo, "mask": self.mask, "source": self.source, "kind": self._kind,
            "region": self.region, "given": self.given, "label": self.label, "direction": self.direction,
            "free": self.free, "pinned": self.pinned,
        }  # fmt: skip
        return Layer(**made | what)

    def _matted(self) -> Array:
        mask: Array = self.mask / np.float32(255)
        if not (mask > 0.5).any():
            raise InputError(TOO_SMALL)
        levels = as_levels(soft_alpha(self.photo, mask))
        if not (levels > 127).any():
            raise InputError(TOO_SMALL)
        return levels

    def _softened(self) -> Array:
        """Return a region's opacity: its edge is a few pixels soft."""
        width = 0.004 * max(self.mask.shape)
        return as_levels(cv2.GaussianBlur(self.mask / np.float32(255), (0, 0), width))


def as_levels(mask: Array) -> Array:
    """Return a mask, float in [0, 1], as uint8 levels."""
    return np.asarray(mask * np.float32(255) + np.float32(0.5), np.uint8)
