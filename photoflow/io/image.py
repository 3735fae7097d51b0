"""Reading of photos from files, arrays, tensors or PIL images, and writing of pictures."""

import os
import stat
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.deprecated import old_names
from photoflow.errors import InputError
from photoflow.io import heif, levels, origin, tiff
from photoflow.io.atomic import write_bytes
from photoflow.io.credentials import Sign
from photoflow.io.decoding import READABLE, decode_picture, from_pillow, header_has_alpha
from photoflow.io.photo import Photo, Picture, check_size, size_text, unless_opaque
from photoflow.io.reading import MOST, name_of, read_bytes

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")
"""Suffixes of the files that count as pictures when a folder is searched; a GIF counts as a video there."""

_QUALITY = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
            ".webp": cv2.IMWRITE_WEBP_QUALITY, ".png": None}  # fmt: skip


def read_photo(source: Any) -> Photo:
    """Read a photo: upright (EXIF), in sRGB (embedded colour profile), 8 bits a channel.

    Args:
        source: one of
            a path of a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC file (the first frame of an animated one), a
            pipe, or "-" for standard input;
            a PIL image;
            a numpy array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): uint8, uint16, bool, or float in [0, 1];
            a torch tensor (1 | 3 | 4, H, W): uint8, or float in [0, 1];
            a `Photo`, which is returned as it is.

    Returns:
        The photo, in its own memory. ``alpha`` is None also if every pixel is opaque.

    Raises:
        InputError: no image, a truncated or damaged file, a missing file, a folder, an empty file or array,
            more than 100 megapixels, an array of another shape, dtype or range.
    """
    if isinstance(source, str | os.PathLike):
        return read_picture(source).photo
    if isinstance(source, Photo):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if hasattr(source, "getexif") and hasattr(source, "convert"):
        return from_pillow(source, "the image").photo
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        return _from_tensor(source)
    raise InputError(f"expected a path, PIL image, numpy array or torch tensor, got {type(source).__name__}")


def source_type_of(path: str | os.PathLike[str]) -> str | None:
    """Return what a picture or a video says of its origin in XMP; of a WebM, in a tag.

    Returns:
        One of `photoflow.io.origin.GENERATED`; None where the file says nothing, or that it was made in another way.

    Raises:
        InputError: as for `read_photo`, or a video that is truncated or damaged.
    """
    data = read_bytes(path, "a picture or a video")
    if origin.is_clip(data):
        return origin.of_clip(data, name_of(path))
    return decode_photo(data, name_of(path)).source_type


def has_alpha(path: str | os.PathLike[str]) -> bool:
    """Return whether a picture has transparency, from its header; False for a file that is not a picture.

    Nothing is taken out of a pipe.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = file.read(64)
            if heif.kind_of(start) or tiff.is_tiff(start):
                start += file.read(MOST)
            layout = tiff.layout_of(start)
            if layout is not None and not layout.is_plain:
                return bool(layout.alpha)
            return header_has_alpha(file, start)
    except (OSError, ValueError, SyntaxError):
        return False  # `read_photo` raises the error that explains it


def write_image(
    path: str | os.PathLike[str], rgb: NDArray[np.uint8], *, source_type: str | None = None, sign: Sign | None = None
) -> None:
    """Write a picture as PNG, JPEG or WebP (quality 95), chosen by the suffix.

    Args:
        path: the file; what exists there is replaced only by a whole new file.
        rgb: uint8 (H, W, 3), (H, W, 4) with straight alpha (PNG and WebP), or (H, W) grey.
        source_type: of a picture that a network made, one of `photoflow.io.origin.GENERATED`, which the file then says.
        sign: signs the file, see `photoflow.io.credentials`.

    Raises:
        InputError: unknown suffix, wrong shape or dtype, missing or read-only folder, full disk.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _QUALITY:
        raise InputError(f"cannot write {path}: expected a suffix .png, .jpg or .webp, got '{suffix}'")
    channels = rgb.shape[2] if rgb.ndim == 3 else 1
    allowed = (1, 3) if suffix in (".jpg", ".jpeg") else (1, 3, 4)
    if rgb.dtype != np.uint8 or rgb.ndim not in (2, 3) or channels not in allowed or rgb.size == 0:
        expected = " or ".join(str(number) for number in allowed)
        raise InputError(f"cannot write {path}: expected uint8 (H, W, C), C = {expected}, got {rgb.dtype} {rgb.shape}")
    order = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[channels]
    pixels = rgb if order is None else cv2.cvtColor(rgb, order)
    flag = _QUALITY[suffix]
    try:
        _, encoded = cv2.imencode(suffix, pixels, [] if flag is None else [flag, 95])
    except cv2.error as error:  # larger than the format allows
        raise InputError(f"cannot write {path}: {suffix[1:]} cannot hold {size_text(rgb.shape)} pixels") from error
    data = encoded.tobytes()
    if source_type is not None:
        data = origin.marked(data, source_type)
    write_bytes(path, data if sign is None else sign(data))


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a photo as `read_photo` does, with the numbers that stand in the file, which masks and labels need.

    Raises:
        InputError: as for `read_photo`.
    """
    return decode_picture(read_bytes(path, READABLE), name_of(path))


def decode_photo(data: bytes, name: str) -> Photo:
    """Decode the bytes of a photo's file as `read_photo` does.

    Args:
        data: all of the file.
        name: of the file, for messages.

    Raises:
        InputError: as for `read_photo`.
    """
    return decode_picture(data, name).photo


def _from_tensor(tensor: Any) -> Photo:
    tensor = tensor.detach().cpu()
    array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    if array.ndim != 3 or array.shape[0] not in (1, 3, 4):
        raise InputError(f"expected a tensor (C, H, W) with C = 1, 3 or 4, got {tuple(array.shape)}")
    return _from_array(np.moveaxis(array, 0, -1))


def _from_array(array: NDArray[Any]) -> Photo:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise InputError(f"expected an array (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    check_size(array.shape[0], array.shape[1], "the array")
    pixels = levels.to_uint8(array)
    if pixels.ndim == 2:
        return Photo(np.repeat(pixels[..., None], 3, axis=2))
    if pixels.shape[2] == 3:
        return Photo(pixels)
    return Photo(np.ascontiguousarray(pixels[..., :3]), unless_opaque(np.ascontiguousarray(pixels[..., 3])))


__getattr__ = old_names(__name__, {name: f"photoflow.io.mask.{name}" for name in ("read_labels", "read_mask")})
