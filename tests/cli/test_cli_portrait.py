"""`photoflow portrait`: pictures, their names, a clip of one, and what is refused in a line."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from portrait_fixtures import faces, photos, tiny

from photoflow.cli.portrait import mixed, numbered
from photoflow.errors import InputError
from photoflow.io import VideoReader, read_photo, source_type_of

__all__ = ["faces", "photos", "tiny"]  # fixtures

PROMPT = "portrait of a woman img in the rain"


@pytest.fixture
def draw(
    tiny: tuple[str, str], faces: None, photos: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Any:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, prompt: str = PROMPT) -> tuple[int, str]:
        few = ("--steps", 3, "--start-merge", 1, "--size", "64", "--device", "cpu", "--precision", "float32")
        networks = ("--base", tiny[0], "--weights", tiny[1])
        return run(monkeypatch, capsys, "portrait", "--prompt", prompt, *few, *networks, *arguments)

    return call


def test_a_portrait_and_its_clip(draw: Any, photos: list[Path], tmp_path: Path) -> None:
    code, said = draw("--photo", photos[0], "--photo", photos[1], "-o", "out.png", "--animate", "out.mp4",
                      "--motion", "camera push=0.02")  # fmt: skip
    assert code == 0, said
    lines = said.splitlines()
    assert "only of people who agreed" in lines[0] and "a portrait of 3 steps: about" in lines[1]
    assert "out.png: seed 0" in said and "out.mp4: 120 frames" in said
    picture = read_photo(tmp_path / "out.png").rgb
    first = next(iter(VideoReader(tmp_path / "out.mp4")))
    assert picture.shape == first.shape == (64, 64, 3)
    assert [source_type_of(tmp_path / name) for name in ("out.png", "out.mp4")] == ["trainedAlgorithmicMedia"] * 2
    blocks = [one.reshape(4, 16, 4, 16, 3).mean((1, 3)) for one in (picture, first)]  # what is finer is noise
    assert np.abs(blocks[0] - blocks[1]).max() < 8


def test_several_people_and_several_pictures(draw: Any, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "person"
    folder.mkdir()
    for photo in photos[:2]:
        os.link(photo, folder / photo.name)
    code, said = draw("--photo", folder, "--mix", f"{photos[2]}=0.4", "--count", 2, "--seed", 5, "-o", "a.webp")
    assert code == 0, said
    assert "a-1.webp: seed 5" in said and "a-2.webp: seed 6" in said and said.count("a face of") == 3
    assert source_type_of(tmp_path / "a-2.webp") == "trainedAlgorithmicMedia"
    assert {one.name for one in tmp_path.glob("*.webp")} == {"a-1.webp", "a-2.webp"}


def test_a_portrait_without_anything_to_move_is_kept_and_says_how_to_choose(
    draw: Any, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photoflow.animator import Animator
    from photoflow.segment import NoSubjectError

    def nothing(*arguments: Any, **options: Any) -> None:
        raise NoSubjectError("nothing in the photo stands out")

    monkeypatch.setattr(Animator, "animate", nothing)
    code, said = draw("--photo", photos[0], "-o", "out.png", "--animate", "out.gif", "--motion", "sway")
    assert code == 2 and "out.gif is not made" in said and "photoflow animate out.png --point X,Y" in said
    assert (tmp_path / "out.png").is_file() and "--mask" not in said  # which this command does not have


def test_amounts_of_others(photos: list[Path], tmp_path: Path) -> None:
    half = mixed(f"{photos[0]}=0.5")
    assert half.amount == 0.5 and half.pool is None and list(half.photos) == [photos[0]]
    share = mixed(f"{tmp_path}=2/10")
    assert share.amount == Fraction(1, 5) and share.pool == 10 and len(share.photos) == 3
    for text in ("a.png", "a.png=", "a.png=much", "a.png=1/0", "a.png=1/x"):
        with pytest.raises(InputError, match=r"mix: expected PHOTO=0.3 or PHOTO=3/10"):
            mixed(text)
    with pytest.raises(InputError, match=r"expected an amount from 0 to 1, got 1\.5"):
        mixed(f"{photos[0]}=1.5")
    with pytest.raises(InputError, match="no such photo"):
        mixed("nobody.png=0.5")


def test_names_of_several_files() -> None:
    assert numbered(Path("a/b.png"), 1) == [Path("a/b.png")]
    assert numbered(Path("a/b.png"), 2) == [Path("a/b-1.png"), Path("a/b-2.png")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-o", "out.gif"], "expected a name that ends in .png, .jpg, .jpeg or .webp"),
        (["-o", "none/out.png"], "none"),
        (["-o", "0.png"], "the output would replace a photo"),
        (["-o", "out.png", "--animate", "out.xyz"], "out.xyz"),
        (["--motion", "fly", "--animate", "out.mp4"], "fly"),
        (["--motion", "sway"], "motion: expected --animate CLIP with it"),
        (["--mix", "1.png=-3/-10"], "mix: expected a share of a pool of 1 to 60 photos, such as 3/10"),
        (["--size", "1001"], "multiples of 8"),
        (["--steps", "0"], "steps: expected 1 to 1000, got 0"),
        (["--photo", "nobody.jpg"], "nobody.jpg: no such photo"),
        (["--device", "tpu"], "device: expected auto, cpu, cuda"),
        (["--precision", "int8"], "precision: expected auto, bfloat16, float32, got 'int8'"),
        (["--base", "sdxl"], "base: expected a folder or a name such as"),
    ],
)
def test_bad_input_ends_in_a_line(draw: Any, photos: list[Path], arguments: list[str], line: str) -> None:
    code, said = draw("--photo", photos[0].name, *arguments)
    assert code == 2 and line in said and len(said.strip().splitlines()) <= 2
    assert "Traceback" not in said


def test_a_prompt_without_img_says_where_it_belongs(draw: Any, photos: list[Path]) -> None:
    code, said = draw("--photo", photos[0], prompt="a woman in the rain")
    assert code == 2 and "expected the word img once, after the word for the person" in said
