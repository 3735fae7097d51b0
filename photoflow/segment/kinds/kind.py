"""The kind of a thing: by its class where a network names one, else by what it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.segment.kinds.coco import KIND_OF_CLASS
from photoflow.segment.subject import Mask

KINDS = (
    "person", "animal", "plant", "rigid", "cloth", "flame", "hanging", "water", "sky", "smoke", "unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What a thing is.

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
    return Kind("unknown", 0.0, "nothing speaks for a kind")
