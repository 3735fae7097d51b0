"""The stage: a photo prepared once, and animated many times."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.segment import NoSubjectError, Segmenter
from photoflow.segment.depth import resized_depth
from photoflow.segment.kinds import KINDS
from photoflow.segment.selection import Selection
from photoflow.stage import file
from photoflow.stage.composition import Composition, Compositions
from photoflow.stage.finding import found_regions, found_things
from photoflow.stage.holding import said_holds
from photoflow.stage.layer import Layer, as_levels
from photoflow.stage.naming import check_free, named
from photoflow.stage.painting import brushed
from photoflow.stage.plate import Footage, Plate
from photoflow.stage.progress import Progress, silent
from photoflow.stage.saving import contents_of, stage_of
from photoflow.stage.selecting import by_label, said_kind, selected_layer
from photoflow.stage.working_size import LOOK_SIDE, resize_photo


class Stage:
    """A photo with its layers and what is behind them.

    Editing a stage (`add`, `refine`, `remove`, `arrange`) changes what is animated from then on: clips that were made
    before keep the layers they were made of, and what did not change is not computed again. `copy` gives a stage of
    its own that shares all of it. Threads may share a stage.

    Args:
        photo: uint8 (H, W, 3), at its working size.
        photo_size: (width, height) of the photo itself, of whose pixels a person speaks.
        scale: working pixels per pixel of the photo.
        look: uint8 (h, w, 3), the photo at the size at which things are looked for in it; None: the working size.
        look_scale: pixels of that per pixel of the photo.
        segmenter: finds things in it.
        layers: the one in front first.
        note: how they were found, or why none was.
        depth: uint16 (H, W), the photo's measured inverse depth, 0 = farthest, of any scale; None: it is not known.
        source_type: of a photo that a network made, see `photoflow.io.Photo`.
    """

    def __init__(
        self, photo: Array, photo_size: tuple[int, int], scale: float, *, look: Array | None = None,
        look_scale: float | None = None, segmenter: Segmenter | None = None, layers: Sequence[Layer] = (),
        note: str = "", depth: Array | None = None, source_type: str | None = None,
    ) -> None:  # fmt: skip
        self.photo, self.photo_size, self.scale, self.note, self.depth = photo, photo_size, scale, note, depth
        self.source_type = source_type
        self.look = photo if look is None else look
        self.look_scale = scale if look_scale is None else look_scale
        self.segmenter = segmenter or Segmenter()
        self._layers = tuple(layers)
        self._lock = threading.RLock()
        self._composed = Compositions(photo)

    @classmethod
    def of(
        cls, rgb: Array, size: Any = None, segmenter: Segmenter | None = None, *, source_type: str | None = None
    ) -> Stage:
        """Return a stage of a photo, without layers.

        Args:
            rgb: uint8 (H, W, 3).
            size: see `photoflow.stage.working_size.resize_photo`.
            segmenter: finds things in it.
            source_type: of a photo that a network made, see `photoflow.io.Photo`.

        Raises:
            InputError: the size is not one.
        """
        photo, scale = resize_photo(rgb, size)
        # In a small picture things are looked for on a larger one, where outlines are finer.
        side = max(*photo.shape[:2], min(LOOK_SIDE, max(rgb.shape)))
        look, look_scale = (None, None) if side == max(photo.shape) else resize_photo(rgb, side)
        whole = rgb.shape[1], rgb.shape[0]
        return cls(
            photo, whole, scale, look=look, look_scale=look_scale, segmenter=segmenter, source_type=source_type
        )  # fmt: skip

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers, the one in front first."""
        return self._layers

    @property
    def width(self) -> int:
        """Return the pixels of a row."""
        return int(self.photo.shape[1])

    @property
    def height(self) -> int:
        """Return the pixels of a column."""
        return int(self.photo.shape[0])

    def __str__(self) -> str:
        named = ", ".join(layer.name + (f" ({layer.label})" if layer.label else "") for layer in self._layers)
        return f"{self.width}x{self.height}, {named or 'no layer'}"

    def __repr__(self) -> str:
        return f"<Stage {self}>"

    def layer(self, name: int | str) -> Layer:
        """Return a layer by its name, or its number: 1 = the first.

        Raises:
            InputError: there is none.
        """
        return named(self._layers, name)

    def copy(self) -> Stage:
        """Return a stage of its own that shares the photo, the layers and all that was computed for them."""
        with self._lock:
            other = copy.copy(self)
        other._lock, other._composed = threading.RLock(), self._composed.copy()
        return other

    def snapshot(self) -> Stage:
        """Return the stage as it is now, which no edit reaches; what is computed for it is kept for both."""
        with self._lock:
            return copy.copy(self)

    def find(self) -> None:
        """Add what stands out in the photo as layers `subject-1`, `subject-2`, ..., the most prominent in front.

        Where nothing does, none is added, and `note` says why.
        """
        try:
            found = self.segmenter(self.look)
        except NoSubjectError as error:
            self.note = error.reason
            return
        self.note = found.method
        for layer in found_things(self.photo, found):
            self._append(layer)

    def find_regions(self) -> None:
        """Add the places in which material flows or leaves stir as regions: `sky`, `water`, `smoke`, `plant`.

        They are behind all other layers. A name that is taken is followed by a number: `water-2`. Where there are
        none, none is added; a stage that has a region already is left as it is.
        """
        if any(layer.region for layer in self._layers):
            return
        for layer in found_regions(self.photo, self._layers):
            self._append(layer)

    def add(
        self, name: str, *, mask: Any = None, box: Sequence[float] | None = None, points: Sequence[Any] | None = None,
        not_points: Sequence[Any] | None = None, strokes: Sequence[Any] | None = None,
        not_strokes: Sequence[Any] | None = None, kind: str | None = None, region: bool = False,
        free: Sequence[Any] | None = None, pinned: Sequence[Any] | None = None,
    ) -> Stage:  # fmt: skip
        """Add a layer behind those there are; a mask of several labels adds a layer `NAME-LABEL` for each.

        What is said adds up: a mask or a box, and points and strokes on the thing, or beside it. All coordinates are
        pixels of the photo.

        Args:
            name: letters, digits, - and _; no layer may have it yet.
            mask: a path or an array of the photo's size, see `photoflow.segment.prompts.checked_mask`; of whole numbers
                or a palette, each but 0 is a label.
            box: (x, y, width, height) around the thing.
            points: (x, y) on it.
            not_points: (x, y) beside it.
            strokes: lines of points (x, y) over it.
            not_strokes: the same beside it.
            kind: what it is: one of `photoflow.segment.kinds.KINDS`, or a word that says it more exactly ("cat"); by
                default that is judged from the photo.
            region: whether it is a place in which material flows, and not a thing that is cut out.
            free, pinned: what of it moves and what does not; see `hold`.

        Returns:
            The stage itself.

        Raises:
            InputError: the name is none or is taken, nothing is said, or it does not fit the photo.
            NoSubjectError: nothing stands out where it is said to be.
        """
        selection = Selection(mask, box, points, not_points, strokes, not_strokes)
        before = self._layers
        self.add_selected(name, selection, kind=kind, region=region)
        try:
            return self if free is None and pinned is None else self.hold(name, free=free, pinned=pinned)
        except InputError:
            self._layers = before
            raise

    def add_selected(self, name: str, selection: Selection, *, kind: str | None = None, region: bool = False) -> Stage:
        """Add what a selection says, as `add` does."""
        check_free(self._layers, name)
        selections = by_label(name, selection)
        for one in selections:
            check_free(self._layers, one)
        for one, said in selections.items():
            layer = selected_layer(self, one, said, kind, region)
            self.note = layer.source if not self._layers else self.note
            self._append(layer)
        return self

    def refine(self, name: int | str, *, add: Sequence[Any] = (), remove: Sequence[Any] = ()) -> Stage:
        """Correct what belongs to a layer.

        Args:
            name: of the layer, or its number.
            add: points (x, y) and strokes (lines of points) that belong to it, pixels of the photo.
            remove: the same that do not.

        Returns:
            The stage itself.

        Raises:
            InputError: there is no such layer, nothing is said, or something lies beside the photo.
            NoSubjectError: nothing of it is left.
        """
        old = self.layer(name)
        prompts = Selection(points=add or None, not_points=remove or None).scaled(
            self.photo_size, self.scale, self.photo.shape[:2]
        )
        if not (prompts.add or prompts.remove):
            raise InputError(f"layer {old.name!r}: expected points or strokes to add or to remove, got none")
        found = self.segmenter.refine(self.photo, np.divide(old.mask, np.float32(255)), prompts.add, prompts.remove)
        self.replace(old, old.changed(mask=as_levels(found), source=f"{old.source}, corrected by hand", given=True))
        return self

    def hold(self, name: int | str, *, free: Sequence[Any] | None = None, pinned: Sequence[Any] | None = None) -> Stage:
        """Say what of a layer is free to move and what is held; between them that changes smoothly.

        Any motion of the layer is weighted so. Where only one of both is said, what is far from it is the other; see
        `photoflow.motion.holds.hold_weights`.

        Args:
            name: of the layer, or its number.
            free: points (x, y) and strokes (lines of points) on what moves, pixels of the photo. They take the place
                of those that were said before; an empty list lifts them, None leaves them.
            pinned: the same on what stays.

        Returns:
            The stage itself.

        Raises:
            InputError: there is no such layer, it is a region, nothing is said, or something lies beside it.
        """
        old = self.layer(name)
        return self._change(old, **said_holds(old, free, pinned, self.photo_size, self.scale))

    def paint(self, name: int | str, strokes: Sequence[Any], size: float, erase: bool = False) -> Stage:
        """Paint over a layer's mask with a round brush, exactly where it is said; see `refine` for what finds edges.

        Args:
            name: of the layer, or its number.
            strokes: points (x, y) and lines of points, pixels of the photo.
            size: the brush's diameter, pixels of the photo, 1 to 4096.
            erase: take away what is painted, and do not add it.

        Returns:
            The stage itself.

        Raises:
            InputError: there is no such layer, nothing is said, or something lies beside the photo.
            NoSubjectError: nothing of it is left.
        """
        old = self.layer(name)
        mask = brushed(old.mask, strokes, size, erase, self.photo_size, self.scale)
        self.replace(old, old.changed(mask=mask, source=f"{old.source}, painted by hand", given=True))
        return self

    def rename(self, name: int | str, new: str) -> Stage:
        """Give a layer another name. Returns the stage itself.

        Raises:
            InputError: there is no such layer, or the new name is none or is taken.
        """
        old = self.layer(name)
        if new == old.name:
            return self
        check_free(self._layers, new)
        return self._change(old, name=new)

    def say_kind(self, name: int | str, kind: str) -> Stage:
        """Say what a layer is. Returns the stage itself.

        Raises:
            InputError: there is no such layer, or it is none of `photoflow.segment.kinds.KINDS`.
        """
        if kind not in KINDS:
            raise InputError(f"kind: expected one of {', '.join(KINDS)}, got {shown(kind)}")
        return self._change(self.layer(name), kind=said_kind(kind))

    def remove(self, name: int | str) -> Stage:
        """Take a layer away; it stays in the photo. Returns the stage itself.

        Raises:
            InputError: there is no such layer.
        """
        gone = self.layer(name)
        with self._lock:
            self._layers = tuple(layer for layer in self._layers if layer is not gone)
        return self

    def arrange(self, names: Sequence[int | str]) -> Stage:
        """Bring the layers into an order. Returns the stage itself.

        Args:
            names: of all layers, or their numbers, the one in front first.

        Raises:
            InputError: one is missing, unknown or named twice.
        """
        with self._lock:
            layers = tuple(self.layer(name) for name in names)
            if len(layers) != len(self._layers) or set(layers) != set(self._layers):
                raise InputError(f"arrange: expected each of {', '.join(one.name for one in self._layers)} once")
            self._layers = layers
        return self

    def fill(self, report: Callable[[str], None] = silent) -> None:
        """Prepare what a first clip would wait for: cut out every layer, and fill in what is behind the first subject.

        Args:
            report: receives one line after every step.
        """
        progress = Progress(report)
        for layer in self.layers:
            fresh = not layer.is_cut_out
            layer.cut_out()
            if fresh:
                progress.done(f"cut out: {layer.name}")
        subjects = [layer for layer in self.layers if not layer.region]
        if subjects:
            self.compose(subjects[:1], subjects[1:], progress)

    def know_clip(self, clip: str | os.PathLike[str]) -> None:
        """Take what is behind the layers from a clip that begins with the photo; it is looked through when needed.

        What was filled in before is forgotten.

        Args:
            clip: the path of a video, or of a folder of pictures.

        Raises:
            InputError: it cannot be read, or begins with another picture.
        """
        self._composed = Compositions(self.photo, Footage(clip, self.photo))

    def look_behind(self, progress: Progress = Progress()) -> None:  # noqa: B008
        """Find what is behind all layers, if a clip is known that shows it.

        Args:
            progress: is told of each step.

        Raises:
            InputError: the clip cannot be read.
            Cancelled: between two frames.
        """
        self._composed.look_behind([layer for layer in self._layers if not layer.region], progress)

    @property
    def plate(self) -> Plate | None:
        """Return the photo without its subjects, as far as a clip has shown it."""
        return self._composed.plate

    def know_plate(self, plate: Plate) -> None:
        """Take a plate from a file in place of finding it."""
        self._composed = Compositions(self.photo, plate=plate)

    def know_depth(self, depth: Array) -> None:
        """Take a measured inverse depth, uint16 (h, w), 0 = farthest, of the photo's shape at any resolution."""
        self.depth = resized_depth(depth, self.photo.shape[:2])

    def whole_picture(self) -> Layer:
        """Return a region of all the picture, which is none of the stage's layers."""
        everything = np.full(self.photo.shape[:2], 255, np.uint8)
        return Layer("picture", self.photo, everything, "the whole picture", region=True)

    def compose(
        self,
        moving: Sequence[Layer],
        staying: Sequence[Layer] = (),
        progress: Progress = Progress(),  # noqa: B008
        draft: bool = False,
    ) -> Composition:
        """Return what is drawn where some subjects move; computed once for each set of them.

        Args:
            moving: subjects, the one in front first; none: the photo is what is drawn.
            staying: those that stay where they are, and are not copied into the holes.
            progress: is told of each step.
            draft: what is behind them is filled in quickly and roughly, unless it is known already.

        Raises:
            InputError: a subject is too small to be cut out, or covers the whole photo.
            Cancelled: between two steps.
        """
        for layer in moving:
            progress.check()
            fresh = not layer.is_cut_out
            _ = layer.levels  # its colours are found while the hole is filled
            if fresh:
                progress.done(f"cut out: {layer.name}")
        return self._composed.of(moving, staying, progress, draft)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the stage to a file: one zip of PNG and JSON, beside its target first and then renamed over it.

        What was computed is in it: masks, opacities and colours, and the fills behind the layers that there are.

        Args:
            path: ends in .stage.

        Raises:
            InputError: it cannot be written.
        """
        file.write(path, *contents_of(self))

    def packed(self) -> bytes:
        """Return the bytes of the file that `save` writes."""
        return file.packed(*contents_of(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str], segmenter: Segmenter | None = None) -> Stage:
        """Read a stage that `save` wrote; nothing in it is run.

        Args:
            path: of the file.
            segmenter: finds things that are added to it.

        Raises:
            InputError: no such file, or in one line why it is not a stage that can be read.
        """
        return stage_of(cls, file.read(path), segmenter)

    def fills(self) -> list[tuple[frozenset[Layer], frozenset[Layer], Array]]:
        """Return the fills that are known: the layers that move, the subjects that stay, and the picture behind."""
        return self._composed.fills()

    def know_fill(self, moving: Iterable[Layer], others: Iterable[Layer], filled: Array) -> None:
        """Take a fill, uint8 (H, W, 3), from a file in place of computing it."""
        self._composed.know(frozenset(moving), frozenset(others), filled)

    def _change(self, old: Layer, **what: Any) -> Stage:
        """Change what is said of a layer that looks as before; what was computed of it is kept."""
        new = old.changed(**what)
        if old.is_cut_out:
            new.know(*old.cut_out())
            self._composed.replace(old, new)
        self.replace(old, new)
        return self

    def replace(self, old: Layer, new: Layer) -> None:
        """Put another layer in the place of one; nothing happens where the stage has not got that one."""
        with self._lock:
            self._layers = tuple(new if layer is old else layer for layer in self._layers)

    def _append(self, layer: Layer) -> None:
        with self._lock:
            check_free(self._layers, layer.name)
            self._layers = (*self._layers, layer)
