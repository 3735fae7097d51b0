"""Samples of TIFF files that Pillow refuses or reads wrongly: signed, floating-point, wide, planar, premultiplied.

Their strips or tiles are described anew, as planes of single samples, and decoded by OpenCV.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io import opencv

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}
MULTIPLIED = 1
_PHOTOMETRIC = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab"}
_FORMATS = {1: "u", 2: "i", 3: "f"}
_KINDS = {"u": "unsigned", "i": "signed", "f": "floating-point"}
_MOST_EXPANSION = 4096  # more than LZW and Deflate can reach: what promises more is damaged


@dataclass(frozen=True)
class Layout:
    """Description of the first picture in a TIFF file, from its header.

    Attributes:
        width: pixels.
        height: pixels.
        bits: of a sample; 0 where they differ.
        kind: of a sample: "u", "i" or "f" as NumPy's; "" for another.
        samples: of a pixel.
        photometric: number of the interpretation.
        planar: whether each channel lies on its own.
        extra: kinds of the samples beside the colours: `MULTIPLIED` = alpha that colours were multiplied by, 2 =
            straight alpha.
        tags: all tags.
    """

    width: int
    height: int
    bits: int
    kind: str
    samples: int
    photometric: int
    planar: bool
    extra: tuple[int, ...]
    tags: Any

    @property
    def colours(self) -> int:
        """Return how many samples of a pixel are its colour, 0 where that is not known."""
        return _COLOURS.get(self.photometric, 0)

    @property
    def alpha(self) -> int:
        """Return the kind of alpha: 0 = none, `MULTIPLIED`, or 2 = straight."""
        first = self.extra[0] if self.extra else 0
        return first if self.samples > self.colours and first in (MULTIPLIED, 2) else 0

    @property
    def is_deep_rgb(self) -> bool:
        """Return whether it is RGB of which Pillow keeps fewer bits than there are."""
        return self.photometric == RGB and self.bits == 16 and self.kind == "u"

    @property
    def is_plain(self) -> bool:
        """Return whether Pillow reads it right."""
        if self.bits < 8 or self.photometric not in _COLOURS:
            return True
        if self.bits == 8 and self.kind == "u":
            return not (self.planar and self.samples > self.colours)
        if self.kind == "f":
            return self.bits == 32 and self.samples == 1 and self.photometric == BLACK_IS_ZERO
        is_grey_with_more = self.colours == 1 and self.samples > 1
        is_turned = self.photometric == WHITE_IS_ZERO or self.planar or self.alpha == MULTIPLIED or is_grey_with_more
        return self.kind == "u" and self.bits <= 16 and not is_turned

    @property
    def words(self) -> str:
        """Return the kind of picture in words."""
        bits = f"{self.bits}-bit" if self.bits else "samples of several sizes,"
        kind = _KINDS.get(self.kind, "unknown")
        return f"{bits} {kind} {_PHOTOMETRIC.get(self.photometric, 'unknown colours')}, {self.samples} a pixel"


def is_tiff(start: bytes) -> bool:
    """Return whether the first bytes are those of a TIFF file."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def layout_of(data: bytes) -> Layout | None:
    """Return what the header of a TIFF file says; None for another file, or one whose header is damaged."""
    if not is_tiff(data):
        return None
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        tags = ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
        stream = BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        bits, formats = set(_numbers(tags, 258, 1)), set(_numbers(tags, 339, 1))
        return Layout(
            int(tags[256]), int(tags[257]), bits.pop() if len(bits) == 1 else 0,
            _FORMATS.get(formats.pop(), "") if len(formats) == 1 else "", int(tags.get(277, 1)),
            int(tags.get(262, -1)), tags.get(284, 1) == 2, _numbers(tags, 338), tags,
        )  # fmt: skip
    except Exception:  # Pillow raises the error that explains it
        return None


def read_samples(data: bytes, layout: Layout, name: str) -> NDArray[Any]:
    """Decode all samples as they stand in the file.

    Returns:
        (H, W, samples) of the file's own dtype.

    Raises:
        InputError: a kind that is not supported, or truncated.
    """
    dtype = f"{layout.kind}{layout.bits // 8}"
    if (
        dtype not in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
        or layout.samples < layout.colours
    ):
        raise unsupported(layout, name)
    compression, predictor = int(layout.tags.get(259, 1)), int(layout.tags.get(317, 1))
    together = 1 if layout.planar else layout.samples
    if (together > 1 and predictor != 1 and not _is_common(layout)) or (predictor == 3 and layout.bits == 16):
        raise InputError(f"{name}: a TIFF of {layout.words} with a predictor is not supported, expected none")
    offsets, counts = _pieces(layout, data, name)
    size = layout.width * layout.height * layout.samples * layout.bits // 8
    if size > sum(counts) * (1 if compression == 1 else _MOST_EXPANSION):
        raise InputError(f"{name} is truncated or damaged: its header promises more pixels than it holds")
    planes = layout.samples if layout.planar else 1
    share = len(offsets) // planes
    parts = [slice(number * share, (number + 1) * share) for number in range(planes)]
    decoded = [_decode(_described(data, layout, offsets[part], counts[part]), name) for part in parts]
    shape = (layout.height, layout.width, together)
    if any(plane.size != layout.height * layout.width * together for plane in decoded):
        raise unsupported(layout, name)
    arrays = [np.ascontiguousarray(plane).view(dtype).reshape(shape) for plane in decoded]
    return np.concatenate(arrays, axis=2) if len(arrays) > 1 else arrays[0]


def unsupported(layout: Layout, name: str) -> InputError:
    """Return the error for a kind of TIFF that nothing here decodes."""
    return InputError(f"{name}: a TIFF of {layout.words} is not supported, expected 8 or 16 bits or float, grey or RGB")


def _is_common(layout: Layout) -> bool:
    """Return whether OpenCV decodes pixels of several samples by itself, which undoes a predictor across them."""
    return layout.samples in (3, 4) and not layout.planar


def _pieces(layout: Layout, data: bytes, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the offsets and the lengths of the strips or tiles."""
    offsets, counts = (_numbers(layout.tags, tag) for tag in ((324, 325) if 324 in layout.tags else (273, 279)))
    if not offsets or len(offsets) != len(counts):
        raise InputError(f"{name} is truncated or damaged: its strips are not all described")
    if any(offset + count > len(data) for offset, count in zip(offsets, counts)):
        raise InputError(f"{name} is truncated or damaged: it ends before its pixels")
    return offsets, counts


def _described(data: bytes, layout: Layout, offsets: tuple[int, ...], counts: tuple[int, ...]) -> bytes:
    """Return the file with a header that describes some strips as a picture of single samples, or of 3 or 4."""
    tags, tiled = layout.tags, 324 in layout.tags
    predictor = int(tags.get(317, 1))
    together = layout.samples if predictor != 1 and _is_common(layout) else 1
    wider = 1 if layout.planar else layout.samples // together
    # OpenCV before 5 knows 32 and 64 bits as floats alone; bits are what counts.
    form = 3 if layout.bits >= 32 and predictor != 2 else 1
    entries = {
        256: (layout.width * wider,), 257: (layout.height,), 258: (layout.bits,) * together,
        259: (int(tags.get(259, 1)),), 262: (BLACK_IS_ZERO if together == 1 else RGB,), 277: (together,),
        284: (1,), 317: (predictor,), 339: (form,) * together,
    }  # fmt: skip
    if together == 4:
        entries[338] = (0,)
    if tiled:
        entries |= {322: (int(tags[322]) * wider,), 323: (int(tags[323]),), 324: offsets, 325: counts}
    else:
        entries |= {273: offsets, 278: (min(int(tags.get(278, layout.height)), layout.height),), 279: counts}
    return _with_directory(data, entries)


def _with_directory(data: bytes, entries: dict[int, tuple[int, ...]]) -> bytes:
    """Return a TIFF file with another directory, of whole numbers, behind what it holds."""
    order = "<" if data[:1] == b"I" else ">"
    is_big = 43 in data[2:4]
    number, kind, start = ("Q", 16, 16) if is_big else ("I", 4, 8)
    room, padding = struct.calcsize(number), bytes(-len(data) % 16)
    place = len(data) + len(padding)
    directory = struct.pack(order + ("Q" if is_big else "H"), len(entries))
    after = place + len(directory) + len(entries) * (4 + 2 * room) + room
    long = b""
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{number}", *values)
        if len(values) > 1:
            packed, long = struct.pack(order + number, after + len(long)), long + packed
        directory += struct.pack(f"{order}HH{number}", tag, kind, len(values)) + packed
    header = data[: start - room] + struct.pack(order + number, place)
    return b"".join([header, memoryview(data)[start:], padding, directory, bytes(room), long])


def _decode(data: bytes, name: str) -> NDArray[Any]:
    pixels = opencv.decoded(data)
    if pixels is None:
        raise InputError(f"{name} is truncated or damaged: its TIFF pixels cannot be decoded")
    return pixels


def _numbers(tags: Any, tag: int, default: int | None = None) -> tuple[int, ...]:
    values = tags.get(tag, () if default is None else (default,))
    return tuple(int(value) for value in (values if isinstance(values, tuple) else (values,)))
