"""What a person says of the subject, checked and brought to the clip's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from photoflow.errors import InputError
from photoflow.io import Photo, read_mask

Array = np.ndarray[Any, Any]


def scaled_selection(
    picture: Photo, size: tuple[int, ...], scale: float, mask: Any, box: Sequence[float] | None, points: Any
) -> dict[str, Any]:
    """What the person said of the subject, from the photo's pixels to the clip's.

    A photo whose transparency already cuts something out says it too.

    Raises:
        InputError: more than one way is used, or something does not lie in the photo.
    """
    height, width = picture.rgb.shape[:2]
    if sum(given is not None for given in (mask, box, points)) > 1:
        raise InputError("subject: expected only one of mask, box and points")
    if box is not None:
        x, y, w, h = check_box(box, width, height)
        right, bottom = min(round((x + w) * scale), size[1]), min(round((y + h) * scale), size[0])
        left, top = round(x * scale), round(y * scale)
        return {"box": (left, top, max(1, right - left), max(1, bottom - top))}
    if points is not None:
        return {"points": [(x * scale, y * scale) for x, y in check_inside(points, width, height)]}
    if mask is None and picture.alpha is not None and 0.001 < (picture.alpha > 127).mean() < 0.999:
        mask = picture.alpha
    if mask is None:
        return {}
    values = read_mask(mask)
    if values.shape != (height, width):
        found = f"{values.shape[1]}x{values.shape[0]}"
        raise InputError(f"mask: expected the photo's size, {width}x{height}, got {found}")
    return {"mask": values if scale == 1 else cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA)}


def check_box(box: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    """The box as (x, y, width, height).

    Raises:
        InputError: it is not four numbers that lie inside the photo.
    """
    try:
        x, y, w, h = (float(v) for v in box)
        inside = x >= 0 and y >= 0 and w >= 1 and h >= 1 and x + w <= width and y + h <= height
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise InputError(f"box: expected x,y,width,height inside the photo of {width}x{height}, got {box!r}")
    return x, y, w, h


def check_inside(points: Any, width: int, height: int) -> list[tuple[float, float]]:
    """The points as (x, y).

    Raises:
        InputError: there is none, or one is not two numbers that lie inside the photo.
    """
    try:
        pairs = [(float(x), float(y)) for x, y in points]
        inside = bool(pairs) and all(0 <= x < width and 0 <= y < height for x, y in pairs)
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise InputError(f"points: expected x,y inside the photo of {width}x{height}, got {points!r}")
    return pairs
