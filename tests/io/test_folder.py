"""A folder of pictures as frames: their order, their transparency, and what is no folder of frames."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features

from photoflow.errors import InputError
from photoflow.io import PICTURES, FolderReader, natural_order, read_photo, write_image


def picture(value: int, alpha: int | None = None, size: tuple[int, int] = (6, 9)) -> np.ndarray:
    channels = [value, value, value] if alpha is None else [value, value, value, alpha]
    return np.full((*size, len(channels)), channels, np.uint8)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_image(tmp_path / f"frame_{number}.png", picture(number))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("nor this")
    reader = FolderReader(tmp_path, 25)
    assert (reader.width, reader.height, reader.fps, reader.count, reader.alpha) == (9, 6, 25, 3, False)
    assert [int(frame[0, 0, 0]) for frame in reader] == [1, 2, 10]
    assert [round(seconds, 6) for seconds, _ in reader.timed()] == [0, 0.04, 0.08]
    assert FolderReader(tmp_path, 29.97).fps == Fraction(2997, 100)


def test_files_are_sorted_by_the_numbers_in_their_names() -> None:
    names = [
        "2.png",
        "10.png",
        "a.png",
        "a1.png",
        "a01b2.png",
        "a1b10.jpg",
        "f9.jpeg",
        "f10.png",
        "f²3.png",
        "img_1.jpg",
    ]
    assert [path.name for path in sorted(map(Path, reversed(names)), key=natural_order)] == names
    same = [Path("f01.png"), Path("f1.jpg"), Path("f1.png")]  # files of one number have an order too
    assert sorted(reversed(same), key=natural_order) == same


@pytest.mark.parametrize("suffix", PICTURES)
def test_files_that_count_as_pictures_can_be_read(suffix: str, tmp_path: Path) -> None:
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(picture(70))).save(tmp_path / f"a{suffix}")
    elif suffix == ".avif":
        if not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        Image.fromarray(picture(70)).save(tmp_path / "a.avif")
    else:
        assert cv2.imwrite(str(tmp_path / f"a{suffix}"), picture(70))
    assert abs(int(read_photo(tmp_path / f"a{suffix}").rgb[0, 0, 0]) - 70) < 4
    assert FolderReader(tmp_path, 25).count == 1


def test_one_transparent_picture_gives_all_frames_alpha(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", picture(10))
    write_image(tmp_path / "2.png", picture(20, alpha=99))
    write_image(tmp_path / "3.png", picture(30, alpha=255))
    reader = FolderReader(tmp_path, 25)
    assert reader.alpha
    assert [frame[0, 0].tolist() for frame in reader] == [[10, 10, 10, 255], [20, 20, 20, 99], [30, 30, 30, 255]]


def test_what_is_no_folder_of_frames_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").touch()
    with pytest.raises(InputError, match="holds no pictures"):
        FolderReader(tmp_path / "text", 25)
    with pytest.raises(InputError, match="no such folder"):
        FolderReader(tmp_path / "none", 25)
    write_image(tmp_path / "a1.png", picture(1))
    with pytest.raises(InputError, match=r"fps: expected a number from 0.1 to 240, got 0"):
        FolderReader(tmp_path, 0)
    write_image(tmp_path / "a2.png", picture(1, size=(6, 8)))
    with pytest.raises(InputError, match=r"a2.png: expected 9x6 pixels as in a1.png, got 8x6"):
        list(FolderReader(tmp_path, 25))
    (tmp_path / "a2.png").write_bytes((tmp_path / "a1.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"a2.png"):
        list(FolderReader(tmp_path, 25))
