import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from photoflow.errors import InputError
from photoflow.io import photo as photo_module
from photoflow.io import read_mask, read_photo, write_image
from photoflow.io.image import has_alpha


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth colours, no symmetry."""
    y, x = np.mgrid[:48, :70]
    return np.stack([x * 3, y * 5, (x + y) * 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, picture: np.ndarray, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(picture).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    rgb = read_photo(path).rgb
    np.testing.assert_array_equal(rgb, expected)
    assert rgb.flags.c_contiguous and rgb.flags.writeable


def test_deep_grey_palette_and_alpha(tmp_path: Path, picture: np.ndarray) -> None:
    grey = picture[..., 0]
    cv2.imwrite(str(tmp_path / "deep.png"), picture[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "deep_grey.png"), grey.astype(np.uint16) * 257)
    Image.fromarray(picture).quantize(256).save(tmp_path / "palette.png")
    rgba = np.dstack([picture, picture[..., 1]])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png").rgb, picture)
    deep_grey = read_photo(tmp_path / "deep_grey.png").rgb
    np.testing.assert_array_equal(deep_grey, np.repeat(grey[..., None], 3, 2))
    palette = read_photo(tmp_path / "palette.png")
    assert np.abs(palette.rgb.astype(int) - picture).mean() < 8 and palette.alpha is None
    photo = read_photo(tmp_path / "alpha.png")
    np.testing.assert_array_equal(photo.rgb, picture)
    np.testing.assert_array_equal(photo.alpha, picture[..., 1])


def test_transparent_palette_and_first_frame(tmp_path: Path) -> None:
    first = Image.new("P", (20, 10), 1)
    first.putpalette([0, 0, 0, 250, 10, 20])
    first.putpixel((3, 4), 0)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("P", (20, 10), 0)], transparency=0)
    photo = read_photo(tmp_path / "a.gif")
    assert photo.alpha is not None and photo.alpha[4, 3] == 0 and (photo.alpha == 0).sum() == 1
    assert photo.rgb[0, 0].tolist() == [250, 10, 20]


def test_cmyk_jpeg(tmp_path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "c.jpg", quality=98)
    assert np.abs(read_photo(tmp_path / "c.jpg").rgb.astype(int) - picture).mean() < 3


def test_colour_profile(tmp_path: Path) -> None:
    """In a profile with a linear tone curve the same numbers mean other sRGB values."""
    red = np.full((8, 8, 3), (180, 60, 60), np.uint8)
    linear = _linear_profile()
    Image.fromarray(red).save(tmp_path / "p.png", icc_profile=linear)
    encoded = 1.055 * (np.array([180, 60, 60]) / 255) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(read_photo(tmp_path / "p.png").rgb[0, 0], encoded * 255, atol=2)
    Image.fromarray(red).save(tmp_path / "s.png", icc_profile=_srgb_profile())
    np.testing.assert_array_equal(read_photo(tmp_path / "s.png").rgb, red)
    Image.fromarray(red).save(tmp_path / "broken.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_photo(tmp_path / "broken.png").rgb, red)


def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _linear_profile() -> bytes:
    """The sRGB profile with its tone curves replaced by the identity and another description."""
    data = bytearray(_srgb_profile())
    for index in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * index
        tag, offset = bytes(data[entry : entry + 4]), int.from_bytes(data[entry + 4 : entry + 8], "big")
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            data[offset : offset + 12] = b"curv" + bytes(8)
            data[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return bytes(data).replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be"))


def test_arrays(picture: np.ndarray) -> None:
    for array in (
        picture,
        picture.astype(np.uint16) * 257,
        picture / 255,
        (picture / 255).astype(np.float32),
    ):
        photo = read_photo(array)
        np.testing.assert_array_equal(photo.rgb, picture)
        assert photo.alpha is None and not np.shares_memory(photo.rgb, picture)
    grey = read_photo(picture[..., 0])
    np.testing.assert_array_equal(grey.rgb, np.repeat(picture[..., :1], 3, axis=2))
    rgba = read_photo(np.dstack([picture, picture[..., 2]]))
    np.testing.assert_array_equal(rgba.alpha, picture[..., 2])
    np.testing.assert_array_equal(read_photo(Image.fromarray(picture)).rgb, picture)


def test_tensors(picture: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    chw = torch.from_numpy(picture).permute(2, 0, 1)
    for tensor in (chw, chw.float() / 255, (chw.double() / 255).requires_grad_()):
        np.testing.assert_array_equal(read_photo(tensor).rgb, picture)
    with pytest.raises(InputError, match=r"\(C, H, W\)"):
        read_photo(chw[None])


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 5, 2), np.uint8), r"\(4, 5, 2\)"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((4, 5), np.int64), "int64"),
        (np.full((4, 5), 200.0), r"\[0, 1\]"),
        (np.full((4, 5), np.nan), r"\[0, 1\]"),
        (np.broadcast_to(np.uint8(0), (10_001, 10_000)), "100 megapixels"),
        ("nothing/here.jpg", "no such file"),
        (3, "got int"),
    ],
)
def test_bad_sources(array: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_photo(array)


def test_bad_files(tmp_path: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello " * 100)
    for name, message in (("", "is a folder"), ("empty.jpg", "is empty"), ("text.jpg", "is not a JPEG")):
        with pytest.raises(InputError, match=message) as fault:
            read_photo(tmp_path / name)
        assert str(fault.value).count(str(tmp_path)) == 1
    monkeypatch.setattr(photo_module, "MAX_MEGAPIXELS", 0.001)
    Image.fromarray(picture).save(tmp_path / "large.png")
    with pytest.raises(InputError, match="70x48, more than"):
        read_photo(tmp_path / "large.png")


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 70, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, suffix)
    data = buffer.getvalue()
    for part in (0.05, 0.3, 0.6, 0.95):
        (tmp_path / "cut").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(InputError) as error:
            read_photo(tmp_path / "cut")
        assert "\n" not in str(error.value)


def test_masks(tmp_path: Path) -> None:
    disk = np.zeros((20, 30), np.uint8)
    cv2.circle(disk, (12, 9), 6, 1, -1)
    write_image(tmp_path / "soft.png", disk * np.uint8(128))
    write_image(tmp_path / "ones.png", disk)
    write_image(tmp_path / "labels.png", np.dstack([disk * np.uint8(128), disk * 0, disk * 0]))
    write_image(tmp_path / "alpha.png", np.dstack([disk * 0 + 90, disk * 0, disk * 0, disk * np.uint8(255)]))
    for name, scale in (("soft", 128 / 255), ("ones", 1), ("labels", 1), ("alpha", 1)):
        mask = read_mask(tmp_path / f"{name}.png")
        assert mask.dtype == np.float32
        np.testing.assert_allclose(mask, disk * scale, atol=1e-6)


def test_write(tmp_path: Path, picture: np.ndarray) -> None:
    for name, tolerance in (("a.png", 0), ("a.jpg", 4), ("a.webp", 6)):
        write_image(tmp_path / name, picture)
        error = np.abs(read_photo(tmp_path / name).rgb.astype(int) - picture)
        assert error.mean() <= tolerance
    write_image(tmp_path / "a.png", picture[::-1])  # replaces
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").rgb, picture[::-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.png", "a.webp"]
    bad = ((tmp_path / "a.bmp", "suffix"), (tmp_path / "no/a.png", "does not exist"), (tmp_path, "suffix"))
    for path, message in bad:
        with pytest.raises(InputError, match=message):
            write_image(path, picture)
    with pytest.raises(InputError, match="expected uint8"):
        write_image(tmp_path / "f.png", picture / 255)


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for name in (tmp_path / "file" / "inside.jpg", tmp_path / ("n" * 400), "nul\0.jpg"):
        with pytest.raises(InputError, match="cannot be read"):
            read_photo(name)


def test_a_picture_of_any_size_is_asked_for_its_alpha(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGBA", (40, 30)).save(tmp_path / "a.png")
    assert has_alpha(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses to open more than twice as many
    assert not has_alpha(tmp_path / "a.png")
    with pytest.raises(InputError, match="more than"):
        read_photo(tmp_path / "a.png")
