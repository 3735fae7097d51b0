"""A person's selection of one thing in the photo, brought from the photo's pixels to those of a resized one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np

from photoflow.errors import InputError
from photoflow.io import Photo, read_mask_file
from photoflow.segment.prompts import Prompts, checked_box, checked_mask, checked_strokes
from photoflow.segment.subject import Mask

TOO_SMALL = "subject: too small to be cut out at this size; expected at least a few pixels"


@dataclass(frozen=True)
class Selection:
    """A person's selection of one thing: a mask or a box, and points and strokes on it or beside it.

    All of it is in pixels of the photo; see `photoflow.stage.Stage.add`.
    """

    mask: Any = None
    box: Sequence[float] | None = None
    points: Sequence[Any] | None = None
    not_points: Sequence[Any] | None = None
    strokes: Sequence[Any] | None = None
    not_strokes: Sequence[Any] | None = None

    @property
    def says(self) -> bool:
        """Return whether anything is said."""
        return any(getattr(self, field.name) is not None for field in fields(self))

    @property
    def is_mask_alone(self) -> bool:
        """Return whether nothing but a mask is said."""
        others = (self.box, self.points, self.not_points, self.strokes, self.not_strokes)
        return self.mask is not None and all(one is None for one in others)

    def read(self) -> Selection:
        """Return the same with the mask read from its file; what follows may then ask for it more than once.

        Raises:
            InputError: it cannot be read.
        """
        is_path = isinstance(self.mask, str | os.PathLike)
        return replace(self, mask=read_mask_file(self.mask)) if is_path else self

    def expect_mask_alone(self, name: str) -> None:
        """Raise an InputError unless nothing but a mask is said."""
        if not self.is_mask_alone:
            raise InputError(f"layer {name!r}: a mask of several labels, expected without box, points and strokes")

    def mask_at(self, photo_size: tuple[int, int], size: tuple[int, ...]) -> Mask:
        """Return the mask, float32 in [0, 1], at another size.

        Args:
            photo_size: (width, height) of the photo.
            size: (height, width) that is wanted.

        Raises:
            InputError: it does not fit the photo, or nothing of it is left.
        """
        values = checked_mask(self.mask, photo_size[::-1])
        resized = values if values.shape == size else cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA)
        if not (resized > 0.5).any():
            raise InputError(TOO_SMALL)
        return np.asarray(resized, np.float32)

    def scaled(self, photo_size: tuple[int, int], scale: float, size: tuple[int, ...]) -> Prompts:
        """Return what is said in pixels of the photo resized to `size` = (height, width).

        Args:
            photo_size: (width, height) of the photo.
            scale: pixels of the resized photo per pixel.
            size: of the resized photo.

        Raises:
            InputError: a mask and a box, nothing that says where the thing is, or something beside the photo.
        """
        if self.mask is not None and self.box is not None:
            raise InputError("subject: expected only one of mask and box; points and strokes go with either")
        shape, (height, width) = photo_size[::-1], size
        mask = None if self.mask is None else self.mask_at(photo_size, size)
        box = None
        if self.box is not None:
            x, y, w, h = checked_box(self.box, shape)
            right, bottom = min(round((x + w) * scale), width), min(round((y + h) * scale), height)
            left, top = min(round(x * scale), right - 1), min(round(y * scale), bottom - 1)
            box = (left, top, right - left, bottom - top)

        def lines(points: Sequence[Any] | None, strokes: Sequence[Any] | None) -> tuple[Any, ...]:
            found = [*checked_strokes("point", points, shape), *checked_strokes("stroke", strokes, shape)]
            return tuple(
                tuple((min(x * scale, width - 1), min(y * scale, height - 1)) for x, y in one) for one in found
            )

        return Prompts(mask, box, lines(self.points, self.strokes), lines(self.not_points, self.not_strokes))


def transparency(photo: Photo) -> Mask | None:
    """Return the mask that a photo's own transparency says, uint8 (H, W), or None where it cuts nothing out."""
    if photo.alpha is None or not 0.001 < (photo.alpha > 127).mean() < 0.999:
        return None
    return np.asarray(photo.alpha)
