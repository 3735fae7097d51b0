"""What a person says of the subject, brought from the photo's pixels to those of a resized one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2

from photoflow.errors import InputError
from photoflow.io import Photo
from photoflow.segment.prompts import checked_box, checked_mask, checked_points

TOO_SMALL = "subject: too small to be cut out at this size; expected at least a few pixels"


def scaled_selection(
    photo: Photo, size: tuple[int, int], scale: float, mask: Any, box: Sequence[float] | None, points: Any
) -> dict[str, Any]:
    """The arguments for `Segmenter` on a photo that was resized.

    A photo whose transparency already cuts something out says by that what its subject is.

    Args:
        photo: as it was read.
        size: (height, width) that it was resized to.
        scale: pixels of that size per pixel of the photo.
        mask, box, points: as for `Animator.animate`, in the photo's pixels, or None.

    Returns:
        One of mask, box and points, in pixels of the resized photo, or nothing.

    Raises:
        InputError: more than one way is used, or something does not lie in the photo.
    """
    if sum(given is not None for given in (mask, box, points)) > 1:
        raise InputError("subject: expected only one of mask, box and points")
    shape = photo.rgb.shape[:2]
    if box is not None:
        x, y, w, h = checked_box(box, shape)
        right, bottom = min(round((x + w) * scale), size[1]), min(round((y + h) * scale), size[0])
        left, top = min(round(x * scale), right - 1), min(round(y * scale), bottom - 1)
        return {"box": (left, top, right - left, bottom - top)}
    if points is not None:
        inside = checked_points(points, shape)
        return {"points": [(min(x * scale, size[1] - 1), min(y * scale, size[0] - 1)) for x, y in inside]}
    if mask is None and photo.alpha is not None and 0.001 < (photo.alpha > 127).mean() < 0.999:
        mask = photo.alpha
    if mask is None:
        return {}
    values = checked_mask(mask, shape)
    resized = values if scale == 1 else cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA)
    if not (resized > 0.5).any():
        raise InputError(TOO_SMALL)
    return {"mask": resized}
