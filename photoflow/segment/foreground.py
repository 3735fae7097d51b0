"""The colours of a subject without those of its background."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import Floats, fitting, resize_rows, shrunk
from photoflow.segment.subject import Mask

_SIDE = 640
_RADII = (45, 4)
_STRIP_ROWS = 256
_STAY = np.float32(1e-3)


def foreground_colours(rgb: npt.NDArray[np.uint8], alpha: Mask) -> npt.NDArray[np.uint8]:
    """Estimate F of I = alpha · F + (1 − alpha) · B.

    The blurred guesses F' and B', each averaged with its own weight, are corrected so that the equation
    holds: F = F' + alpha · (I − alpha · F' − (1 − alpha) · B'). The guesses are smooth, so they are made at
    a reduced size; the correction is made at the photo's, strip by strip.

    Args:
        rgb: (H, W, 3) uint8.
        alpha: (H, W) in [0, 1].

    Returns:
        (H, W, 3) uint8, the photo itself where alpha is 1.

    Source: Forte, "Approximate fast foreground colour estimation", ICIP 2021.
    """
    shape = (alpha.shape[0], alpha.shape[1])
    size = fitting(shape, _SIDE)
    front, back = _guesses(shrunk(rgb, size).astype(np.float32), shrunk(alpha, size)[..., None])
    out = np.empty_like(rgb)
    for first in range(0, shape[0], _STRIP_ROWS):
        last = min(first + _STRIP_ROWS, shape[0])
        rows = alpha[first:last, :, None]
        near, far = (resize_rows(part, shape, first, last) for part in (front, back))
        fitted = _corrected(rgb[first:last].astype(np.float32), near, far, rows)
        np.copyto(out[first:last], np.where(rows == 1.0, rgb[first:last], np.round(fitted).astype(np.uint8)))
    return out


def _guesses(picture: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Guess F' and B': first from far around, then from near by with the band's own pixels unmixed."""
    front, back = picture, picture
    for position, radius in enumerate(_RADII):
        front, back = _blurred(front, weight, radius), _blurred(back, 1 - weight, radius)
        if position < len(_RADII) - 1:
            front = _corrected(picture, front, back, weight)
    return front, back


def _blurred(colours: Floats, weight: Floats, radius: int) -> Floats:
    """Return the weighted mean over a window; where it holds no weight the colours stay as they are."""
    weighted = np.concatenate([colours * weight, weight], axis=-1).astype(np.float32)
    side = 2 * radius + 1
    total = np.asarray(cv2.blur(weighted, (side, side), borderType=cv2.BORDER_REFLECT))
    return np.asarray((total[..., :3] + _STAY * colours) / (total[..., 3:] + _STAY))


def _corrected(picture: Floats, front: Floats, back: Floats, weight: Floats) -> Floats:
    return np.clip(front + weight * (picture - weight * front - (1 - weight) * back), 0.0, 255.0)
