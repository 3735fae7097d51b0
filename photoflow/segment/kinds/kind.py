"""The kind of a thing: by its class where a network names one, else by what it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.segment.guided import shrunk
from photoflow.segment.kinds.coco import KIND_OF_CLASS
from photoflow.segment.kinds.cues import Lines, blurred_behind, hangs, has_face, one_hue, straight_lines
from photoflow.segment.kinds.flame import find_flames
from photoflow.segment.kinds.foliage import leafiness
from photoflow.segment.kinds.look import Look, look_at
from photoflow.segment.subject import Bits, Mask

KINDS = (
    "person", "animal", "plant", "rigid", "cloth", "flame", "hanging", "water", "sky", "smoke", "unknown",
)  # fmt: skip
_LEAST_PIXELS = 60  # of the small copy


@dataclass(frozen=True)
class Kind:
    """The kind of a thing.

    Args:
        name: one of `KINDS`.
        sure: in [0, 1].
        why: the evidence in a few words.
    """

    name: str
    sure: float
    why: str


def kind_of(rgb: npt.NDArray[np.uint8], mask: Mask, label: str | None = None) -> Kind:
    """Say what kind of thing is under a mask; "unknown" wherever the evidence leaves a doubt.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) in [0, 1].
        label: the name of its COCO class, if a network gave it one; other names say nothing.

    Raises:
        InputError: the mask has another shape than the photo.
    """
    if mask.shape != rgb.shape[:2]:
        raise InputError(f"mask: expected shape {rgb.shape[:2]} as the photo, got {mask.shape}")
    if label in KIND_OF_CLASS:
        return Kind(KIND_OF_CLASS[label], 0.9, f"a {label}")
    look = look_at(rgb)
    bits = shrunk(mask.astype(np.float32), look.shape) > 0.5
    if bits.sum() < _LEAST_PIXELS:
        return Kind("unknown", 0.0, "too small to tell")
    return _by_looks(rgb, mask, look, bits)


def _by_looks(rgb: npt.NDArray[np.uint8], mask: Mask, look: Look, bits: Bits) -> Kind:
    """Judge by looks, the surest evidence first."""
    if (find_flames(look) & bits).sum() > 0.03 * bits.sum():
        return Kind("flame", 0.7, "a tongue of light in it")
    if has_face(look, bits):
        return Kind("person", 0.7, "a face above shoulders")
    if hangs(rgb, mask):
        return Kind("hanging", 0.7, "a cord from above, nothing below")
    lines = straight_lines(look, bits)
    if lines.count >= 6 and (lines.longest > 1.3 or (lines.alike > 0.6 and lines.total > 4)):
        return Kind("rigid", 0.7, "long straight edges")
    leafy = float(leafiness(look)[bits].mean())
    if leafy > 0.45:
        return Kind("plant", min(0.9, 0.4 + leafy / 2), "green leaves")
    if _is_flower(look, bits, lines):
        return Kind("plant", 0.6, "petals of one colour before a blur")
    return Kind("unknown", 0.0, "nothing speaks for a kind")


def _is_flower(look: Look, bits: Bits, lines: Lines) -> bool:
    """Say whether a thing has petals: vivid, of one hue, creased in all directions, the rest out of focus."""
    creased = lines.count >= 10 and lines.alike < 0.4 and float(np.median(look.texture[bits])) > 2.5
    return creased and one_hue(look, bits) > 0.5 and blurred_behind(look, bits)
