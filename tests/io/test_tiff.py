"""Each kind of samples that TIFF files know: right levels, or one line that says it is not supported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from picture_files import (
    COLOURS,
    HEIGHT,
    OPACITY,
    RAMP,
    WIDTH,
    check,
    packed,
    stored,
    tiff,
    whole,
)

from photoflow.errors import InputError
from photoflow.io import read_labels, read_photo


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
