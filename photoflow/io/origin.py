"""Origin of pictures: a mark in the file that a network made what it shows, as IPTC's digital source type in XMP.

A clip of a picture that a network made shows nothing else, so its type is the picture's: moving the pixels adds no
second source, of which the vocabulary's composites are made. Where a recorded clip shows what is behind, it does.

Sources: IPTC Photo Metadata Standard, "Digital Source Type", and its vocabulary
http://cv.iptc.org/newscodes/digitalsourcetype/; where a packet stands in a file: Adobe, XMP Specification, part 3,
"Storage in Files"; in a WebP: Google, WebP Container Specification, "Metadata".
"""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from typing import Any, BinaryIO
from xml.etree import ElementTree

from photoflow import __version__
from photoflow.errors import InputError
from photoflow.io import heif

TRAINED = "trainedAlgorithmicMedia"
"""Source type of what a trained network made as a whole."""
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""Source type of what was put together of that and of something else."""
GENERATED = (TRAINED, COMPOSITE)
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
WEBM_TAG = "DIGITAL_SOURCE_TYPE"
"""Name of the tag that says the same in a WebM file, for which no place of XMP is agreed on."""

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="{_IPTC}">
   <xmp:CreatorTool>photoflow %s</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{VOCABULARY}%s</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
_MOST = 1 << 20  # characters of a packet that is read; a picture's own is some kilobytes
_HEAD = 1 << 17  # bytes at the beginning in which a place for a packet is
_CHUNK = 1 << 20

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_START = 8 + 25  # signature and header
_JPEG_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_GIF_NAME = b"!\xff\x0bXMP DataXMP"
# A reader that takes the packet for blocks, the first byte of each its length, falls into these and comes to the end.
_GIF_END = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
_GIF_LOOPS = b"!\xff\x0bNETSCAPE2.0"
_MP4_NAME = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_WEBP_HAS_XMP, _WEBP_HAS_ALPHA = 0x04, 0x10
_EBML = b"\x1aE\xdf\xa3"


def xmp(source_type: str) -> bytes:
    """Return an XMP packet, UTF-8, that says where a picture comes from, and that photoflow wrote it.

    Args:
        source_type: one of `GENERATED`.

    Raises:
        InputError: it is not.
    """
    if source_type not in GENERATED:
        raise InputError(f"source_type: expected one of {', '.join(GENERATED)}, got {source_type!r}")
    return (_PACKET % (__version__, source_type)).encode()


def mark(file: BinaryIO, source_type: str) -> None:
    """Put a mark into a PNG, APNG, JPEG, WebP, GIF or MP4 file that has no XMP yet; nothing else in it changes.

    Args:
        file: open for reading and writing, changed in place: a hidden file or one in memory, since what stops halfway
            leaves it damaged.
        source_type: one of `GENERATED`.

    Raises:
        InputError: another format, or a file that is truncated or damaged, which is then as it was.
    """
    packet = xmp(source_type)
    file.seek(0)
    head = file.read(_HEAD)
    end = file.seek(0, os.SEEK_END)
    try:
        if head.startswith(_PNG):
            _expect(head[12:16] == b"IHDR" and _ends_with(file, b"IEND\xaeB`\x82"))
            _insert(file, _PNG_START, _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
        elif head.startswith(b"\xff\xd8\xff"):
            _expect(_ends_with(file, b"\xff\xd9"))
            content = _JPEG_NAME + packet
            _insert(file, _after_jpeg_headers(head), struct.pack(">HH", 0xFFE1, len(content) + 2) + content)
        elif head.startswith((b"GIF87a", b"GIF89a")):
            _expect(_ends_with(file, b";"))
            _insert(file, _after_gif_header(head), _GIF_NAME + packet + _GIF_END)
        elif head[4:8] == b"ftyp":
            _expect(_are_boxes(file, end))
            _insert(file, end, struct.pack(">I4s", 24 + len(packet), b"uuid") + _MP4_NAME + packet)
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            _mark_webp(file, head, end, packet)
        else:
            raise InputError("cannot be marked: expected a PNG, JPEG, WebP, GIF or MP4 file")
    except (struct.error, IndexError) as error:  # a header that ends too early
        raise _damaged() from error


def marked(data: bytes, source_type: str) -> bytes:
    """Return the bytes of a file with a mark; see `mark`.

    Args:
        data: all of the file.
        source_type: one of `GENERATED`.

    Raises:
        InputError: as for `mark`.
    """
    stream = BytesIO(data)
    mark(stream, source_type)
    return stream.getvalue()


def of_picture(image: Any, data: bytes) -> str | None:
    """Return what a loaded PIL image says of its origin: one of `GENERATED`, or None.

    Args:
        image: with what Pillow (11 or newer) found in its file.
        data: all of the file, of which Pillow reads no XMP where it is a GIF; or nothing.
    """
    packet = image.info.get("xmp")
    if packet is None and data.startswith(b"GIF8"):
        start = data.find(_GIF_NAME)
        packet = data[start + len(_GIF_NAME) : data.find(_GIF_END[:4], start)] if start >= 0 else None
    return of_packet(packet)


def of_packet(packet: str | bytes | None) -> str | None:
    """Return what an XMP packet says of the origin, one of `GENERATED`, or None; one that is damaged says nothing."""
    if not packet or len(packet) > _MOST:
        return None
    try:
        text = packet.decode() if isinstance(packet, bytes) else packet
        if "<!DOCTYPE" in text:  # no packet has one; entities could grow without end
            return None
        elements = ElementTree.fromstring(text.strip("\ufeff\0 \n\r\t")).iter()
    except (ValueError, ElementTree.ParseError):
        return None
    for element in elements:
        said = element.get(f"{{{_IPTC}}}DigitalSourceType")  # a property is an attribute, or an element
        if said is None and element.tag == f"{{{_IPTC}}}DigitalSourceType":
            said = element.get(f"{{{_RDF}}}resource") or element.text or ""
        if said is not None:
            term = said.strip().rpartition("/")[2]
            return term if term in GENERATED else None
    return None


def is_clip(data: bytes) -> bool:
    """Return whether a file is a video: an MP4, a WebM or one of their kin; a GIF or an APNG counts as a picture."""
    return data[:4] == _EBML or (data[4:8] == b"ftyp" and not heif.kind_of(data[:64]))


def of_clip(data: bytes, name: str) -> str | None:
    """Return what a video says of its origin: one of `GENERATED`, or None.

    Args:
        data: all of the file, an MP4 or a WebM: XMP, or a tag `WEBM_TAG`.
        name: of the file, for messages.

    Raises:
        InputError: it is truncated or damaged.
    """
    import av

    try:
        with av.open(BytesIO(data), options={"export_xmp": "1"}) as container:
            tags = container.metadata
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{name} is a truncated or damaged video") from error
    term = tags.get(WEBM_TAG, "").rpartition("/")[2]
    return term if term in GENERATED else of_packet(tags.get("xmp"))


def _insert(file: BinaryIO, place: int, content: bytes) -> None:
    """Insert bytes into a file; what comes after them moves on, from its end."""
    end = file.seek(0, os.SEEK_END)
    while end > place:
        start = max(place, end - _CHUNK)
        file.seek(start)
        moved = file.read(end - start)
        file.seek(start + len(content))
        file.write(moved)
        end = start
    file.seek(place)
    file.write(content)


def _damaged() -> InputError:
    return InputError("cannot be marked: the file is truncated or damaged")


def _expect(condition: bool) -> None:
    if not condition:
        raise _damaged()


def _ends_with(file: BinaryIO, end: bytes) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - len(end), 0))
    return file.read() == end


def _chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _after_jpeg_headers(head: bytes) -> int:
    """Return the place after the segments of JFIF and EXIF, which readers expect first."""
    place = 2
    while head.startswith(b"\xff\xe0", place) or (
        head.startswith(b"\xff\xe1", place) and head.startswith(b"Exif", place + 4)
    ):
        place += 2 + int(struct.unpack_from(">H", head, place + 2)[0])
    _expect(head[place] == 0xFF)
    return place


def _after_gif_header(head: bytes) -> int:
    """Return the place after the palette and the number of loops, which old readers expect first."""
    place = 13 + (3 << (head[10] & 7) + 1 if head[10] & 0x80 else 0)
    place += 19 if head.startswith(_GIF_LOOPS, place) else 0
    _expect(head[place] in b"!,;")
    return place


def _are_boxes(file: BinaryIO, end: int) -> bool:
    """Return whether an MP4 file is whole boxes to its end, so that another one can follow."""
    place, names = 0, set()
    while place < end:
        file.seek(place)
        size, name, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        size = large if size == 1 else size
        if size < 8:
            return False
        names.add(name)
        place += size
    return place == end and names >= {b"moov", b"mdat"}


def _mark_webp(file: BinaryIO, head: bytes, end: int, packet: bytes) -> None:
    """Append a packet to a WebP file, whose header is made an extended one where it is a simple one."""
    _expect(struct.unpack_from("<I", head, 4)[0] + 8 == end and end % 2 == 0)
    if head[12:16] == b"VP8X":
        file.seek(20)
        file.write(bytes([head[20] | _WEBP_HAS_XMP]))
    else:
        width, height, alpha = _webp_size(head)
        flags = _WEBP_HAS_XMP | (_WEBP_HAS_ALPHA if alpha else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        _insert(file, 12, b"VP8X" + struct.pack("<II", 10, flags) + sides)
    file.seek(0, os.SEEK_END)
    file.write(b"XMP " + struct.pack("<I", len(packet)) + packet + bytes(len(packet) % 2))
    size = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", size))


def _webp_size(head: bytes) -> tuple[int, int, bool]:
    """Return width, height and whether there is alpha, of the one picture of a simple WebP file."""
    if head[12:16] == b"VP8L" and head[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    _expect(head[12:16] == b"VP8 " and head[23:26] == b"\x9d\x01\x2a")
    width, height = struct.unpack_from("<HH", head, 26)
    _expect(width & 0x3FFF > 0 and height & 0x3FFF > 0)
    return width & 0x3FFF, height & 0x3FFF, False
