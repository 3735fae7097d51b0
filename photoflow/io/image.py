"""Reading of photos from files, arrays, tensors or PIL images, and writing of pictures.

Files are decoded by Pillow: unlike OpenCV it fails on a truncated JPEG, applies embedded colour profiles, and
understands Adobe's inverted CMYK. It is not an extra dependency, as torchvision requires it.
"""

import os
import stat
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.deprecated import old_names
from photoflow.errors import InputError
from photoflow.io import colour, heif, levels, opencv, origin, tiff
from photoflow.io.atomic import write_bytes
from photoflow.io.credentials import Sign
from photoflow.io.reading import MOST, name_of, read_bytes

MAX_MEGAPIXELS = 100
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")  # formats that Pillow decodes by other programs are left out
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")
"""Suffixes of the files that count as pictures when a folder is searched; a GIF counts as a video there."""

_READABLE = "a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC image"
_STRIP_ROWS = 256
_GREY_WITH_ALPHA = 4  # in the header of a PNG
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
_QUALITY = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
            ".webp": cv2.IMWRITE_WEBP_QUALITY, ".png": None}  # fmt: skip
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
        return _from_pillow(source, "the image").photo
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        return _from_tensor(source)
    raise InputError(f"expected a path, PIL image, numpy array or torch tensor, got {type(source).__name__}")


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
            return _header_has_alpha(file, start)
    except (OSError, ValueError, SyntaxError):
        return False  # `read_photo` raises the error that explains it


def _header_has_alpha(file: Any, start: bytes) -> bool:
    from PIL import Image

    file.seek(0)
    try:
        is_heif = heif.kind_of(start)
        with _opened(start, "") if is_heif else Image.open(file, formats=_FORMATS) as image:
            return image.mode in _WITH_ALPHA or "transparency" in image.info
    except Image.DecompressionBombError:
        return False


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
        raise InputError(f"cannot write {path}: {suffix[1:]} cannot hold {_size(rgb.shape)} pixels") from error
    data = encoded.tobytes()
    if source_type is not None:
        data = origin.marked(data, source_type)
    write_bytes(path, data if sign is None else sign(data))


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a photo as `read_photo` does, with the numbers that stand in the file, which masks and labels need.

    Raises:
        InputError: as for `read_photo`.
    """
    return _checked(read_bytes(path, _READABLE), name_of(path))


def decode_photo(data: bytes, name: str) -> Photo:
    """Decode the bytes of a photo's file as `read_photo` does.

    Args:
        data: all of the file.
        name: of the file, for messages.

    Raises:
        InputError: as for `read_photo`.
    """
    return _checked(data, name).photo


def _checked(data: bytes, name: str) -> Picture:
    if not data:
        raise InputError(f"{name} is empty, expected {_READABLE}")
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
        return _from_pillow(image, name, data)


def _opened(data: bytes, name: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    kind = heif.kind_of(data[:64])
    try:
        if kind:
            return heif.open_heif(data, kind, name, lambda height, width: _check_size(height, width, name))
        return Image.open(BytesIO(data), formats=_FORMATS)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        if (layout := tiff.layout_of(data)) is not None:
            raise tiff.unsupported(layout, name) from error
        if kind:
            raise InputError(f"{name} is truncated or damaged: its {kind} picture cannot be decoded") from error
        raise InputError(f"{name} is not {_READABLE}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_MEGAPIXELS} megapixels") from error
    except Exception as error:  # a known format with a damaged header
        raise _damaged(name, error) from error


def _from_pillow(image: Any, name: str, data: bytes = b"") -> Picture:
    """Convert a picture that Pillow opened; `data` is its file, where it has one."""
    width, height = image.size
    _check_size(height, width, name)
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
    picture = _turned(picture, orientation)
    return replace(picture, photo=replace(picture.photo, source_type=origin.of_picture(image, data)))


def _turned(picture: Picture, orientation: int) -> Picture:
    if orientation not in _ORIENTATION:
        return picture
    photo = Photo(_upright(picture.photo.rgb, orientation), _upright(picture.photo.alpha, orientation))
    return Picture(photo, _upright(picture.numbers, orientation), picture.indexed)


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
    return Picture(_grey_photo(shown, alpha), None if is_clear else grey // np.uint8(unit))


def _keyed(grey: NDArray[Any], key: Any, unit: int = 1) -> NDArray[np.uint8] | None:
    """Return the opacity where one level, in the numbers of the file, is transparent."""
    if not isinstance(key, int):
        return None
    return np.where(grey == key * unit, 0, 255).astype(np.uint8)


def _grey_photo(grey: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Photo:
    rgb = np.repeat(grey[..., None], 3, axis=2)
    return Photo(rgb, None if alpha is None else _unless_opaque(alpha))


def _from_colours(image: Any, data: bytes) -> Photo:
    """Convert colours of at most 8 bits a channel. Alpha is split off before the colour profile is applied."""
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    is_keyed = isinstance(key, tuple)
    if _is_deep_png(data) and (profile or is_keyed):  # Pillow compares 16 bits with 8
        return _deep_png(image, data, profile, key if is_keyed else None)
    if image.mode in _WITH_ALPHA or key is not None:
        image_with_alpha = image.convert("RGBA")
        alpha = _pixels(image_with_alpha.getchannel("A"))
        return Photo(_pixels(colour.to_srgb(image_with_alpha.convert("RGB"), profile)), _unless_opaque(alpha))
    direct = image.mode in ("RGB", "CMYK")
    return Photo(_pixels(colour.to_srgb(image if direct else image.convert("RGB"), profile)))


def _deep_png(image: Any, data: bytes, profile: bytes | None, key: tuple[int, ...] | None) -> Photo:
    """Convert a PNG of 16 bits, of which Pillow keeps but 8."""
    decoded = opencv.decoded(data)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        return _from_colours(image, b"")
    pixels = decoded[..., :3]
    alpha = _pixels(image.getchannel("A")) if image.mode == "RGBA" else None
    if key is not None:
        alpha = np.where((pixels == np.array(key, np.uint16)).all(axis=2), 0, 255).astype(np.uint8)
    if data[25] == _GREY_WITH_ALPHA:
        return _grey_photo(levels.curved(pixels[..., 0], colour.grey_curve(profile)), alpha)
    return Photo(colour.deep_to_srgb(pixels, profile), None if alpha is None else _unless_opaque(alpha))


def _is_deep_png(data: bytes) -> bool:
    """Return whether a file is a PNG of 16 bits, by its header."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16


def _from_deep_grey(image: Any, name: str, unit: int) -> Picture:
    """Convert grey of 16 or 32 bits or float."""
    numbers = np.asarray(image)
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    values = numbers * np.float32(1 / 4095) if unit == -16 else levels.fitted(numbers, name)
    shown = levels.curved(values, colour.grey_curve(profile))
    return Picture(_grey_photo(shown, _keyed(numbers, key)), levels.narrow(numbers))


def _from_tiff(data: bytes, layout: tiff.Layout, name: str) -> Picture:
    """Convert a TIFF that Pillow refuses or reads wrongly."""
    _check_size(layout.height, layout.width, name)
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
    alpha = None if opacity is None else _unless_opaque(levels.to_uint8(opacity))
    if count == 1:
        picture = _grey_tiff(samples[..., 0], values[..., 0], alpha, layout)
    else:
        rgb = colour.deep_to_srgb(values, profile) if count == 3 else _inks_in_srgb(levels.to_uint8(values), profile)
        picture = Picture(Photo(rgb, alpha))
    return _turned(picture, int(layout.tags.get(274, 1)))


def _grey_tiff(
    numbers: NDArray[Any], values: NDArray[Any], alpha: NDArray[np.uint8] | None, layout: tiff.Layout
) -> Picture:
    is_inverted = layout.photometric == tiff.WHITE_IS_ZERO
    curve = colour.grey_curve(layout.tags.get(34675))
    shown = levels.curved(levels.inverted(values) if is_inverted else values, curve)
    return Picture(_grey_photo(shown, alpha), None if is_inverted else levels.narrow(numbers))


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


def _upright(pixels: Any, orientation: int) -> Any:
    if pixels is None:
        return None
    swap, vertical, horizontal = _ORIENTATION[orientation]
    turned = pixels.swapaxes(0, 1) if swap else pixels
    return np.ascontiguousarray(turned[:: -1 if vertical else 1, :: -1 if horizontal else 1])


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
    _check_size(array.shape[0], array.shape[1], "the array")
    pixels = levels.to_uint8(array)
    if pixels.ndim == 2:
        return Photo(np.repeat(pixels[..., None], 3, axis=2))
    if pixels.shape[2] == 3:
        return Photo(pixels)
    return Photo(np.ascontiguousarray(pixels[..., :3]), _unless_opaque(np.ascontiguousarray(pixels[..., 3])))


def _unless_opaque(alpha: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    return None if alpha.min() == 255 else alpha


def _check_size(height: int, width: int, name: str) -> None:
    if height == 0 or width == 0:
        raise InputError(f"{name} has no pixels: {_size((height, width))}")
    if height * width > MAX_MEGAPIXELS * 1_000_000:
        raise InputError(f"{name} is {_size((height, width))}, more than {MAX_MEGAPIXELS} megapixels")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


__getattr__ = old_names(__name__, {name: f"photoflow.io.mask.{name}" for name in ("read_labels", "read_mask")})
