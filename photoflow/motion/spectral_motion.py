"""Natural motion: a spectral volume, from a wind preset, a file or a real clip, laid over the subject."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.motion.field import MotionField
from photoflow.motion.motion import Motion, On, Scaled, Sum, check_range, numbers
from photoflow.motion.pinned import PinnedField
from photoflow.motion.resting import RestingField
from photoflow.motion.scene import Scene
from photoflow.motion.spectral import SpectralVolume, closing_frequencies
from photoflow.motion.tear_repair import repair_tears
from photoflow.motion.wind import PRESETS, wind_volume

VOLUME = ".safetensors"
RECORD = 5.0  # seconds: about the length of a preset's record, the same as the paper's training clips
HIGHEST = 3.0  # hertz: the highest frequency of a preset, number 16 in a record of 5 seconds, as in the paper
GENTLE = 4.0  # strength up to which a preset limits its motion so that nothing tears
ALIKE = 1.03  # aspect ratios that differ by less than this factor count as equal


@dataclass(frozen=True)
class Spectral(Motion):
    """Moves as a plant, tree, foliage, vine, flag, cloth, hair, candle or lantern in the wind, or as a clip.

    At a wind of 0.5 the largest displacement of a preset is, in shares of the subject's size (the geometric mean of its
    width and height): foliage 1 to 4 %, plant, tree, flag and hair 4 to 10 %, vine and cloth 5 to 12 %, candle 8 to
    20 %, lantern 10 to 20 %.

    Hair and candle move the hair of a person and the flame of a candle, and any preset what is said to be free of a
    layer, where that is known; see `photoflow.stage.layer.Layer.part`.

    Args:
        source: a preset ("plant", ...), a volume (.safetensors, from `photoflow spectrum`), or a video. A clip with
            the photo's aspect ratio is laid on the whole photo, any other one on the subject's box.
        strength: 0 to 10; factor of the displacements, for a preset limited to where the picture would tear.
        wind: 0 (still air) to 1 (strong); presets only.
        direction: direction in which the wind blows, degrees, -360 to 360: 0 = right, 90 = down; presets only.
        gustiness: 0 to 1, how much the wind swells and fades; presets only.
        seed: a whole number from 0 on; another seed gives another wind; presets only.
        slow: 0.1 to 10; factor by which the motion is slower. In a loop, frequencies are rounded so that it closes.
        region: (x, y, width, height) in pixels of the clip or the volume: the part whose motion is laid on the
            subject's box; by default all of it.

    Source: Generative Image Dynamics (Li et al. 2024), sections 4 and 6.
    """

    name: ClassVar[str] = "spectral"
    source: str
    strength: float = 1.0
    wind: float = 0.5
    direction: float = 0.0
    gustiness: float = 0.5
    seed: int = 0
    slow: float = 1.0
    region: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("strength", 0, 10), ("wind", 0, 1), ("direction", -360, 360), ("gustiness", 0, 1), ("seed", 0, 2**31),
            ("slow", 0.1, 10),
        ):  # fmt: skip
            check_range(self.name, name, getattr(self, name), low, high)
        if self.seed != int(self.seed):
            raise InputError(f"spectral: seed expects a whole number, got {shown(self.seed)}")
        object.__setattr__(self, "seed", int(self.seed))
        if not isinstance(self.source, str) or not (self.blows or Path(self.source).suffix):
            known = ", ".join(PRESETS)
            raise InputError(
                f"spectral: source expects {known}, a {VOLUME} volume or a video, got {shown(self.source)}"
            )
        if not self.blows:
            self._check_no_wind()
        if self.region is not None:
            object.__setattr__(self, "region", self._checked_region())

    @property
    def blows(self) -> bool:
        """Return whether the motion comes from a wind preset, not from a clip or volume."""
        return self.source in PRESETS

    @property
    def file(self) -> Path | None:
        return None if self.blows else Path(self.source)

    def field(self, scene: Scene) -> MotionField:
        part = scene.part(self.source) if self.blows and scene.part is not None else None
        if part is not None and ((own := scene.mask * part) > 0.5).any():
            import torch

            whole = self.field(dataclasses.replace(scene, mask=own, part=None))
            return PinnedField(whole, torch.from_numpy(np.ascontiguousarray(part)).to(scene.device))
        volume = self._blown(scene) if self.blows else self.fitted(scene)
        frequencies = volume.slowed(self.slow).frequencies
        if scene.loop:
            frequencies = closing_frequencies(frequencies, scene.seconds)
        field = volume.field(frequencies, scene.device)
        # A wind blows at any time; a clip begins at its own first frame.
        return RestingField(field, scene.seconds, scene.loop) if self.blows else field

    def _blown(self, scene: Scene) -> SpectralVolume:
        """Return the preset's volume; in a loop, a whole number of its slowed-down records fills the clip."""
        length = scene.seconds / self.slow
        seconds = length / max(1, round(length / RECORD))
        if not scene.loop:
            seconds = max(seconds, RECORD)
        gentle = min(self.strength, GENTLE)
        volume = wind_volume(
            scene.mask, self.source, seconds=seconds, strength=gentle, wind=self.wind, direction=self.direction,
            gustiness=self.gustiness, seed=self.seed, count=max(2, math.ceil(HIGHEST * seconds) + 1),
        )  # fmt: skip
        return volume.magnified(self.strength / gentle) if self.strength > gentle else volume

    def fitted(self, scene: Scene) -> SpectralVolume:
        """Return the clip's volume over the pixels of the rendered region.

        Raises:
            InputError: the file is missing or cannot be read, or the region of the clip is outside it.
        """
        try:
            path = os.path.abspath(self.source)
            changed = os.stat(path).st_mtime_ns
        except (OSError, ValueError) as error:  # a name that no file can have
            raise InputError(f"{self.source}: no such file") from error
        full = volume_of(path, changed)[1]
        if self.region is None and scene.picture is not None and _alike(full, scene.picture):
            place, own = (-scene.origin[0], -scene.origin[1], *scene.picture), True
        else:
            left, top, right, bottom = scene.box
            place, own = (left, top, right - left + 1, bottom - top + 1), False
        return _laid(_prepared(path, changed, self.region, self.strength, own), place, scene.mask.shape)

    def _check_no_wind(self) -> None:
        for field in dataclasses.fields(self):
            if field.name in ("wind", "direction", "gustiness", "seed") and getattr(self, field.name) != field.default:
                raise InputError(
                    f"spectral: {field.name} is a preset's ({', '.join(PRESETS)}), not {shown(self.source)}'s"
                )

    def _checked_region(self) -> tuple[float, ...]:
        if self.blows:
            raise InputError(f"spectral: a region is of a clip, and {self.source} is a preset")
        values = numbers(self.region, 4)
        if values is None or min(values) < 0 or 0 in values[2:]:
            raise InputError(f"spectral: region expects x, y, width and height, got {shown(self.region)}")
        return values


def with_overrides(motion: Motion, *, wind: float | None = None, region: tuple[float, ...] | None = None) -> Motion:
    """Return the same motion with another wind in its presets and another region of its clips.

    Args:
        motion: a spectral motion, or a combination that contains some.
        wind: see `Spectral`; None: unchanged.
        region: see `Spectral`; None: unchanged.

    Raises:
        InputError: `wind` is given but the motion has no preset, or `region` is given but it has no clip.
    """
    parts = _spectral_parts(motion)
    if wind is not None and not any(part.blows for part in parts):
        raise InputError(f"wind: expected a motion that it moves, such as spectral:{next(iter(PRESETS))}")
    if region is not None and all(part.blows for part in parts):
        raise InputError("region: expected a motion from a clip, such as spectral:clip.mp4")
    return _adjusted(motion, wind, region)


def _spectral_parts(motion: Motion) -> list[Spectral]:
    if isinstance(motion, Spectral):
        return [motion]
    inner = motion.motions if isinstance(motion, Sum) else (motion.motion,) if isinstance(motion, Scaled | On) else ()
    return [part for one in inner for part in _spectral_parts(one)]


def _adjusted(motion: Motion, wind: float | None, region: tuple[float, ...] | None) -> Motion:
    if isinstance(motion, Sum):
        return Sum(tuple(_adjusted(part, wind, region) for part in motion.motions))
    if isinstance(motion, Scaled | On):
        return dataclasses.replace(motion, motion=_adjusted(motion.motion, wind, region))
    if isinstance(motion, Spectral) and motion.blows and wind is not None:
        return dataclasses.replace(motion, wind=wind)
    if isinstance(motion, Spectral) and not motion.blows and region is not None:
        return dataclasses.replace(motion, region=region)
    return motion


@lru_cache(maxsize=2)
def volume_of(path: str, changed: int) -> tuple[SpectralVolume, tuple[int, int]]:
    """Return the volume of a file, a spectral volume or a video, and (width, height) of the clip, pixels.

    `changed`, the time of the file's last change, is part of the cache key, so that a changed file is read again.
    """
    if path.lower().endswith(VOLUME):
        volume = SpectralVolume.load(path)
        return volume, volume.size[::-1]
    from photoflow.motion.trajectories import Footage, measure

    measured = measure(Footage(path))
    return measured.volume, measured.full


@lru_cache(maxsize=2)
def _prepared(path: str, changed: int, region: tuple[float, ...] | None, strength: float, own: bool) -> SpectralVolume:
    """Return a file's volume, cut to the region, scaled and repaired, before it is laid on a photo."""
    volume, full = volume_of(path, changed)
    if region is not None:
        volume = _part(volume, region, full, path)
    return repair_tears(volume.magnified(strength), own)


def _alike(size: tuple[float, float], other: tuple[float, float]) -> bool:
    ratio = size[0] / size[1] * other[1] / other[0]
    return 1 / ALIKE < ratio < ALIKE


def _part(volume: SpectralVolume, region: tuple[float, ...], full: tuple[int, int], name: str) -> SpectralVolume:
    """Crop a volume to a region that is given in pixels of the clip, whose (width, height) is `full`."""
    x, y, width, height = region
    if x + width > full[0] or y + height > full[1]:
        got = ",".join(f"{v:g}" for v in region)
        raise InputError(f"region: expected one within the {full[0]}x{full[1]} pixels of {name}, got {got}")
    rows, columns = volume.size
    left, right = _whole(x, width, columns / full[0], columns)
    top, bottom = _whole(y, height, rows / full[1], rows)
    return volume.cropped(left, top, right - left, bottom - top)


def _whole(start: float, length: float, scale: float, limit: int) -> tuple[int, int]:
    """Return the first and last pixel (exclusive) of a span at another scale; it has at least one pixel."""
    first = min(round(start * scale), limit - 1)
    return first, min(limit, max(first + 1, round((start + length) * scale)))


def _laid(volume: SpectralVolume, place: tuple[float, float, float, float], size: tuple[int, ...]) -> SpectralVolume:
    """Stretch a volume over a place (x, y, width, height) of a grid of `size` (height, width).

    Displacements are scaled with it. Outside the place the motion of its edge is repeated.
    """
    x, y, width, height = place
    volume = volume.resized(max(1, round(height)), max(1, round(width)))
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    laid = np.empty((volume.count, 2, *size), np.complex64)
    for given, wanted in zip(volume.coefficients.reshape(-1, *volume.size), laid.reshape(-1, *size)):
        wanted.real = _shifted(given.real, shift, size)
        wanted.imag = _shifted(given.imag, shift, size)
    return dataclasses.replace(volume, coefficients=laid)


def _shifted(plane: Array, shift: Array, size: tuple[int, ...]) -> Array:
    return np.asarray(cv2.warpAffine(plane, shift, size[::-1], borderMode=cv2.BORDER_REPLICATE))
