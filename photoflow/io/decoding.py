"""Decoding of pictures' files: upright, in sRGB, 8 bits a channel, whatever the file holds.

Files are decoded by Pillow: unlike OpenCV it fails on a truncated JPEG, applies embedded colour profiles, and
understands Adobe's inverted CMYK. It is not an extra dependency, as torchvision requires it.
"""

import warnings
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io import colour, heif, levels, opencv, origin, tiff
from photoflow.io.photo import MAX_MEGAPIXELS, Photo, Picture, check_size, grey_photo, turned, unless_opaque

READABLE = "a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC image"
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")  # formats that Pillow decodes by other programs are left out
_STRIP_ROWS = 256
_GREY_WITH_ALPHA = 4  # in the header of a PNG
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


def decode_picture(data: bytes, name: str) -> Picture:
    """Decode a picture's file, upright and in sRGB.

    Args:
        data: all of the file.
        name: of the file, for messages.

    Raises:
        InputError: it is empty, damaged, of another kind, or has more than 100 megapixels.
    """
    if not data:
        raise InputError(f"{name} is empty, expected {READABLE}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata and large pictures are handled below
        return _decode(data, name)


def _decode(data: bytes, name: str) -> Picture:
    layout = tiff.layout_of(data)
    if layout is not None and not layout.is_plain:
        return _from_tiff(data, layout, name)
    if layout is not None and layout.is_deep_rgb and 34675 in layout.tags:
        with suppress(InputError):  # compressed as Pillow alone knows, or damaged, which Pillow says
            return _from_tiff(data, layout, name)
    with _opened(data, name) as image:
        return from_pillow(image, name, data)


def header_has_alpha(file: Any, start: bytes) -> bool:
    """Return whether a picture's header says that it has transparency.

    Args:
        file: open for reading.
        start: its beginning; of AVIF and HEIC all that the header may be.

    Raises:
        OSError, ValueError, SyntaxError: it is no picture, or damaged.
    """
    from PIL import Image

    file.seek(0)
    try:
        is_heif = heif.kind_of(start)
        with _opened(start, "") if is_heif else Image.open(file, formats=_FORMATS) as image:
            return image.mode in _WITH_ALPHA or "transparency" in image.info
    except Image.DecompressionBombError:
        return False


def _opened(data: bytes, name: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    kind = heif.kind_of(data[:64])
    try:
        if kind:
            return heif.open_heif(data, kind, name, lambda height, width: check_size(height, width, name))
        return Image.open(BytesIO(data), formats=_FORMATS)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        if (layout := tiff.layout_of(data)) is not None:
            raise tiff.unsupported(layout, name) from error
        if kind:
            raise InputError(f"{name} is truncated or damaged: its {kind} picture cannot be decoded") from error
        raise InputError(f"{name} is not {READABLE}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_MEGAPIXELS} megapixels") from error
    except Exception as error:  # a known format with a damaged header
        raise _damaged(name, error) from error


def from_pillow(image: Any, name: str, data: bytes = b"") -> Picture:
    """Convert a picture that Pillow opened.

    Args:
        image: Pillow's.
        name: for messages.
        data: its file, where it has one.

    Raises:
        InputError: it is damaged, or has more than 100 megapixels.
    """
    width, height = image.size
    check_size(height, width, name)
    unit = _unit(image)
    try:
        image.load()
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError, ...
        raise _damaged(name, error) from error
    orientation = _orientation(image)
    if image.mode[0] in "IF":
        picture = _from_deep_grey(image, name, unit)
    elif image.mode in ("1", "L", "LA", "La"):
        picture = _from_grey(image, unit)
    else:
        numbers = _pixels(image) if image.mode == "P" else None
        picture = Picture(_from_colours(image, data), numbers, image.mode == "P")
    picture = turned(picture, orientation)
    return replace(picture, photo=replace(picture.photo, source_type=origin.of_picture(image, data)))


def _unit(image: Any) -> int:
    """Return how much one in the file is in Pillow's picture, which stretches 2 and 4 bits to 8."""
    mode = str(getattr(image, "tile", ""))  # known until it is loaded
    return next((unit for mark, unit in (("L;2", 85), ("L;4", 17), ("I;12", -16)) if mark in mode), 1)


def _from_grey(image: Any, unit: int) -> Picture:
    """Convert grey of at most 8 bits, with or without transparency."""
    if image.mode in ("1", "La"):
        image = image.convert({"1": "L", "La": "LA"}[image.mode])
    pixels = _pixels(image)
    is_clear = image.mode == "LA"
    grey = pixels[..., 0] if is_clear else pixels
    key = image.info.get("transparency")
    alpha = np.ascontiguousarray(pixels[..., 1]) if is_clear else _keyed(grey, key, unit)
    curve = colour.grey_curve(image.info.get("icc_profile"))
    shown = grey if curve is None else curve.round().astype(np.uint8)[grey]
    return Picture(grey_photo(shown, alpha), None if is_clear else grey // np.uint8(unit))


def _keyed(grey: NDArray[Any], key: Any, unit: int = 1) -> NDArray[np.uint8] | None:
    """Return the opacity where one level, in the numbers of the file, is transparent."""
    if not isinstance(key, int):
        return None
    return np.where(grey == key * unit, 0, 255).astype(np.uint8)


def _from_colours(image: Any, data: bytes) -> Photo:
    """Convert colours of at most 8 bits a channel. Alpha is split off before the colour profile is applied."""
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    is_keyed = isinstance(key, tuple)
    if _is_deep_png(data) and (profile or is_keyed):  # Pillow compares 16 bits with 8
        return _deep_png(image, data, profile, key if is_keyed else None)
    if image.mode in _WITH_ALPHA or key is not None:
        image_with_alpha = image.convert("RGBA")
        alpha = _pixels(image_with_alpha.getchannel("A"))
        return Photo(_pixels(colour.to_srgb(image_with_alpha.convert("RGB"), profile)), unless_opaque(alpha))
    direct = image.mode in ("RGB", "CMYK")
    return Photo(_pixels(colour.to_srgb(image if direct else image.convert("RGB"), profile)))


def _deep_png(image: Any, data: bytes, profile: bytes | None, key: tuple[int, ...] | None) -> Photo:
    """Convert a PNG of 16 bits, of which Pillow keeps but 8."""
    deep = opencv.decoded(data)
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3:
        return _from_colours(image, b"")
    pixels = deep[..., :3]
    alpha = _pixels(image.getchannel("A")) if image.mode == "RGBA" else None
    if key is not None:
        alpha = np.where((pixels == np.array(key, np.uint16)).all(axis=2), 0, 255).astype(np.uint8)
    if data[25] == _GREY_WITH_ALPHA:
        return grey_photo(levels.curved(pixels[..., 0], colour.grey_curve(profile)), alpha)
    return Photo(colour.deep_to_srgb(pixels, profile), None if alpha is None else unless_opaque(alpha))


def _is_deep_png(data: bytes) -> bool:
    """Return whether a file is a PNG of 16 bits, by its header."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16


def _from_deep_grey(image: Any, name: str, unit: int) -> Picture:
    """Convert grey of 16 or 32 bits or float."""
    numbers = np.asarray(image)
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    values = numbers * np.float32(1 / 4095) if unit == -16 else levels.fitted(numbers, name)
    shown = levels.curved(values, colour.grey_curve(profile))
    return Picture(grey_photo(shown, _keyed(numbers, key)), levels.narrow(numbers))


def _from_tiff(data: bytes, layout: tiff.Layout, name: str) -> Picture:
    """Convert a TIFF that Pillow refuses or reads wrongly."""
    check_size(layout.height, layout.width, name)
    try:
        samples = tiff.read_samples(data, layout, name)
    except InputError:
        raise
    except Exception as error:  # tags that are missing or of another kind
        raise _damaged(name, error) from error
    profile, count = layout.tags.get(34675), layout.colours
    values = levels.fitted(samples[..., : count + bool(layout.alpha)], name)
    values, opacity = values[..., :count], values[..., count] if layout.alpha else None
    if opacity is not None and layout.alpha == tiff.MULTIPLIED:
        values = levels.divided(values, opacity)
    alpha = None if opacity is None else unless_opaque(levels.to_uint8(opacity))
    if count == 1:
        picture = _grey_tiff(samples[..., 0], values[..., 0], alpha, layout)
    else:
        rgb = colour.deep_to_srgb(values, profile) if count == 3 else _inks_in_srgb(levels.to_uint8(values), profile)
        picture = Picture(Photo(rgb, alpha))
    return turned(picture, int(layout.tags.get(274, 1)))


def _grey_tiff(
    numbers: NDArray[Any], values: NDArray[Any], alpha: NDArray[np.uint8] | None, layout: tiff.Layout
) -> Picture:
    is_inverted = layout.photometric == tiff.WHITE_IS_ZERO
    curve = colour.grey_curve(layout.tags.get(34675))
    shown = levels.curved(levels.inverted(values) if is_inverted else values, curve)
    return Picture(grey_photo(shown, alpha), None if is_inverted else levels.narrow(numbers))


def _inks_in_srgb(inks: NDArray[np.uint8], profile: bytes | None) -> NDArray[np.uint8]:
    from PIL import Image

    return _pixels(colour.to_srgb(Image.fromarray(inks, "CMYK"), profile))


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Copy the pixels strip by strip; in one piece, Pillow would hold the whole picture twice more meanwhile."""
    width, height = image.size
    bands = len(image.getbands())
    pixels = np.empty((height, width, bands)[: 2 if bands == 1 else 3], np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _damaged(name: str, error: Exception) -> InputError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return InputError(f"{name} is truncated or damaged: {reason}")


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block must not cost the photo
        return 1
