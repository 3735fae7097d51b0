"""Embedded colour profiles: by what they do, not by their names, for every kind of picture."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_files import chunk, png
from PIL import Image, ImageCms

from photoflow.io import read_photo

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
WHITE = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)  # D50
PRIMARIES = {b"rXYZ": (0.4361, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}


def profile(gamma: float, name: str, grey: bool = False) -> bytes:
    """A profile with sRGB's primaries, or grey, and a power as its tone curve."""
    text = name.encode("utf-16-be")
    description = b"mluc" + struct.pack(">5I", 0, 1, 12, 0x656E5553, len(text)) + struct.pack(">I", 28) + text
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    tags = {b"desc": description, b"wtpt": b"XYZ " + bytes(4) + WHITE}
    tags |= {tag: curve for tag in ((b"kTRC",) if grey else (b"rTRC", b"gTRC", b"bTRC"))}
    if not grey:
        for tag, xyz in PRIMARIES.items():
            tags[tag] = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in xyz))
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    space = b"GRAY" if grey else b"RGB "
    header = struct.pack(">I", start + len(body)) + bytes(4) + b"\x04\x20\0\0mntr" + space + b"XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + WHITE
    return header.ljust(128, b"\0") + table + body


def shown(share: np.ndarray, gamma: float) -> np.ndarray:
    """Levels in sRGB of light that was encoded by a power."""
    light = share**gamma
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def written(path: Path, image: Image.Image, icc: bytes) -> Path:
    image.save(path, icc_profile=icc)
    return path


@pytest.mark.parametrize("name", ["linear sRGB", "sRGB", "Adobe"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_name_says_nothing(tmp_path: Path, gamma: float, name: str) -> None:
    rgb = np.dstack([RAMP, RAMP, RAMP])
    path = written(tmp_path / "a.png", Image.fromarray(rgb), profile(gamma, name))
    np.testing.assert_allclose(read_photo(path).rgb[..., 1], shown(RAMP / 255, gamma), atol=1.1)


def test_srgb_by_another_name_changes_nothing(tmp_path: Path) -> None:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = data.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    for icc in (data, other):
        path = written(tmp_path / "a.png", Image.fromarray(noise), icc)
        np.testing.assert_array_equal(read_photo(path).rgb, noise)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("kind", ["L", "LA", "I;16", "F", "tRNS", "jpg", "LA;16"])
def test_grey_profiles(tmp_path: Path, kind: str, gamma: float) -> None:
    icc = profile(gamma, "grey", grey=True)
    grey, path = RAMP / 255, tmp_path / ("a.tif" if kind == "F" else "a.jpg" if kind == "jpg" else "a.png")
    image = Image.fromarray(RAMP)
    if kind == "LA":
        image = Image.merge("LA", [image, Image.new("L", image.size, 77)])
    elif kind == "I;16":
        image, grey = Image.fromarray(DEEP), DEEP / 65535
    elif kind == "F":
        grey = (DEEP / 65535).astype(np.float32)
        image = Image.fromarray(grey)
    if kind == "LA;16":
        grey = DEEP / 65535
        more = b"iCCP", b"grey\0\0" + zlib.compress(icc)
        path.write_bytes(png(np.dstack([DEEP, DEEP // 2]), 16, 4, more))
    else:
        image.save(path, icc_profile=icc, **({"transparency": 9} if kind == "tRNS" else {"quality": 100}))
    photo = read_photo(path)
    with Image.open(path) as file:
        grey = np.asarray(file) / 255 if kind == "jpg" else grey
    np.testing.assert_allclose(photo.rgb, np.repeat(shown(grey, gamma)[..., None], 3, axis=2), atol=1.5)
    if kind in ("LA", "tRNS"):
        np.testing.assert_array_equal(
            photo.alpha, np.full((16, 16), 77) if kind == "LA" else np.where(RAMP == 9, 0, 255)
        )


def test_profiles_of_palettes(tmp_path: Path) -> None:
    image = Image.fromarray(RAMP, "P")
    image.putpalette([value for level in range(256) for value in (level, level, level)])
    path = written(tmp_path / "a.png", image, profile(1.0, "linear"))
    np.testing.assert_allclose(read_photo(path).rgb[..., 0], shown(RAMP / 255, 1.0), atol=1.1)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_profiles_of_deep_colours(tmp_path: Path, gamma: float) -> None:
    """The shadows of a linear profile need all bits: one level of 8 bits is thirteen in sRGB there."""
    tifffile = pytest.importorskip("tifffile")
    rgb = np.dstack([DEEP, DEEP, DEEP])
    icc = profile(gamma, "deep")
    tag = [(34675, 7, len(icc), icc, True)]
    for values in (rgb, (rgb / 65535).astype(np.float32)):
        for config in ("contig", "separate"):
            planes = values if config == "contig" else np.moveaxis(values, 2, 0)
            tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig=config, extratags=tag)
            np.testing.assert_allclose(read_photo(tmp_path / "a.tif").rgb[..., 1], shown(DEEP / 65535, gamma), atol=1.1)
    _, encoded = cv2.imencode(".png", np.dstack([rgb, 65535 - DEEP]))
    data = encoded.tobytes()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"iCCP", b"deep\0\0" + zlib.compress(icc)) + data[33:])
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_allclose(photo.rgb[..., 1], shown(DEEP / 65535, gamma), atol=1.1)
    np.testing.assert_allclose(photo.alpha, 255 - DEEP / 257, atol=1)


def test_profiles_of_deep_colours_beside_grey(tmp_path: Path) -> None:
    """Colours between those of 8 bits are as the same colours in 8 bits, spread."""
    tifffile = pytest.importorskip("tifffile")
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    icc = profile(1.4, "deep")
    written(tmp_path / "a.png", Image.fromarray(rgb), icc)
    tag = [(34675, 7, len(icc), icc, True)]
    tifffile.imwrite(tmp_path / "a.tif", rgb.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    wanted = read_photo(tmp_path / "a.png").rgb.astype(int)
    assert np.abs(read_photo(tmp_path / "a.tif").rgb - wanted).max() <= 1


@pytest.mark.parametrize("kind", ["L", "RGB", "CMYK"])
def test_profiles_of_another_colour_model_are_ignored(tmp_path: Path, kind: str) -> None:
    icc = profile(1.0, "other", grey=kind != "L")
    image = Image.fromarray(RAMP).convert(kind)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", icc_profile=icc)
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    np.testing.assert_allclose(read_photo(tmp_path / "a.tif").rgb[..., 0], RAMP, atol=1)
