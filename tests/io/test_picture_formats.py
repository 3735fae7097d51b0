"""Each kind of pixels that PNG, BMP, JPEG, WebP and GIF know: right levels; and sizes that headers promise."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_files import (
    COLOURS,
    HEIGHT,
    OPACITY,
    RAMP,
    WIDTH,
    bmp,
    check,
    from_below,
    key_alpha,
    png,
    tiff,
    whole,
)
from PIL import Image

from photoflow.errors import InputError
from photoflow.io import read_labels, read_mask, read_photo


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_png_grey(tmp_path: Path, bits: int, keyed: bool) -> None:
    numbers = whole(RAMP, bits)
    key = int(numbers[1, 2])
    more = [(b"tRNS", struct.pack(">H", key))] if keyed else []
    alpha = key_alpha(numbers, [key]) if keyed else None
    check(png(numbers, bits, 0, *more), tmp_path / "a.png", numbers / (2**bits - 1), alpha)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_colours(tmp_path: Path, bits: int, keyed: bool) -> None:
    numbers = whole(COLOURS, bits)
    numbers[0, 0], numbers[0, 1] = (5, 6, 7), (5, 6, 8)  # 16 bits must be compared, not 8
    more = [(b"tRNS", struct.pack(">3H", 5, 6, 7))] if keyed else []
    alpha = key_alpha(numbers, (5, 6, 7)) if keyed else None
    check(png(numbers, bits, 2, *more), tmp_path / "a.png", numbers / (2**bits - 1), alpha)


@pytest.mark.parametrize("colour_type", [4, 6])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_with_alpha(tmp_path: Path, bits: int, colour_type: int) -> None:
    rgb = RAMP if colour_type == 4 else COLOURS
    check(png(whole(np.dstack([rgb, OPACITY]), bits), bits, colour_type), tmp_path / "a.png", rgb, OPACITY)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palette(tmp_path: Path, bits: int, keyed: bool) -> None:
    entries = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % min(2**bits, 20)
    palette = np.array([(10 * entry, 255 - 5 * entry, 60) for entry in range(min(2**bits, 20))], np.uint8)
    more = [(b"PLTE", palette.tobytes())] + ([(b"tRNS", bytes([40]))] if keyed else [])
    alpha = np.where(entries == 0, 40 / 255, 1.0) if keyed else None
    check(png(entries, bits, 3, *more), tmp_path / "a.png", palette[entries] / 255, alpha)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_grey_numbers_are_labels_and_bits_are_masks(tmp_path: Path, bits: int) -> None:
    things = np.zeros((HEIGHT, WIDTH), np.uint64)
    things[1, 1:3], things[2:, 4] = 1, min(3, 2 ** (bits - 1) - 1)
    (tmp_path / "labels.png").write_bytes(png(things, bits, 0))
    labels = read_labels(tmp_path / "labels.png")
    (tmp_path / "mask.png").write_bytes(png(things > 0, bits, 0))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), things > 0)
    if bits > 2:
        np.testing.assert_array_equal(labels, things)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_palette(tmp_path: Path, bits: int) -> None:
    entries = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 2**bits
    palette = np.array([(10 * n % 256, 255 - n, 60) for n in range(2**bits)], np.uint8)
    table = np.column_stack([palette[:, ::-1], np.zeros(len(palette), np.uint8)]).ravel()
    check(bmp(from_below(entries, bits), bits, list(table)), tmp_path / "a.bmp", palette[entries] / 255)


def test_bmp_colours(tmp_path: Path) -> None:
    bgr = whole(COLOURS, 8)[..., ::-1]
    check(bmp(from_below(bgr, 8), 24), tmp_path / "a.bmp", COLOURS)
    zeros, opacity = np.zeros((HEIGHT, WIDTH), np.uint64), whole(OPACITY, 8)
    check(bmp(from_below(np.dstack([bgr, zeros]), 8), 32), tmp_path / "a.bmp", COLOURS)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    check(bmp(from_below(np.dstack([bgr, opacity]), 8), 32, masks=masks), tmp_path / "a.bmp", COLOURS, OPACITY)


@pytest.mark.parametrize("green", [5, 6])
def test_bmp_of_sixteen_bits(tmp_path: Path, green: int) -> None:
    red, middle, blue = (whole(COLOURS[..., c], n) for c, n in enumerate((5, green, 5)))
    numbers = red << np.uint64(5 + green) | middle << np.uint64(5) | blue
    shown = np.stack([red / 31, middle / (2**green - 1), blue / 31], axis=2)
    masks = () if green == 5 else (0xF800, 0x7E0, 0x1F)
    check(bmp(from_below(numbers, 16), 16, masks=masks), tmp_path / "a.bmp", shown, tolerance=1.1)


@pytest.mark.parametrize("mode, tolerance", [("L", 4), ("RGB", 8), ("CMYK", 8)])
def test_jpeg(tmp_path: Path, mode: str, tolerance: float) -> None:
    y, x = np.mgrid[:32, :48]
    share = x / 47 if mode == "L" else np.stack([x / 47, y / 31, (x + y) / 78], axis=2)
    buffer = io.BytesIO()
    image = Image.fromarray(whole(share, 8).astype(np.uint8)).convert(mode)
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    data = buffer.getvalue()
    check_mask = tmp_path / "a.jpg"
    check(data, check_mask, share, tolerance=tolerance) if mode != "L" else check(data, check_mask, share, None, 2)
    if mode == "CMYK":  # Adobe's transform 2 says YCCK
        assert b"Adobe" in data


def test_jpeg_ycck(tmp_path: Path) -> None:
    """Inks of which the first three are turned to YCbCr, as marker 2 of Adobe says."""
    y, x = np.mgrid[:32, :48]
    share = np.stack([x / 47, y / 31, (x + y) / 78], axis=2)
    rgb = whole(share, 8).astype(np.uint8)
    ycc = cv2.cvtColor(255 - rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    four = np.dstack([255 - ycc, np.zeros(x.shape, np.uint8)])  # Pillow inverts what it writes
    buffer = io.BytesIO()
    Image.fromarray(four, "CMYK").save(buffer, "JPEG", quality=100, subsampling=0)
    data = bytearray(buffer.getvalue())
    place = data.index(b"Adobe") + 11
    data[place] = 2
    check(bytes(data), tmp_path / "a.jpg", share, tolerance=8)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_webp(tmp_path: Path, lossless: bool, alpha: bool) -> None:
    y, x = np.mgrid[:32, :48]
    share = np.stack([x / 47, y / 31, (x + y) / 78], axis=2)
    opacity = 1 - y / 62
    buffer = io.BytesIO()
    pixels = whole(np.dstack([share, opacity]) if alpha else share, 8).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=lossless, quality=100)
    check(buffer.getvalue(), tmp_path / "a.webp", share, opacity if alpha else None, 1.01 if lossless else 12)


@pytest.mark.parametrize("transparent", [False, True])
def test_gif(tmp_path: Path, transparent: bool) -> None:
    entries = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    palette = [(10 * n, 255 - 5 * n, 60) for n in range(HEIGHT * WIDTH)]
    image = Image.fromarray(entries, "P")
    image.putpalette([value for colour in palette for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "GIF", **({"transparency": 3} if transparent else {}))
    alpha = key_alpha(entries, [3]) if transparent else None
    check(buffer.getvalue(), tmp_path / "a.gif", np.array(palette)[entries] / 255, alpha)


def promising(kind: str, side: int) -> bytes:
    """A file of a few hundred bytes that says it is `side` pixels wide and high."""
    if kind.startswith("png"):
        bits = 16 if kind == "png16" else 8
        empty = np.zeros((1, 1, 4), np.uint64)
        data = bytearray(png(empty, bits, 6))
        data[16:24] = struct.pack(">II", side, side)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        return bytes(data)
    if kind.startswith("tiff"):
        bits, form, samples, planar = {
            "tiff8": (8, 1, 3, False),
            "tiff float": (64, 3, 4, False),
            "tiff planes": (16, 1, 3, True),
        }[kind]
        strips = [bytes(100)] * samples if planar else bytes(100)
        return tiff(strips, bits, 2, samples, form=form, planar=planar, compress=True, size=(side, side))
    if kind == "bmp":
        return bmp(bytes(100), 24, size=(side, side))
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    start, mark, order = {"JPEG": (5, b"\xff\xc0", ">"), "GIF": (6, b"GIF8", "<"), "WEBP": (3, b"\x9d\x01\x2a", "<")}[
        kind
    ]
    place = data.index(mark) + start
    data[place : place + 4] = struct.pack(order + "HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["png", "png16", "tiff8", "tiff float", "tiff planes", "bmp", "JPEG", "GIF", "WEBP"])
def test_sizes_are_checked_before_anything_is_decoded(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(promising(kind, 16_000))
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 100 megapixels"):
        read_photo(tmp_path / "a")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["tiff float", "tiff planes"])
def test_a_small_file_does_not_hold_many_pixels(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(promising(kind, 9_990))
    with pytest.raises(InputError, match="its header promises more pixels than it holds"):
        read_photo(tmp_path / "a")
