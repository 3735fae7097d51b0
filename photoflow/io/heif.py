"""AVIF and HEIC files: which is which, and who decodes it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from photoflow.errors import InputError

_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2", b"heif")
# What a file says by irot (quarter turns against the clock) and imir (0 = top with bottom), as EXIF says it.
_ORIENTATION = {
    (0, -1): 1, (1, -1): 8, (2, -1): 3, (3, -1): 6, (0, 0): 4, (0, 1): 2, (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4,
    (3, 0): 7, (3, 1): 5,
}  # fmt: skip
Check = Callable[[int, int], None]


def kind_of(start: bytes) -> str:
    """Return "AVIF", "HEIC", or "" for another file, from its first bytes (64 are enough)."""
    if start[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(start[:4], "big"), 64)
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, length, 4))]
    if any(brand in _AVIF for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC for brand in brands) else ""


def open_heif(data: bytes, kind: str, name: str, check: Check) -> Any:
    """Open an AVIF or HEIC file as a PIL image.

    Args:
        data: the whole file.
        kind: as `kind_of` returns it.
        name: of the file, for errors.
        check: of height and width, which raises where they are too large; called before anything is decoded.

    Raises:
        InputError: nothing here decodes it.
    """
    from PIL import Image, features

    if kind == "AVIF":
        if not features.check("avif"):
            return _avif_by_av(data, name, check)
        return Image.open(BytesIO(data), formats=("AVIF",))
    try:
        import pillow_heif
    except ImportError as error:
        message = f"{name} is HEIC, which needs pillow-heif: pip install 'photoflow[heif]'"
        raise InputError(message) from error
    pillow_heif.register_heif_opener()
    return Image.open(BytesIO(data), formats=("HEIF",))


def _avif_by_av(data: bytes, name: str, check: Check) -> Any:
    """Decode the first picture of an AVIF file by FFmpeg: its colours, then its opacity where it has one."""
    import av
    from PIL import Image

    header = data[: max(data.find(b"mdat"), 0) or None]
    height, width = _size(header)
    check(height, width)
    try:
        pixels = _frame(data, 0, "rgb24")
        if pixels.shape[:2] == (height, width) and b"auxiliary:alpha" in header:
            pixels = np.dstack([pixels, _frame(data, 1, "gray")])
    except (av.error.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise _undecoded(name) from error
    if pixels.shape[:2] != (height, width):  # a picture of several tiles
        raise _undecoded(name)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = _orientation(header)
    if profile := _profile(header):
        image.info["icc_profile"] = profile
    return image


def _undecoded(name: str) -> InputError:
    return InputError(f"{name} is an AVIF that is damaged, or that needs Pillow with AVIF: pip install 'pillow>=11.3'")


def _frame(data: bytes, number: int, form: str) -> Any:
    """Decode the first frame of a stream."""
    import av

    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.video[number]
        stream.codec_context.options = {"max_pixels": str(1 << 27)}  # whatever the frame itself says
        return next(container.decode(stream)).to_ndarray(format=form)


def _size(header: bytes) -> tuple[int, int]:
    """Return the largest height and width that a header says; 0 where it says none."""
    sizes, place = [(0, 0)], header.find(b"ispe")
    while place >= 0:
        width, height = (int.from_bytes(header[place + start : place + start + 4], "big") for start in (8, 12))
        sizes.append((height, width))
        place = header.find(b"ispe", place + 4)
    return max(sizes, key=lambda size: size[0] * size[1])


def _orientation(data: bytes) -> int:
    """Return the EXIF orientation of the turn and the mirroring that a header says."""
    turn, mirror = data.find(b"irot"), data.find(b"imir")
    quarter = int.from_bytes(data[turn + 4 : turn + 5], "big") & 3 if turn >= 0 else 0
    return _ORIENTATION[quarter, int.from_bytes(data[mirror + 4 : mirror + 5], "big") & 1 if mirror >= 0 else -1]


def _profile(data: bytes) -> bytes | None:
    place = data.find(b"colrprof")
    size = int.from_bytes(data[place - 4 : place], "big") if place >= 4 else 0
    return data[place + 8 : place - 4 + size] if size > 12 else None
