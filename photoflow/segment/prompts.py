"""Checks of what a person gives to say where the subject is: a mask, a box, points."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.io import MaskFile, read_mask
from photoflow.segment.subject import Box, Mask

Point = tuple[float, float]
Stroke = tuple[Point, ...]  # a line through points; a single point is one too


@dataclass(frozen=True)
class Prompts:
    """A person's prompts for one thing, in pixels of the picture to be searched.

    Args:
        mask: float32 (H, W) in [0, 1], about where it is, or None.
        box: X, Y, W, H around it, or None.
        add: strokes on it.
        remove: strokes beside it.
    """

    mask: Mask | None = None
    box: Box | None = None
    add: tuple[Stroke, ...] = ()
    remove: tuple[Stroke, ...] = ()


def checked_mask(mask: Any, shape: tuple[int, int]) -> Mask:
    """Check that a mask fits the photo, and return it.

    Args:
        mask: array or tensor (H, W) or (H, W, 1), bool, uint8 in 0…255 or of 0 and 1, or float in [0, 1]; or a
            path, see `photoflow.io.read_mask`, or what `photoflow.io.read_mask_file` read.
        shape: (H, W) of the photo.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        InputError: unreadable, of another shape, empty, full, or outside its range.
    """
    if hasattr(mask, "detach"):  # a torch tensor, wherever it lies
        mask = mask.detach().cpu().numpy()
    if isinstance(mask, MaskFile):
        values = mask.values
    else:
        values = read_mask(mask) if isinstance(mask, (str, os.PathLike)) else _mask_values(np.asarray(mask))
    if values.shape != shape:
        raise InputError(f"mask: expected {shape[1]}x{shape[0]} as the photo, got {_written(values.shape)}")
    covered = float((values > 0.5).mean())
    if covered == 0.0:
        raise InputError("mask: expected a subject, got an empty mask")
    if covered == 1.0:
        raise InputError("mask: expected a background around the subject, got a mask that covers all")
    return values


def checked_box(box: Sequence[float], shape: tuple[int, int]) -> Box:
    """Return X, Y, W, H in whole pixels, inside a photo of `shape` = (H, W).

    Raises:
        InputError: not four finite numbers, no area, or not inside the picture.
    """
    numbers = _numbers(box, 4, "box", "X,Y,W,H")
    left, top, width, height = (round(number) for number in numbers)
    given = ",".join(f"{number:g}" for number in numbers)
    if width < 1 or height < 1:
        raise InputError(f"box: expected a width and a height of at least 1, got {given}")
    if left < 0 or top < 0 or left + width > shape[1] or top + height > shape[0]:
        raise InputError(f"box: expected X,Y,W,H inside the {shape[1]}x{shape[0]} picture, got {given}")
    return left, top, width, height


def checked_points(points: Sequence[Sequence[float]], shape: tuple[int, int]) -> list[Point]:
    """Return points X, Y inside a photo of `shape` = (H, W).

    Raises:
        InputError: none given, not two finite numbers each, or outside the picture.
    """
    checked = []
    for point in points:
        x, y = _numbers(point, 2, "point", "X,Y")
        if not (0 <= x <= shape[1] - 1 and 0 <= y <= shape[0] - 1):
            raise InputError(f"point: expected X,Y inside the {shape[1]}x{shape[0]} picture, got {x:g},{y:g}")
        checked.append((x, y))
    if not checked:
        raise InputError("point: expected at least one X,Y, got none")
    return checked


def checked_strokes(name: str, strokes: Sequence[Any] | None, shape: tuple[int, int]) -> list[Stroke]:
    """Return points and lines of points as strokes.

    Args:
        name: of one of them, for the error.
        strokes: points (X, Y) and sequences of such points, in any mixture; None: none.
        shape: (H, W) of the photo.

    Raises:
        InputError: something else, or beside the picture.
    """
    if strokes is None:
        return []
    if not len(strokes):
        raise InputError(f"{name}: expected at least one X,Y, got none")
    checked: list[Stroke] = []
    for stroke in strokes:
        try:
            is_point = all(np.ndim(value) == 0 for value in stroke)
        except (TypeError, ValueError):
            raise InputError(f"{name}: expected X,Y in pixels, got {stroke!r}") from None
        checked.append(tuple(checked_points([stroke] if is_point else stroke, shape)))
    return checked


def _numbers(values: Sequence[float], count: int, name: str, form: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected {form} in pixels, got {values!r}") from None
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputError(f"{name}: expected {form} in pixels, got {values!r}")
    return numbers


def _mask_values(array: npt.NDArray[Any]) -> Mask:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == np.bool_:
        return np.asarray(array, np.float32)
    if array.dtype == np.uint8:
        return np.asarray(array / (255.0 if array.max(initial=0) > 1 else 1.0), np.float32)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"mask: expected bool, uint8 or float values, got {array.dtype}")
    if not np.isfinite(array).all() or array.min(initial=0.0) < 0.0 or array.max(initial=0.0) > 1.0:
        raise InputError("mask: expected float values in [0, 1], got values outside")
    return np.asarray(array, np.float32)


def _written(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}" if len(shape) == 2 else f"an array of shape {shape}"
