"""The working size of all searches: a photo reduced to it, prompts brought to it, masks brought back from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, guided_upsample, shrunk
from photoflow.segment.prompts import Point
from photoflow.segment.subject import Box, Mask, bounding_box, padded

_WORK_SIDE = 960


def reduced(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Reduce the photo to the working size of all searches."""
    return np.ascontiguousarray(shrunk(rgb, fitting((rgb.shape[0], rgb.shape[1]), _WORK_SIDE)))


def at_photo_size(rgb: npt.NDArray[np.uint8], work: npt.NDArray[np.uint8], mask: Mask) -> Mask:
    """Bring a mask of the reduced photo to the photo's size along its edges, around the subject only."""
    scale = rgb.shape[1] / work.shape[1], rgb.shape[0] / work.shape[0]
    left, top, width, height = padded(bounding_box(mask > 0.05), 0.1, (work.shape[0], work.shape[1]))
    x0, x1 = round(left * scale[0]), min(rgb.shape[1], round((left + width) * scale[0]))
    y0, y1 = round(top * scale[1]), min(rgb.shape[0], round((top + height) * scale[1]))
    window = np.s_[top : top + height, left : left + width]
    out = np.zeros(rgb.shape[:2], np.float32)
    out[y0:y1, x0:x1] = guided_upsample(mask[window], work[window], rgb[y0:y1, x0:x1], radius=2, eps=1e-3)
    return out


def scaled_box(box: Box, scale: float, shape: tuple[int, int]) -> Box:
    """Bring a box of the photo to the reduced one of `shape`, `scale` times its size; it keeps a pixel at least."""
    left, top = int(box[0] * scale), int(box[1] * scale)
    right = min(shape[1], max(left + 1, round((box[0] + box[2]) * scale)))
    bottom = min(shape[0], max(top + 1, round((box[1] + box[3]) * scale)))
    return left, top, right - left, bottom - top


def scaled_points(points: list[Point], scale: float, shape: tuple[int, int]) -> list[Point]:
    """Bring points of the photo to the reduced one of `shape`, `scale` times its size."""
    return [(min(x * scale, shape[1] - 1.0), min(y * scale, shape[0] - 1.0)) for x, y in points]
