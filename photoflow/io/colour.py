"""Embedded colour profiles: what their numbers are in sRGB."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.io import levels

_STRIP_ROWS = 64
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


def deep_to_srgb(values: NDArray[Any], profile: bytes | None) -> NDArray[np.uint8]:
    """Convert RGB of more than 8 bits to sRGB, between the colours of 8 bits that LittleCMS is asked for by Pillow.

    In the shadows of a linear profile, one level of 8 bits is thirteen in sRGB.

    Args:
        values: (H, W, 3) uint16, or float in [0, 1].
        profile: embedded ICC profile, or None.
    """
    transform = _transform(profile, "RGB")
    if transform is None or _changes_nothing(transform):
        return levels.to_uint8(values)
    full = np.float32(1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max)
    strips = np.array_split(values, max(1, len(values) // _STRIP_ROWS))
    return np.concatenate([_between(transform, strip.astype(np.float32) * (255 / full)) for strip in strips])


def _between(transform: Any, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert levels with fractions: by the colour below, and the change towards the next in each channel."""
    from PIL import Image

    below = np.clip(values, 0, 254).astype(np.uint8)
    part = values - below
    base = np.asarray(transform.apply(Image.fromarray(below))).astype(np.float32)
    result = base.copy()
    for channel in range(3):
        above = below.copy()
        above[..., channel] += 1
        change = np.asarray(transform.apply(Image.fromarray(above))) - base
        result += part[..., channel, None] * change
    return np.asarray(np.clip(result + np.float32(0.5), 0, 255), np.uint8)


def grey_curve(profile: bytes | None) -> NDArray[np.float32] | None:
    """Return the levels in sRGB of the grey levels 0 … 255, float32 (256,); None where they are the same or unknown."""
    transform = _transform(profile, "L", _UNOPTIMIZED)
    if transform is None:
        return None
    from PIL import Image

    ramp = np.arange(256, dtype=np.uint8)
    curve = np.asarray(transform.apply(Image.fromarray(ramp[None])))[0, :, 1].astype(np.float32)
    return None if np.abs(curve - ramp).max() <= 1 else curve


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
