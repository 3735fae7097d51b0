"""Options of a clip: the words of `photoflow animate`, of a recipe, and of a list of photos."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photoflow.errors import InputError, shown
from photoflow.options.layer_options import LayerOptions
from photoflow.options.parsing import layer_named, numbers, parse_size, parse_weights
from photoflow.options.staged import staged

if TYPE_CHECKING:
    from photoflow.animator import Animator
    from photoflow.clip import Clip
    from photoflow.motion import Motion

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_TEXTS, _NUMBERS, _WORD = "tuple[str, ...]", ("float", "float | None", "int"), ("str", "str | None")


@dataclass(frozen=True)
class ClipOptions:
    """Everything that a person says of how a photo becomes a clip, and by what.

    Every field is the option of `photoflow animate` of that name, whose help says what it is; a tuple is an option
    that may be repeated.
    """

    motion: tuple[str, ...] = ("auto",)
    wind: float | None = None
    transfer_from: str | None = None
    seconds: float = 4.0
    fps: float = 30.0
    size: str | None = None
    loop: bool = True
    mask: tuple[str, ...] = ()
    box: tuple[str, ...] = ()
    point: tuple[str, ...] = ()
    not_point: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    pin: tuple[str, ...] = ()
    subject: str = "1"
    all_subjects: bool = False
    depth: str | None = None
    depth_far_bright: bool = False
    behind: str | None = None
    border_pins: bool = True
    alpha: bool = False
    quality: int = 80
    segmenter: str = "auto"
    blueprint: str = "exact"
    renderer: str = "splat"
    interpolate: str = "none"
    keyframe_fps: float | None = None
    weights: tuple[str, ...] = ()
    accept_licence: bool = False
    device: str = "auto"
    offline: bool = False

    def __post_init__(self) -> None:
        if self.all_subjects and self.subject != "1":
            raise InputError(f"subject: expected it without --all-subjects, got {self.subject}")
        if not 0 <= self.quality <= 100:
            raise InputError(f"quality: expected 0 to 100, got {self.quality}")

    @classmethod
    def of(cls, *sources: Mapping[str, Any]) -> ClipOptions:
        """Return the options that a recipe or a line of a list says; the others are at their defaults.

        Args:
            sources: the later ones count before the earlier ones. Each has values by the option's name, with dashes
                or underscores: a number, a text, true or false, or a list of texts for what may be repeated. A text
                is read as on the command line; an empty one, None, and a list of nothing else say nothing.

        Raises:
            InputError: no such option, or a value that it cannot have.
        """
        kinds = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        said = {}
        for name, value in (pair for source in sources for pair in source.items()):
            field = cls.named(name)
            if not _says_nothing(value):
                said[field] = _value(name, kinds[field], value)
        return cls(**said)

    @classmethod
    def named(cls, name: str) -> str:
        """Return the field of an option that a recipe or a list names, with dashes or underscores.

        Raises:
            InputError: there is no such option.
        """
        known = cls.__dataclass_fields__
        if (field := name.replace("-", "_")) not in known:
            raise InputError(f"{shown(name)}: expected an option of photoflow animate: {', '.join(known)}")
        return field

    def motions(self) -> Motion:
        """Return what is said to move.

        Raises:
            InputError: a motion cannot be read.
        """
        from photoflow import motion
        from photoflow.motion.motion import total

        region = None if self.transfer_from is None else numbers("transfer-from", self.transfer_from, 4)
        return motion.with_overrides(total([motion.parse(text) for text in self.motion]), wind=self.wind, region=region)

    def layers(self) -> LayerOptions:
        """Return what is said of things in the photo."""
        return LayerOptions(self.mask, self.box, self.point, self.not_point, self.free, self.pin)

    def read(self, photo: Path) -> dict[str, list[Path | None]]:
        """Return every file that is read for a photo, by what it is.

        Raises:
            InputError: a motion cannot be read, or its file is not there.
        """
        return {
            "the photo": [photo],
            "its mask": [*self.layers().files],
            "its depth": [Path(self.depth) if self.depth else None],
            "the clip": [Path(self.behind) if self.behind else None],
            "a motion that is read": motion_files(self.motions(), self.motion),
            "the weights": [Path(text).expanduser() for text in parse_weights(self.weights).values()],
        }

    def check_page(self) -> None:
        """Check that a page can be made of the clip.

        Raises:
            InputError: a generator draws it, or frames between keyframes are made.
        """
        if (self.renderer, self.interpolate) != ("splat", "none"):
            raise InputError("html: expected the renderer splat, and no frames between keyframes")

    def animator(self) -> Animator:
        """Return an animator that is as the options say; it loads nothing yet.

        Raises:
            InputError: no such device, segmenter or network.
        """
        from photoflow.animator import Animator

        return Animator(
            self.device, self.segmenter, self.offline, blueprint=self.blueprint, renderer=self.renderer,
            interpolate=self.interpolate, weights=parse_weights(self.weights), accept_licence=self.accept_licence,
        )  # fmt: skip

    def clip(
        self,
        animator: Animator,
        photo: Path,
        report: Callable[[str], None],
        layers: LayerOptions | None = None,
    ) -> Clip:
        """Plan the clip of a photo, or of a stage file.

        Args:
            animator: as `animator` returns it.
            photo: the file.
            report: receives one line after every step.
            layers: in place of `layers()`, where an order between masks, boxes and points is known.

        Raises:
            InputError: bad input; see `Animator.animate`.
        """
        source, said = staged(animator, photo, self.size, layers or self.layers(), report)
        return animator.animate(
            source, self.motions(), seconds=self.seconds, fps=self.fps, loop=self.loop, size=parse_size(self.size),
            layers=said, subject="all" if self.all_subjects else layer_named(self.subject),
            depth=self.depth, depth_far_bright=self.depth_far_bright, behind=self.behind, border_pins=self.border_pins,
            keyframe_fps=self.keyframe_fps, report=report,
        )  # fmt: skip


def motion_files(planned: Motion, words: Sequence[str] = ()) -> list[Path | None]:
    """List the source files of motions: clips, volumes, and the motion files among the words for them.

    Raises:
        InputError: one is not there.
    """
    files = [part.file for _, part in planned.terms()]
    files += [Path(text) for text in words if text.lower().endswith(".json")]
    for file in files:
        if file and not os.path.exists(file):
            raise InputError(f"{file}: no such file")
    return files


def _says_nothing(value: Any) -> bool:
    """Return whether a value is that of an empty cell, or of several."""
    return all(map(_says_nothing, value)) if isinstance(value, (list, tuple)) else value is None or value == ""


def _value(name: str, kind: str, value: Any) -> Any:
    """Return a value of a recipe or a list as an option of that kind has it."""
    if kind == _TEXTS:
        texts = list(value) if isinstance(value, (list, tuple)) else [value]
        if all(isinstance(text, str) for text in texts):
            return tuple(text for text in texts if text)
        raise InputError(f"{name}: expected a text or a list of texts, got {shown(value)}")
    if kind == "bool":
        return _truth(name, value)
    if kind in _NUMBERS:
        return _number(name, value, whole=kind == "int")
    assert kind in _WORD, kind
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise InputError(f"{name}: expected a text, got {shown(value)}")


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in (*_TRUE, *_FALSE):
        return word in _TRUE
    raise InputError(f"{name}: expected true or false, got {shown(value)}")


def _number(name: str, value: Any, whole: bool) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number) and (not whole or number == int(number)):
            return int(number) if whole else number
    raise InputError(f"{name}: expected a {'whole ' if whole else ''}number, got {shown(value)}")
