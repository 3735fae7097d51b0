"""Masks and maps of labels, from picture files."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.io.image import read_picture
from photoflow.io.photo import Photo, Picture


@dataclass(frozen=True)
class MaskFile:
    """A mask as a file holds it: read once, and then asked for either.

    Attributes:
        values: float32 (H, W) in [0, 1], see `read_mask`.
        labels: int32 (H, W), or None, see `read_labels`.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int32] | None


def read_mask_file(path: str | os.PathLike[str]) -> MaskFile:
    """Read a mask and the labels that it may hold, at once: a pipe can be read but once.

    Args:
        path: an image file of any format that ``read_photo`` reads, a pipe, or "-" for standard input.

    Raises:
        InputError: as for ``read_photo``.
    """
    picture = read_picture(path)
    return MaskFile(_mask_of(picture), _labels_of(picture))


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a mask of the subject.

    The mask is the file's alpha channel if it has one. Otherwise a grey image is read as it is (if it holds only
    the values 0 and 1, they count as 0 and 255), and a coloured image is a map of labels: every pixel that is not
    black belongs to the subject.

    Args:
        path: as for ``read_mask_file``, which reads labels too.

    Returns:
        float32 (H, W) in [0, 1], 1 = subject.

    Raises:
        InputError: as for ``read_photo``.
    """
    return _mask_of(read_picture(path))


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.int32] | None:
    """Read a map of labels: a picture in which each number, palette entry or colour is a thing of its own.

    Args:
        path: as for ``read_mask_file``, which reads the mask too.

    Returns:
        int32 (H, W), 0 = no thing: the entries of a palette with colours; the values of a grey picture of which none is
        in the upper half of its range, where as a mask it would be empty; or the colours but black of a picture in
        which no more than 256 stand, numbered from 1 on in the order of their red, green and blue. None for a picture
        of another kind, which may be a mask of one thing.

    Raises:
        InputError: as for ``read_photo``.
    """
    return _labels_of(read_picture(path))


def _mask_of(picture: Picture) -> NDArray[np.float32]:
    photo, numbers = picture.photo, picture.numbers
    if photo.alpha is not None:
        return np.asarray(photo.alpha / np.float32(255), np.float32)
    if not picture.indexed and numbers is not None and numbers.dtype.kind == "u" and numbers.max() == 1:
        return np.asarray(numbers, np.float32)
    if _is_coloured(photo):
        return np.asarray(_across(np.maximum, photo.rgb) > 16, np.float32)
    grey = photo.rgb[..., 1]
    return np.asarray(grey / np.float32(1 if grey.max() == 1 else 255), np.float32)


def _labels_of(picture: Picture) -> NDArray[np.int32] | None:
    photo, numbers = picture.photo, picture.numbers
    if photo.alpha is not None:
        return None
    if not _is_coloured(photo):
        is_shades = numbers is None or picture.indexed or numbers.dtype.kind != "u" or _as_mask(numbers)
        return None if is_shades else np.asarray(numbers, np.int32)
    if picture.indexed:
        return np.asarray(numbers, np.int32)
    red, green, blue = (photo.rgb[..., channel].astype(np.int32) for channel in range(3))
    code = red << 16 | green << 8 | blue
    seen = np.zeros(1 << 24, np.bool_)  # a sort of all pixels, as in np.unique, takes 20 s at 100 megapixels
    seen[code] = True
    colours = np.flatnonzero(seen)
    if len(colours) > 256:
        return None
    numbers_of = np.zeros(1 << 24, np.int32)
    numbers_of[colours] = np.arange(len(colours)) + (colours[0] != 0)
    labels: NDArray[np.int32] = numbers_of[code]
    return labels


def _as_mask(numbers: NDArray[Any]) -> bool:
    """Return whether whole numbers are the shades of a mask: only 0 and 1, or some in the upper half of the range."""
    most = int(numbers.max())
    return most <= 1 or most > (32767 if numbers.dtype != np.uint8 and most > 255 else 127)


def _is_coloured(photo: Photo) -> bool:
    spread = _across(np.maximum, photo.rgb) - _across(np.minimum, photo.rgb)
    return bool(spread.max() > 16)  # JPEG may tint a grey picture by less


def _across(choose: np.ufunc, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the largest or smallest of three channels; NumPy's own reduction takes ten times as long."""
    chosen: NDArray[np.uint8] = choose(choose(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    return chosen
