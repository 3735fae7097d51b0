import os
import struct
import time
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_files import chunk

from photoflow.errors import LONGEST, InputError
from photoflow.io import read_flow, write_flow


@pytest.fixture
def flow() -> np.ndarray:
    flow = np.random.default_rng(0).normal(0, 30, (2, 7, 11)).astype(np.float32)
    flow[:, 2, 3] = np.nan
    return flow


def test_round_trip(tmp_path: Path, flow: np.ndarray) -> None:
    write_flow(tmp_path / "f.flo", flow)
    write_flow(tmp_path / "f.png", flow)
    np.testing.assert_array_equal(read_flow(tmp_path / "f.flo"), flow)
    np.testing.assert_allclose(read_flow(tmp_path / "f.png"), flow, atol=1 / 128)
    assert read_flow(tmp_path / "f.png").dtype == np.float32


def test_layout(tmp_path: Path) -> None:
    """Files as the data sets' own tools write them: x first, y down; KITTI R = x, G = y, B = valid."""
    pixels = np.array([[[1.5, -2.0], [3.0, 4.0]]], np.float32)
    (tmp_path / "a.flo").write_bytes(b"PIEH" + struct.pack("<ii", 2, 1) + pixels.tobytes())
    np.testing.assert_array_equal(read_flow(tmp_path / "a.flo"), [[[1.5, 3.0]], [[-2.0, 4.0]]])
    rgb = np.array([[[32768 + 96, 32768 - 128, 1], [0, 0, 0]]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    np.testing.assert_array_equal(read_flow(tmp_path / "a.png"), [[[1.5, np.nan]], [[-2.0, np.nan]]])


def test_bad_files(tmp_path: Path, flow: np.ndarray) -> None:
    write_flow(tmp_path / "f.flo", flow)
    data = (tmp_path / "f.flo").read_bytes()
    cases = {"magic": (b"XXXX" + data[4:], "magic"), "short": (data[:-1], "truncated"),
             "header": (data[:6], "truncated"),
             "size": (data[:4] + bytes(8) + data[12:], "damaged")}  # fmt: skip
    for name, (content, message) in cases.items():
        (tmp_path / f"{name}.flo").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_flow(tmp_path / f"{name}.flo")
    cv2.imwrite(str(tmp_path / "eight.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    for name, message in (("eight.png", "16-bit"), ("cut.png", "not a PNG"), ("no.flo", "no such file"),
                          ("f.txt", "suffix")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read_flow(tmp_path / name)
    with pytest.raises(InputError, match="KITTI"):
        write_flow(tmp_path / "big.png", flow + 600)
    with pytest.raises(InputError, match=r"\(2, H, W\)"):
        write_flow(tmp_path / "bad.flo", flow[0])


def refused(path: Path, message: str) -> None:
    """Assert that a file is refused in one short line, soon and without a warning."""
    begun = time.perf_counter()
    with warnings.catch_warnings(), pytest.raises(InputError, match=message) as caught:
        warnings.simplefilter("error")
        read_flow(path)
    said = str(caught.value)
    assert said.isprintable() and len(said) <= LONGEST and time.perf_counter() - begun < 2


def png(width: int, height: int, *, raw: bytes | None = None, packed: bytes | None = None, more: bytes = b"",
        depth: int = 16, colour: int = 2, interlace: int = 0) -> bytes:  # fmt: skip
    raw = bytes((1 + 6 * width) * height) if raw is None else raw
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    pixels = chunk(b"IDAT", zlib.compress(raw) if packed is None else packed)
    return b"\x89PNG\r\n\x1a\n" + head + more + pixels + chunk(b"IEND", b"")


ODD_PNG = [
    (png(30_000, 30_000, raw=b""), "30000x30000, more than 100 megapixels"),
    (png(2**31, 2**31, raw=b""), "more than 100 megapixels"),
    (png(10_000, 9_999, raw=b""), "damaged: 10000x9999 pixels in 65 bytes"),
    (png(0, 8), "damaged: 0x8"),
    (png(8, 8, raw=bytes(48)), "its pixels do not take 392 bytes"),
    (png(8, 8, raw=bytes(10**8)), "its pixels do not take 392 bytes"),
    (png(8, 8, raw=b"\x09" + bytes(391)), "unknown filter"),
    (png(8, 8, packed=zlib.compress(bytes(392))[:-2]), "its pixels do not take"),
    (png(8, 8, packed=b"not packed"), "damaged: "),
    (png(8, 8, depth=8), "expected 16-bit RGB, got 8 bits"),
    (png(8, 8, colour=6), "of PNG's colour type 6"),
    (png(8, 8, interlace=2), "damaged"),
    (png(8, 8)[:-12], "truncated: expected at least"),
    (png(8, 8)[:-30], "truncated"),
    (png(8, 8)[:40], "truncated"),
    (png(8, 8)[:20], "not a PNG file, or is truncated"),
    (png(8, 8)[:-14] + b"xx" + png(8, 8)[-12:], "a checksum is wrong"),
    (b"", "not a PNG"),
]


@pytest.mark.parametrize(("data", "message"), ODD_PNG, ids=range(len(ODD_PNG)))
def test_odd_pngs_are_refused_in_one_line(
    tmp_path: Path, data: bytes, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(data)
    refused(tmp_path / "a.png", message)
    assert capfd.readouterr() == ("", "")  # nor does a library write one


def test_other_chunks_do_not_count(tmp_path: Path) -> None:
    """Transparency, gamma, animation: what a decoder may apply is not part of the flow."""
    more = chunk(b"tRNS", bytes(6)) + chunk(b"gAMA", struct.pack(">I", 10)) + chunk(b"acTL", b"\xff" * 8)
    pixels = np.array([32768 + 64, 32768, 1], ">u2").tobytes()
    for interlace in (0, 1):
        (tmp_path / "a.png").write_bytes(png(1, 1, raw=b"\0" + pixels, more=more, interlace=interlace))
        np.testing.assert_array_equal(read_flow(tmp_path / "a.png"), [[[1]], [[0]]])


def test_odd_flo_files_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.io.reading._PATIENCE", 0.1)
    for name, size, message in (
        ("large", (30_000, 30_000), "more than 100 megapixels"), ("short", (9999, 9999), "truncated: expected 799"),
        ("damaged", (-1, 5), "size -1x5"), ("wide", (2**31 - 1, 1), "size 2147483647x1"),
    ):  # fmt: skip
        (tmp_path / f"{name}.flo").write_bytes(b"PIEH" + struct.pack("<ii", *size))
        refused(tmp_path / f"{name}.flo", message)
    monkeypatch.setattr("photoflow.io.flow._MOST_BYTES", 1 << 24)  # so far an endless file is read
    (tmp_path / "zero.flo").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.flo")
    refused(tmp_path / "zero.flo", "more than 16 MiB")
    refused(tmp_path / "pipe.flo", "no one writes to the pipe")
    for name in ("a\0b.flo", "\ud800.flo", "a" * 5000 + ".flo", "-", "a" * 5000):
        refused(tmp_path / name, "cannot")


@pytest.mark.filterwarnings("error")
def test_values_that_a_format_cannot_hold(tmp_path: Path) -> None:
    odd = np.zeros((2, 3, 4))
    odd[0, 0] = np.nan, np.inf, -np.inf, 5
    for suffix in ("flo", "png"):
        write_flow(tmp_path / f"a.{suffix}", odd)
        read = read_flow(tmp_path / f"a.{suffix}")
        assert np.isnan(read[:, 0, :3]).all() and read[0, 0, 3] == 5 and (read[:, 1:] == 0).all()
        write_flow(tmp_path / f"a.{suffix}", np.full((2, 2, 2), np.nan))
        assert np.isnan(read_flow(tmp_path / f"a.{suffix}")).all()
    for value, dtype, flo in ((1e300, float, "1e+300"), (-2e9, np.float32, "2e+09"), (-(2**63), np.int64, "9.22e+18")):
        wrong = np.full((2, 3, 4), value, dtype)
        with pytest.raises(InputError, match=r"KITTI flow holds -512 to 511\.98 pixels, got") as caught:
            write_flow(tmp_path / "b.png", wrong)
        assert f"got {flo[:3]}" in str(caught.value)
        with pytest.raises(InputError, match=r"\.flo holds less than 1e\+09 pixels, got") as caught:
            write_flow(tmp_path / "b.flo", wrong)
        assert f"got {flo[:3]}" in str(caught.value)
    for wrong in (np.zeros((2, 3, 4), complex), np.zeros((2, 3, 4), bool), np.full((2, 3, 4), "a")):
        with pytest.raises(InputError, match="expected a flow of numbers"):
            write_flow(tmp_path / "b.flo", wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flo", "a.png"]
