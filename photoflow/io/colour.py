"""Embedded colour profiles: what their numbers are in sRGB."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNOPTIMIZED = 0x0100  # LittleCMS; otherwise its table for a grey profile is off by up to ten levels in the shadows


def to_srgb(image: Any, profile: bytes | None) -> Any:
    """Convert a PIL image to RGB in sRGB; a profile that is damaged or of another colour model is ignored.

    Args:
        image: of mode RGB, CMYK or any that has no colour profile but can be converted to RGB.
        profile: embedded ICC profile, or None.
    """
    transform = _transform(profile, image.mode) if image.mode in ("RGB", "CMYK") else None
    if transform is None or (image.mode == "RGB" and _changes_nothing(transform)):
        return image if image.mode == "RGB" else image.convert("RGB")
    return transform.apply(image)


def grey_curve(profile: bytes | None) -> NDArray[np.float32] | None:
    """Return the levels in sRGB of the grey levels 0 … 255, float32 (256,); None where they are the same or unknown."""
    transform = _transform(profile, "L", _UNOPTIMIZED)
    if transform is None:
        return None
    from PIL import Image

    levels = np.arange(256, dtype=np.uint8)
    curve = np.asarray(transform.apply(Image.fromarray(levels[None])))[0, :, 1].astype(np.float32)
    return None if np.abs(curve - levels).max() <= 1 else curve


def _transform(profile: bytes | None, mode: str, flags: int = 0) -> Any:
    if not profile:
        return None
    from PIL import ImageCms

    try:
        embedded, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(embedded, srgb, mode, "RGB", flags=ImageCms.Flags(flags))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: Any) -> bool:
    """Return whether colours all over the cube and all greys stay within a level; a profile's name says little."""
    from PIL import Image

    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    colours = np.concatenate([cube, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)])[None]
    changed = np.asarray(transform.apply(Image.fromarray(colours)))
    return bool(np.abs(changed.astype(np.int16) - colours).max() <= 1)
