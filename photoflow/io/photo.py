"""Decoded photos: what they hold, how large they may be, and how they are turned upright."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

MAX_MEGAPIXELS = 100
# EXIF orientation -> swap rows with columns first, then flip top-bottom, then flip left-right
_ORIENTATION = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A decoded photo, the form that the rest of photoflow uses.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, upright, not multiplied by alpha.
        alpha: uint8 (H, W), or None where the photo has no transparency.
        source_type: IPTC's digital source type where the file says in XMP that a network made it, one of
            `photoflow.io.origin.GENERATED`; else None.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    source_type: str | None = None


@dataclass(frozen=True)
class Picture:
    """Contents of a decoded file.

    Attributes:
        photo: the photo.
        numbers: (H, W), upright, the grey values or entries of a palette as they stand in the file; None for others.
        indexed: whether `numbers` are entries of a palette.
    """

    photo: Photo
    numbers: NDArray[Any] | None = None
    indexed: bool = False


def turned(picture: Picture, orientation: int) -> Picture:
    """Return a picture upright, as the number of an EXIF orientation says; any other number leaves it."""
    if orientation not in _ORIENTATION:
        return picture
    photo = Photo(_upright(picture.photo.rgb, orientation), _upright(picture.photo.alpha, orientation))
    return Picture(photo, _upright(picture.numbers, orientation), picture.indexed)


def _upright(pixels: Any, orientation: int) -> Any:
    if pixels is None:
        return None
    swap, vertical, horizontal = _ORIENTATION[orientation]
    swapped = pixels.swapaxes(0, 1) if swap else pixels
    return np.ascontiguousarray(swapped[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def grey_photo(grey: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Photo:
    """Return a photo of grey values, (H, W), and their opacity."""
    rgb = np.repeat(grey[..., None], 3, axis=2)
    return Photo(rgb, None if alpha is None else unless_opaque(alpha))


def unless_opaque(alpha: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return an opacity, None where all is opaque."""
    return None if alpha.min() == 255 else alpha


def check_size(height: int, width: int, name: str) -> None:
    """Check that a photo has pixels, and at most `MAX_MEGAPIXELS`.

    Args:
        height: pixels.
        width: pixels.
        name: of the photo, for messages.

    Raises:
        InputError: none, or more.
    """
    if height == 0 or width == 0:
        raise InputError(f"{name} has no pixels: {size_text((height, width))}")
    if height * width > MAX_MEGAPIXELS * 1_000_000:
        raise InputError(f"{name} is {size_text((height, width))}, more than {MAX_MEGAPIXELS} megapixels")


def size_text(shape: tuple[int, ...]) -> str:
    """Return a size as people write it: width x height."""
    return f"{shape[1]}x{shape[0]}"
