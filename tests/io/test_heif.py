"""AVIF and HEIC: orientation, transparency, profiles, sizes; and what is said where nothing decodes them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from photoflow.errors import InputError
from photoflow.io import PICTURES, heif, read_mask, read_photo
from photoflow.io.image import has_alpha

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
FTYP = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:64, :96]
    return np.stack([x * 2, y * 3, x + y], axis=2).astype(np.uint8)


@pytest.fixture
def no_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Pillow's codec of AVIF away."""
    monkeypatch.setattr(features, "check", lambda name: False)


def avif(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "AVIF", quality=95, subsampling="4:4:4", **options)
    return buffer.getvalue()


def heic(pixels: np.ndarray, orientation: int = 1, **info: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file.info.update(info, exif=exif.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=95)
    return buffer.getvalue()


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def close(path: Path, data: bytes, wanted: np.ndarray, most: float = 3) -> None:
    path.write_bytes(data)
    rgb = read_photo(path).rgb
    assert rgb.shape == wanted.shape
    assert np.abs(rgb.astype(int) - wanted).mean() < most


def wide_profile() -> bytes:
    """The sRGB profile with the curves of its colours replaced by straight lines."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        if data[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            offset = int.from_bytes(data[entry + 4 : entry + 8], "big")
            data[offset : offset + 12] = b"curv" + bytes(8)
            data[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return bytes(data)


def lightened(pixels: np.ndarray) -> np.ndarray:
    light = pixels / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@needs_avif
@pytest.mark.parametrize("codec", ["pillow", "av"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_orientation(
    tmp_path: Path, picture: np.ndarray, orientation: int, codec: str, request: pytest.FixtureRequest
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = avif(picture, exif=exif)
    if codec == "av":
        request.getfixturevalue("no_codec")
    close(tmp_path / "a.avif", data, turned(picture, orientation))


@needs_avif
@pytest.mark.parametrize("codec", ["pillow", "av"])
def test_avif_alpha_and_profile(
    tmp_path: Path, picture: np.ndarray, codec: str, request: pytest.FixtureRequest
) -> None:
    opacity = picture[..., 1]
    clear, linear = avif(np.dstack([picture, opacity])), avif(picture, icc_profile=wide_profile())
    if codec == "av":
        request.getfixturevalue("no_codec")
    close(tmp_path / "a.avif", clear, picture)
    assert np.abs(read_mask(tmp_path / "a.avif") * 255 - opacity).mean() < 3
    assert has_alpha(tmp_path / "a.avif")
    close(tmp_path / "b.avif", linear, lightened(picture), 4)
    assert read_photo(tmp_path / "b.avif").alpha is None and not has_alpha(tmp_path / "b.avif")


@needs_avif
@pytest.mark.parametrize("codec", ["pillow", "av"])
def test_damaged_avif(tmp_path: Path, picture: np.ndarray, codec: str, request: pytest.FixtureRequest) -> None:
    data = avif(picture)
    if codec == "av":
        request.getfixturevalue("no_codec")
    for share in (0.02, 0.1, 0.5, 0.9):
        (tmp_path / "cut.avif").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError) as fault:
            read_photo(tmp_path / "cut.avif")
        assert str(fault.value).isprintable()


@needs_avif
@pytest.mark.parametrize("codec", ["pillow", "av"])
def test_avif_that_promises_a_huge_size(
    tmp_path: Path, picture: np.ndarray, codec: str, request: pytest.FixtureRequest
) -> None:
    data = bytearray(avif(picture))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = (16_000).to_bytes(4, "big") * 2
    if codec == "av":
        request.getfixturevalue("no_codec")
    (tmp_path / "a.avif").write_bytes(data)
    with pytest.raises(InputError, match="more than 100 megapixels"):
        read_photo(tmp_path / "a.avif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_orientation(tmp_path: Path, picture: np.ndarray, orientation: int) -> None:
    close(tmp_path / "a.heic", heic(picture, orientation), turned(picture, orientation))


def test_heic_alpha_and_profile(tmp_path: Path, picture: np.ndarray) -> None:
    opacity = picture[..., 1]
    close(tmp_path / "a.heic", heic(np.dstack([picture, opacity])), picture)
    assert np.abs(read_mask(tmp_path / "a.heic") * 255 - opacity).mean() < 3
    assert has_alpha(tmp_path / "a.heic")
    profile = wide_profile()
    close(tmp_path / "b.heic", heic(picture, icc_profile=profile, icc_profile_type="prof"), lightened(picture), 4)


@pytest.mark.parametrize("mode", ["L", "L;16", "RGB;16"])
def test_heic_of_grey_and_of_more_bits(tmp_path: Path, picture: np.ndarray, mode: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = picture if mode[:3] == "RGB" else picture[..., 0]
    deep = pixels.astype(np.uint16) * 257 if mode.endswith("16") else pixels
    buffer = io.BytesIO()
    pillow_heif.encode(mode, (96, 64), np.ascontiguousarray(deep).tobytes(), buffer, quality=95)
    close(tmp_path / "a.heic", buffer.getvalue(), picture if pixels.ndim == 3 else np.dstack([pixels] * 3))


@needs_avif
@pytest.mark.parametrize("codec", ["pillow", "av"])
@pytest.mark.parametrize("kind", ["L", "deep"])
def test_avif_of_grey_and_of_more_bits(
    tmp_path: Path, picture: np.ndarray, kind: str, codec: str, request: pytest.FixtureRequest
) -> None:
    if kind == "L":
        data, wanted = avif(picture[..., 0]), np.dstack([picture[..., 0]] * 3)
    else:
        wanted = picture
        options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 95]
        try:
            _, encoded = cv2.imencode(".avif", picture[..., ::-1].astype(np.uint16) * 4, options)
        except cv2.error:
            pytest.skip("this OpenCV does not write AVIF")
        data = encoded.tobytes()
    if codec == "av":
        request.getfixturevalue("no_codec")
    close(tmp_path / "a.avif", data, wanted, 4)


def test_damaged_heic(tmp_path: Path, picture: np.ndarray) -> None:
    data = heic(picture)
    for share in (0.05, 0.1, 0.5, 0.9):
        (tmp_path / "cut.heic").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError) as fault:
            read_photo(tmp_path / "cut.heic")
        assert str(fault.value).isprintable()


def test_heic_that_promises_a_huge_size(tmp_path: Path, picture: np.ndarray) -> None:
    data = bytearray(heic(picture))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = (16_000).to_bytes(4, "big") * 2
    (tmp_path / "a.heic").write_bytes(data)
    with pytest.raises(InputError, match="more than 100 megapixels"):
        read_photo(tmp_path / "a.heic")


def test_heic_without_its_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(FTYP + bytes(100))
    with pytest.raises(InputError) as fault:
        read_photo(tmp_path / "a.heic")
    assert str(fault.value) == f"{tmp_path}/a.heic is HEIC, which needs pillow-heif: pip install 'photoflow[heif]'"
    assert not has_alpha(tmp_path / "a.heic")


def test_kinds_by_their_brands() -> None:
    def start(*brands: bytes) -> bytes:
        return (8 + 4 * (len(brands) + 1)).to_bytes(4, "big") + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])

    for brands in ((b"heic", b"mif1"), (b"heix",), (b"mif1", b"heic"), (b"msf1", b"hevc"), (b"hevc",)):
        assert heif.kind_of(start(*brands)) == "HEIC"
    for brands in ((b"avif", b"mif1"), (b"mif1", b"avif", b"miaf"), (b"avis", b"msf1")):
        assert heif.kind_of(start(*brands)) == "AVIF"
    for other in (start(b"isom", b"mp41"), start(b"qt  "), b"", b"\x89PNG\r\n\x1a\n"):
        assert heif.kind_of(other) == ""
    assert {".avif", ".heic", ".heif"} < set(PICTURES)
