"""Marks of what a network made: where they stand, who reads them, and that nothing else in a file changes."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.dom import minidom

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from photoflow import Animator, __version__, motion
from photoflow.errors import InputError
from photoflow.io import VideoReader, VideoWriter, origin, read_photo, source_type_of, write_image
from photoflow.io.origin import COMPOSITE, TRAINED, mark, marked
from photoflow.stage import Stage

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CLIPS = ["v.mp4", "v.webm", "v.gif", "v.apng", "frames"]


def picture(height: int = 40, width: int = 56, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 5 + y / 7 + channel) for channel in range(channels)], axis=2)
    return np.rint(127.5 + 120 * waves).astype(np.uint8)


def encoded(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    channels = 4 if form.endswith("+alpha") else 3
    Image.fromarray(picture(channels=channels)).save(stream, form.removesuffix("+alpha"), **options)
    return stream.getvalue()


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG file; their checksums are right, and nothing follows them."""
    place = 8
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(name + content)
        yield name, content
        place += 12 + length
    assert place == len(data)


def write_clip(path: Path, **options: object) -> None:
    frames = [np.roll(picture(), 3 * shift, axis=1) for shift in range(4)]
    with VideoWriter(path, 56, 40, 12, **options) as out:
        for frame in frames:
            out.write(frame)


def contents(path: Path) -> list[bytes]:
    return [file.read_bytes() for file in (sorted(path.iterdir()) if path.is_dir() else [path])]


def file_of(path: Path) -> Path:
    return path / "frame_00000.png" if path.is_dir() else path


def test_a_png_has_a_chunk_before_its_pixels():
    data = encoded("PNG")
    old, new = list(png_chunks(data)), list(png_chunks(marked(data, TRAINED)))
    assert [one for one in new if one[0] != b"iTXt"] == old
    names = [name for name, _ in new]
    assert names.count(b"iTXt") == 1 and names.index(b"iTXt") < names.index(b"IDAT")
    keyword, packet = dict(new)[b"iTXt"].split(b"\0\0\0\0\0")  # neither compressed, nor in a language
    assert keyword == b"XML:com.adobe.xmp" and packet == origin.xmp(TRAINED)


@pytest.mark.parametrize("options", [{}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, {"progressive": True}])
def test_a_jpeg_has_a_segment_after_those_of_jfif_and_exif(options):
    data = encoded("JPEG", **options)
    new = marked(data, TRAINED)
    segment = struct.pack(">HH", 0xFFE1, len(origin.xmp(TRAINED)) + 31) + b"http://ns.adobe.com/xap/1.0/\0"
    segment += origin.xmp(TRAINED)
    before, found, after = new.partition(segment)
    assert found and before + after == data  # the scan too
    assert before.startswith(b"\xff\xd8\xff\xe0") and (b"Exif" in before) == ("exif" in options)
    assert not after.startswith((b"\xff\xe0", b"\xff\xe1"))


@pytest.mark.parametrize("form", ["WEBP", "WEBP+alpha"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"icc_profile": b"x" * 131}])
def test_a_webp_becomes_an_extended_one(form, options):
    data = encoded(form, **options)
    new = marked(data, TRAINED)
    with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(new)) as image:
        assert image.info["xmp"] == origin.xmp(TRAINED) and image.mode == old.mode
        assert image.tobytes() == old.tobytes() and image.info.get("icc_profile") == old.info.get("icc_profile")
    assert struct.unpack_from("<I", new, 4)[0] == len(new) - 8


def test_independent_readers_find_the_property_and_the_pixels():
    for form in ("PNG", "JPEG", "WEBP"):
        data = encoded(form)
        with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(marked(data, COMPOSITE))) as image:
            document = minidom.parseString(image.info["xmp"])
            namespace = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
            (said,) = document.getElementsByTagNameNS(namespace, "DigitalSourceType")
            (tool,) = document.getElementsByTagNameNS("http://ns.adobe.com/xap/1.0/", "CreatorTool")
            assert said.firstChild.data == URI + COMPOSITE and tool.firstChild.data == f"photoflow {__version__}"
            assert image.tobytes() == old.tobytes()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_made_picture_says_so(tmp_path, name):
    write_image(tmp_path / name, picture(), source_type=TRAINED)
    write_image(tmp_path / f"plain-{name}", picture())
    assert source_type_of(tmp_path / name) == TRAINED and source_type_of(tmp_path / f"plain-{name}") is None
    made, plain = read_photo(tmp_path / name), read_photo(tmp_path / f"plain-{name}")
    assert (made.source_type, plain.source_type) == (TRAINED, None) and np.array_equal(made.rgb, plain.rgb)
    _, opencv = cv2.imencode(name[1:], cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR), [] if "png" in name else [
        cv2.IMWRITE_JPEG_QUALITY if "jpg" in name else cv2.IMWRITE_WEBP_QUALITY, 95])  # fmt: skip
    assert (tmp_path / f"plain-{name}").read_bytes() == opencv.tobytes()


@pytest.mark.parametrize("name", CLIPS)
def test_a_made_clip_says_so_and_shows_the_same(tmp_path, name):
    write_clip(tmp_path / name, source_type=COMPOSITE)
    write_clip(tmp_path / f"plain-{name}")
    made, plain = tmp_path / name, tmp_path / f"plain-{name}"
    assert source_type_of(file_of(made)) == COMPOSITE and source_type_of(file_of(plain)) is None
    for one, other in zip(contents(made), contents(plain), strict=True):
        assert b"igital" not in other and b"xmp" not in other.lower() and len(one) > len(other)
    if made.is_file():
        shown = [list(VideoReader(path)) for path in (made, plain)]
        assert len(shown[0]) == 4 and np.array_equal(*shown)


def test_a_gif_keeps_its_loop_and_hides_the_packet_from_readers_that_do_not_know_it(tmp_path):
    write_clip(tmp_path / "v.gif", source_type=TRAINED)
    data = (tmp_path / "v.gif").read_bytes()
    assert data.index(b"NETSCAPE2.0") < data.index(b"XMP DataXMP") and data.count(b"XMP DataXMP") == 1
    with Image.open(tmp_path / "v.gif") as image:
        assert image.info["loop"] == 0 and sum(1 for _ in ImageSequence.Iterator(image)) == 4
    # As blocks, of which the first byte is the length, the packet and its end lead to the end of the extension.
    place = data.index(b"XMP DataXMP") + 11
    while data[place]:
        place += 1 + data[place]
    assert data[place + 1 :] == data[data.index(origin.xmp(TRAINED)) + len(origin.xmp(TRAINED)) + 258 :]
    assert data[place + 1 :][:1] in (b"!", b",")


def test_an_mp4_has_a_box_that_ffmpeg_reads(tmp_path):
    write_clip(tmp_path / "v.mp4", source_type=TRAINED)
    with av.open(str(tmp_path / "v.mp4"), options={"export_xmp": "1"}) as container:
        assert container.metadata["xmp"].encode() == origin.xmp(TRAINED)
    data = (tmp_path / "v.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it plays while it loads, as before


def test_large_files_are_moved_piece_by_piece(monkeypatch):
    monkeypatch.setattr(origin, "_CHUNK", 7)
    files = [encoded(form) for form in ("PNG", "JPEG", "GIF", "WEBP")]
    whole = [marked(data, TRAINED) for data in files]
    monkeypatch.setattr(origin, "_CHUNK", 7)
    assert [marked(data, TRAINED) for data in files] == whole


PROPERTY = f'xmlns:i="{origin._IPTC}"'
RDF = f'<rdf:RDF xmlns:rdf="{origin._RDF}" {PROPERTY}><rdf:Description %s>%s</rdf:Description></rdf:RDF>'


@pytest.mark.parametrize(("packet", "expected"), [
    (RDF % (f'i:DigitalSourceType="{URI}{TRAINED}"', ""), TRAINED),
    (RDF % ("", f'<i:DigitalSourceType rdf:resource="{URI}{COMPOSITE}"/>'), COMPOSITE),
    ("\ufeff" + RDF % ("", f"<i:DigitalSourceType>\n {URI}{TRAINED} </i:DigitalSourceType>") + "\n  ", TRAINED),
    (RDF % ("", f"<i:DigitalSourceType>{URI}digitalCapture</i:DigitalSourceType>"), None),
    (RDF % ("", "<i:DigitalSourceType/>"), None),
    (RDF % (f'DigitalSourceType="{URI}{TRAINED}"', ""), None),  # a name of another vocabulary
    (RDF % ("", f"{URI}{TRAINED}"), None),
    ('<!DOCTYPE a [<!ENTITY b "c">]>' + RDF % (f'i:DigitalSourceType="{URI}{TRAINED}"', ""), None),
    ("<x", None), ("", None), (None, None), (b"\xff\xfe<", None), (b"\0", None), ("<a>" * 100_000, None),
    (b" " * (1 << 20) + b"<a/>", None),
])  # fmt: skip
def test_packets_of_others(packet, expected):
    assert origin.of_packet(packet) == expected


def test_a_packet_of_pillow_is_read(tmp_path):
    packet = (RDF % (f'i:DigitalSourceType="{URI}{TRAINED}"', "")).encode()
    for name in ("a.jpg", "a.webp", "a.tif"):
        info = {700: packet} if name == "a.tif" else None
        options = {"tiffinfo": info} if info else {"xmp": packet}
        Image.fromarray(picture()).save(tmp_path / name, **options)
        assert source_type_of(tmp_path / name) == TRAINED, name
    with Image.open(tmp_path / "a.jpg") as image:
        assert read_photo(image).source_type == TRAINED


def all_formats(folder: Path) -> list[tuple[str, bytes]]:
    for name in ("v.mp4", "v.gif", "v.apng"):
        write_clip(folder / name)
    made = [(name, (folder / name).read_bytes()) for name in ("v.mp4", "v.gif", "v.apng")]
    return [*made, *((f"a.{form.lower()}", encoded(form)) for form in ("PNG", "JPEG", "WEBP"))]


def test_what_is_truncated_is_refused_in_one_line_and_left_alone(tmp_path):
    rng = random.Random(0)
    for name, data in all_formats(tmp_path):
        lengths = {*range(64), *(rng.randrange(len(data)) for _ in range(60)), len(data) - 1}
        for length in lengths:
            if name == "v.gif" and data[:length].endswith(b";"):
                continue  # it looks whole
            file = io.BytesIO(data[:length])
            with pytest.raises(InputError, match=r"^cannot be marked: [^\n]+$"):
                mark(file, TRAINED)
            assert file.getvalue() == data[:length], (name, length)


def test_what_is_damaged_is_marked_or_refused(tmp_path):
    rng, refused = random.Random(1), 0
    for name, data in all_formats(tmp_path):
        for _ in range(150):
            changed = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(min(len(data), 80))] = rng.randrange(256)
            file = io.BytesIO(bytes(changed))
            try:
                mark(file, TRAINED)
                assert len(file.getvalue()) > len(data)
            except InputError as error:
                refused += 1
                assert "\n" not in str(error) and file.getvalue() == changed, name
    assert refused > 100


@pytest.mark.parametrize("source_type", ["digitalCapture", "", 'x"><', None])
def test_another_source_type_is_refused_before_anything_is_written(tmp_path, source_type):
    with pytest.raises(InputError, match="expected one of trainedAlgorithmicMedia, composite"):
        marked(encoded("PNG"), source_type)
    if source_type is not None:
        with pytest.raises(InputError, match="source_type: expected one of"):
            VideoWriter(tmp_path / "v.mp4", 56, 40, 12, source_type=source_type)
        with pytest.raises(InputError, match="source_type: expected one of"):
            write_image(tmp_path / "a.png", picture(), source_type=source_type)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected a PNG, JPEG, WebP, GIF or MP4 file"):
        marked(b"BM" + bytes(200), TRAINED)
    for content, said in (
        (b"text", "is not a JPEG"), (b"", "is empty"), (b"\x1aE\xdf\xa3" + bytes(90), "damaged video"),
        (b"\0\0\0\x18ftypisom" + bytes(90), "damaged video"),
    ):  # fmt: skip
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(InputError, match=said):
            source_type_of(tmp_path / "a")
    with pytest.raises(InputError, match="no such file"):
        source_type_of(tmp_path / "b")


def animated(photo: object, **options: object) -> object:
    mask = np.zeros((40, 56), np.float32)
    mask[10:30, 15:40] = 1
    if not isinstance(photo, Stage):
        options["mask"] = mask
    return Animator(offline=True, device="cpu").animate(
        photo, motion.parse("translate dx=3 dy=1"), seconds=0.25, fps=8, **options
    )


@pytest.mark.parametrize("name", [*CLIPS, "v.html"])
def test_a_clip_of_a_made_photo_says_so(tmp_path, name):
    write_image(tmp_path / "made.png", picture(), source_type=TRAINED)
    clip = animated(tmp_path / "made.png")
    clip.save(tmp_path / name)
    if name != "v.html":
        assert source_type_of(file_of(tmp_path / name)) == TRAINED


def test_a_clip_of_another_photo_says_nothing(tmp_path):
    write_image(tmp_path / "taken.png", picture())
    animated(tmp_path / "taken.png").save(tmp_path / "v.gif")
    assert b"XMP" not in (tmp_path / "v.gif").read_bytes()


def test_a_clip_with_recorded_pixels_is_a_composite(tmp_path):
    write_image(tmp_path / "made.png", picture(), source_type=TRAINED)
    with VideoWriter(tmp_path / "behind.apng", 56, 40, 12) as out:
        for _ in range(3):
            out.write(picture())
    assert animated(tmp_path / "made.png", behind=tmp_path / "behind.apng").source_type == COMPOSITE


def test_a_stage_remembers(tmp_path):
    write_image(tmp_path / "made.png", picture(), source_type=TRAINED)
    mask = np.zeros((40, 56), np.float32)
    mask[10:30, 15:40] = 1
    stage = Animator(offline=True, device="cpu").prepare(tmp_path / "made.png", mask=mask)
    stage.save(tmp_path / "a.stage")
    assert stage.copy().source_type == Stage.load(tmp_path / "a.stage").source_type == TRAINED
    assert animated(Stage.load(tmp_path / "a.stage")).source_type == TRAINED
