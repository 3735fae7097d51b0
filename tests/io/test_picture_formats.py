"""Each kind of pixels that the formats of pictures know: right levels, or one line that says it is not supported."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from photoflow.errors import InputError
from photoflow.io import read_labels, read_mask, read_photo
from photoflow.io.image import has_alpha

HEIGHT, WIDTH = 4, 6
RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
COLOURS = np.stack([RAMP, 1 - RAMP, RAMP**2], axis=2)
OPACITY = np.linspace(1, 0.25, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)


def whole(share: np.ndarray, bits: int) -> np.ndarray:
    """Levels of a number of bits."""
    return np.minimum(np.round(share * (2**bits - 1)), largest(bits)).astype(np.uint64)


def largest(bits: int) -> float:
    """The largest number of some bits that is no larger as a float."""
    return float(2**bits - 1) if bits <= 53 else float(2**bits - 2 ** (bits - 53))


def packed(values: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Rows of whole numbers, bit by bit; each row begins with a byte of its own."""
    if bits >= 8:
        return np.ascontiguousarray(values).astype(f"{order}u{bits // 8}").tobytes()
    rows = []
    for row in values.reshape(len(values), -1):
        text = "".join(format(int(value), f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def png(values: np.ndarray, bits: int, colour_type: int, *more: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = packed(values, bits)
    stride = len(data) // len(values)
    rows = b"".join(b"\0" + data[start : start + stride] for start in range(0, len(data), stride))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def tiff(
    data: bytes | Sequence[bytes], bits: int, photometric: int, samples: int = 1, *, form: int = 1, order: str = "<",
    planar: bool = False, extra: int | None = None, compress: bool = False, size: tuple[int, int] = (HEIGHT, WIDTH),
    **tags: Any,
) -> bytes:  # fmt: skip
    """A TIFF file of one strip a plane, by hand."""
    strips = [data] if isinstance(data, bytes) else list(data)
    strips = [zlib.compress(strip) for strip in strips] if compress else strips
    offsets = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    entries: dict[int, Sequence[int]] = {
        256: [size[1]], 257: [size[0]], 258: [bits] * samples, 259: [8 if compress else 1], 262: [photometric],
        273: offsets, 277: [samples], 278: [size[0]], 279: [len(strip) for strip in strips],
        284: [2 if planar else 1], 339: [form] * samples,
    }  # fmt: skip
    if extra is not None:
        entries[338] = [extra]
    entries |= {int(tag[1:]): values for tag, values in tags.items()}
    body = b"".join(strips) + bytes(sum(map(len, strips)) % 2)
    after = 8 + len(body) + 2 + 12 * len(entries) + 4
    table, long = struct.pack(order + "H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        kind, letter = (3, "H") if max(values) < 65536 else (4, "I")
        value = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(value) > 4:
            value, long = struct.pack(order + "I", after + len(long)), long + value
        table += struct.pack(order + "HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8 + len(body)) + body + table + bytes(4) + long


def stored(share: np.ndarray, bits: int, form: int, order: str = "<") -> bytes:
    """Samples as a TIFF file holds them: 1 = unsigned, 2 = signed, 3 = floating-point."""
    if form == 1:
        return packed(whole(share, bits), bits, order)
    if form == 2:
        most = largest(bits - 1)
        return np.minimum(np.round(share * most), most).astype(f"{order}i{bits // 8}").tobytes()
    return share.astype(f"{order}f{bits // 8}").tobytes()


def bmp(
    data: bytes, bits: int, palette: Sequence[int] = (), *, masks: Sequence[int] = (), size=(HEIGHT, WIDTH)
) -> bytes:
    """A BMP file with rows from the bottom to the top, each padded to 4 bytes."""
    table = bytes(palette) + struct.pack(f"<{len(masks)}I", *masks)
    header = 108 if len(masks) == 4 else 40
    start = 14 + 40 + len(table) + max(0, header - 40 - 4 * len(masks)) * bool(masks and header > 40)
    info = struct.pack(
        "<IiiHHIIiiII", header, size[1], size[0], 1, bits, 3 if masks else 0, len(data), 0, 0, len(palette) // 4, 0
    )
    rest = bytes(start - 14 - 40 - len(table))
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + table + rest + data


def from_below(rows: np.ndarray, bits: int) -> bytes:
    lines = [packed(row[None], bits, "<") for row in rows[::-1]]
    return b"".join(line + bytes(-len(line) % 4) for line in lines)


def check(data: bytes, path: Path, rgb: np.ndarray, alpha: np.ndarray | None = None, tolerance: float = 1.01) -> None:
    """Compare the photo and the mask of a file with levels in [0, 1], grey (H, W) or (H, W, 3)."""
    path.write_bytes(data)
    photo, mask = read_photo(path), read_mask(path)
    wanted = np.repeat(rgb[..., None], 3, axis=2) if rgb.ndim == 2 else rgb
    visible = 1 if alpha is None else (alpha > 0)[..., None]
    np.testing.assert_allclose(photo.rgb * visible, wanted * 255 * visible, atol=tolerance)
    assert (photo.alpha is None) == (alpha is None)
    assert has_alpha(path) == (alpha is not None)
    if alpha is not None:
        np.testing.assert_allclose(photo.alpha, alpha * 255, atol=tolerance)
        np.testing.assert_allclose(mask, alpha, atol=0.005)
    elif rgb.ndim == 2:
        np.testing.assert_allclose(mask, rgb, atol=0.005)


def key_alpha(numbers: np.ndarray, key: Sequence[int]) -> np.ndarray:
    found = numbers == key[0] if numbers.ndim == 2 else (numbers == np.array(key)).all(axis=2)
    assert found.any() and not found.all()
    return 1.0 - found


# PNG


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


# TIFF


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize(
    "form, bits", [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (1, 32), (1, 64), (3, 16), (3, 32), (3, 64)]
)
def test_tiff_grey(tmp_path: Path, form: int, bits: int, photometric: int, order: str) -> None:
    share = whole(RAMP, bits) / (2**bits - 1) if form == 1 and bits < 8 else RAMP
    data = tiff(stored(share, bits, form, order), bits, photometric, form=form, order=order)
    check(data, tmp_path / "a.tif", share if photometric else 1 - share)


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_tiff_signed_grey(tmp_path: Path, bits: int) -> None:
    check(tiff(stored(RAMP, bits, 2), bits, 1, form=2), tmp_path / "a.tif", RAMP)
    below = (RAMP * 100 - 50).astype(f"<i{bits // 8}").tobytes()
    (tmp_path / "below.tif").write_bytes(tiff(below, bits, 1, form=2))
    with pytest.raises(InputError, match=r"below.tif: expected numbers from 0 on, got -50"):
        read_photo(tmp_path / "below.tif")


@pytest.mark.parametrize("photometric, sample", [(1, "u4"), (1, "i4"), (1, "i2"), (2, "u4")])
def test_tiff_of_few_levels_in_wide_samples(tmp_path: Path, photometric: int, sample: str) -> None:
    """Whole numbers up to 255 or 65535 in wider samples are those of 8 or 16 bits; labels stay numbers."""
    rgb = RAMP if photometric == 1 else COLOURS
    form, bits = (1 if sample[0] == "u" else 2), 8 * int(sample[1])
    for levels in (8, 16)[: 1 if bits == 16 else 2]:
        data = whole(rgb, levels).astype("<" + sample).tobytes()
        check(tiff(data, bits, photometric, 1 if photometric == 1 else 3, form=form), tmp_path / "a.tif", rgb)
    things = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    (tmp_path / "labels.tif").write_bytes(tiff(things.astype("<" + sample).tobytes(), bits, 1, form=form))
    if photometric == 1:
        np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), things)


def test_tiff_of_numbers_that_are_no_levels(tmp_path: Path) -> None:
    data = np.full((HEIGHT, WIDTH), 100_000, "<u4").tobytes()
    (tmp_path / "a.tif").write_bytes(tiff(data, 32, 1))
    with pytest.raises(InputError, match=r"a.tif: expected whole numbers of 8, 16 or 32 bits, got values up to 100000"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("alpha", [None, 1, 2])
@pytest.mark.parametrize("form, bits", [(1, 8), (1, 16), (1, 32), (3, 16), (3, 32), (3, 64)])
@pytest.mark.parametrize("photometric", [1, 2])
def test_tiff_channels(
    tmp_path: Path, photometric: int, form: int, bits: int, alpha: int | None, planar: bool, compress: bool
) -> None:
    rgb = RAMP[..., None] if photometric == 1 else COLOURS
    times = OPACITY[..., None] if alpha == 1 else 1
    channels = rgb * times if alpha is None else np.dstack([rgb * times, OPACITY])
    count = channels.shape[2]
    planes = [channels[..., channel] for channel in range(count)]
    data = [stored(plane, bits, form) for plane in planes] if planar else stored(channels, bits, form)
    file = tiff(data, bits, photometric, count, form=form, planar=planar, extra=alpha, compress=compress)
    wanted = RAMP if photometric == 1 else COLOURS
    check(
        file, tmp_path / "a.tif", wanted, None if alpha is None else OPACITY, 2.6 if alpha == 1 and bits == 8 else 1.01
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_tiff_palette(tmp_path: Path, bits: int) -> None:
    entries = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 2**bits
    palette = np.zeros((2**bits, 3), int)
    palette[:24] = [(10 * n, 255 - 5 * n, 60) for n in range(24)][: 2**bits]
    file = tiff(packed(entries, bits), bits, 3, t320=list((palette * 257).T.ravel()))
    check(file, tmp_path / "a.tif", palette[entries] / 255)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_cmyk(tmp_path: Path, bits: int, planar: bool) -> None:
    inks = np.dstack([1 - COLOURS, np.zeros((HEIGHT, WIDTH))])
    data = [stored(inks[..., ink], bits, 1) for ink in range(4)] if planar else stored(inks, bits, 1)
    check(tiff(data, bits, 5, 4, planar=planar), tmp_path / "a.tif", COLOURS)


def test_tiff_ycbcr(tmp_path: Path) -> None:
    ycc = cv2.cvtColor(whole(COLOURS, 8).astype(np.uint8), cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    file = tiff(ycc.tobytes(), 8, 6, 3, t530=[1, 1])
    check(file, tmp_path / "a.tif", COLOURS, tolerance=2)


def test_tiff_lab(tmp_path: Path) -> None:
    """White of D50, as in profiles: there red is at 54.3, 80.8, 69.9, green at 87.8, -79.3, 81."""
    lab = np.array([[(0, 0, 0), (100, 0, 0), (50, 0, 0), (54.3, 80.8, 69.9), (87.8, -79.3, 81)]])
    rgb = np.array([[(0, 0, 0), (1, 1, 1), (0.466, 0.466, 0.466), (1, 0, 0), (0, 1, 0)]])
    numbers = np.round(lab * (2.55, 1, 1)).astype(np.int16)
    file = tiff(numbers.astype(np.uint8).tobytes(), 8, 8, 3, size=(1, 5))
    check(file, tmp_path / "a.tif", rgb, tolerance=15)


@pytest.mark.parametrize(
    "bits, photometric, form", [(16, 8, 1), (8, 8, 2), (24, 1, 1), (12, 2, 1), (32, 1, 6), (2, 2, 1), (8, 9, 1)]
)
def test_tiff_of_other_kinds(tmp_path: Path, bits: int, photometric: int, form: int) -> None:
    samples = 1 if photometric == 1 else 3
    (tmp_path / "a.tif").write_bytes(tiff(bytes(HEIGHT * WIDTH * samples * 4), bits, photometric, samples, form=form))
    with pytest.raises(InputError, match=r"a.tif: a TIFF of .* is not supported, expected") as fault:
        read_photo(tmp_path / "a.tif")
    assert str(fault.value).isprintable()


def test_tiff_of_twelve_bits(tmp_path: Path) -> None:
    values = whole(RAMP, 12)
    text = "".join(format(int(value), "012b") for value in values.ravel())
    check(tiff(int(text, 2).to_bytes(len(text) // 8, "big"), 12, 1), tmp_path / "a.tif", RAMP)


@pytest.mark.parametrize("values", [RAMP * 3, RAMP - 0.5, np.where(RAMP > 0.5, np.nan, RAMP)])
@pytest.mark.parametrize("bits", [16, 32, 64])
def test_tiff_of_high_range(tmp_path: Path, bits: int, values: np.ndarray) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(stored(values, bits, 3), bits, 1, form=3))
    with pytest.raises(InputError, match=r"a.tif: expected float pixels in \[0, 1\], got values from"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}, {"rowsperstrip": 7}])
@pytest.mark.parametrize("kind", ["f4", "f2", "u2"])
def test_tiff_files_of_other_layouts(tmp_path: Path, options: dict[str, Any], kind: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    y, x = np.mgrid[:40, :50]
    share = np.stack([x / 49, y / 39, (x + y) / 88], axis=2)
    values = whole(share, 16).astype("u2") if kind == "u2" else share.astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", compression="zlib", **options)
    check((tmp_path / "a.tif").read_bytes(), tmp_path / "a.tif", share)
    planes = np.moveaxis(values, 2, 0)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate", **options)
    check((tmp_path / "b.tif").read_bytes(), tmp_path / "b.tif", share)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_that_pillow_refuses_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    for name, bits, form in (("a", 8, 1), ("b", 32, 3)):
        (tmp_path / f"{name}.tif").write_bytes(
            tiff(stored(COLOURS, bits, form), bits, 2, 3, form=form, t274=[orientation])
        )
    np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").rgb, read_photo(tmp_path / "a.tif").rgb)


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_tiff_that_pillow_refuses(tmp_path: Path, compress: bool) -> None:
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH, 3))
    file = tiff(stored(noise, 32, 3), 32, 2, 3, form=3, compress=compress, t279=[4_000])
    (tmp_path / "a.tif").write_bytes(file)
    with pytest.raises(InputError, match=r"a.tif is truncated or damaged"):
        read_photo(tmp_path / "a.tif")


# BMP, JPEG, WebP, GIF


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


# sizes


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
