"""Photos as the ID encoder takes them, and stacks of several people's."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sdxl import ENCODER

from photoflow.errors import InputError
from photoflow.models.photomaker.pixels import MEAN, normalised
from photoflow.portrait import Mixed, id_photo
from photoflow.portrait.identity import listed, stacked
from photoflow.segment import Segmentation, Segmenter
from photoflow.segment.faces import Face


def face(left: int, top: int, width: int, height: int) -> Face:
    return Face((left, top, width, height), np.zeros((5, 2), np.float32), 1.0)


def test_pictures_are_normalised_as_transformers_does() -> None:
    from transformers import CLIPImageProcessor

    side = ENCODER.side
    pictures = list(np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8))
    theirs = CLIPImageProcessor(size={"shortest_edge": side}, crop_size=side)(pictures, return_tensors="pt")
    assert torch.allclose(torch.from_numpy(normalised(pictures)), theirs["pixel_values"], atol=1e-5)


def test_a_face_has_more_than_a_tenth_of_its_square_wherever_it_is() -> None:
    photo = np.zeros((400, 300, 3), np.uint8)
    for left, top in ((0, 0), (120, 150), (250, 350), (10, 340)):
        photo[:] = 0
        photo[top : top + 50, left : left + 50] = 255
        seen = id_photo(photo, face(left, top, 50, 50), 96)
        assert seen.shape == (96, 96, 3) and seen.dtype == np.uint8
        assert (seen > 127).mean() == pytest.approx(1 / 9, abs=0.01)
    tall = id_photo(np.zeros((40, 300, 3), np.uint8), face(100, 0, 40, 40), 32)  # there is no larger square
    assert tall.shape == (32, 32, 3)


def test_what_is_behind_the_person_is_the_networks_grey() -> None:
    photo = np.full((200, 200, 3), (30, 60, 120), np.uint8)
    photo[40:200, 60:140] = (220, 180, 150)
    said: list[str] = []

    class Marked(Segmenter):
        """The one that a photo shows, or a spot beside the face."""

        def __call__(self, rgb: np.ndarray, **prompts: Any) -> Segmentation:
            assert prompts["points"] == [(60, 60)]
            return super().__call__(rgb, mask=rgb[..., 0] > 127 if not spot else np.eye(120, dtype=bool))

    spot = False
    seen = id_photo(photo, face(80, 60, 40, 40), 120, Marked(offline=True), said.append)
    grey = 255 * np.asarray(MEAN)
    assert np.abs(seen[5, 5] - grey).max() < 2 and tuple(seen[60, 60]) == (220, 180, 150) and not said
    spot = True
    whole = id_photo(photo, face(80, 60, 40, 40), 120, Marked(offline=True), said.append)
    assert tuple(whole[5, 5]) == (30, 60, 120) and "does not stand out" in said[0]


def test_stacks_by_coefficient() -> None:
    people = [(["b"], 0.3)]

    def stack(amount: float) -> list[tuple[str, float]]:
        return stacked(["a", "A"], [(own, Mixed(own, amount)) for own, _ in people])

    assert stack(0.0) == [("a", 1.0), ("A", 1.0)]
    assert stack(1.0) == [("b", 1.0)]
    assert stack(0.5) == [("a", 1.0), ("A", 1.0), ("b", 1.0)]
    assert stack(0.25) == [("a", 1.0), ("A", 1.0), ("b", pytest.approx(1 / 3))]
    assert stack(0.8) == [("a", pytest.approx(0.25)), ("A", pytest.approx(0.25)), ("b", 1.0)]
    three = stacked(["a"], [(["b"], Mixed(["b"], 0.25)), (["c"], Mixed(["c"], 0.25))])
    assert three == [("a", 1.0), ("b", 0.5), ("c", 0.5)]
    assert stacked(["a"], []) == [("a", 1.0)]
    for first, second in ((0.3, 0.7), (0.9, 0.1)):  # 1 together, as they are said
        two = stacked(["a"], [(["b"], Mixed(["b"], first)), (["c"], Mixed(["c"], second))])
        assert [photo for photo, _ in two] == ["b", "c"]


def test_stacks_by_shares_of_a_pool() -> None:
    got = stacked(["a", "A"], [(["b"], Mixed(["b"], Fraction(3, 10)))])
    assert [photo for photo, _ in got] == ["a", "A", "a", "A", "a", "A", "a", "b", "b", "b"]
    assert {part for _, part in got} == {1.0}
    tenths = stacked(["a"], [(["b"], Mixed(["b"], Fraction(2, 10), 10))])
    assert len(tenths) == 10 and [photo for photo, _ in tenths].count("b") == 2
    assert stacked(["a"], [(["b"], Mixed(["b"], Fraction(0, 1)))]) == [("a", 1.0)]


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan"), "half", True])
def test_amounts_out_of_their_range(amount: object) -> None:
    with pytest.raises(InputError, match="mix: expected"):
        Mixed(["b"], amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "parts"), [(Fraction(1, 10**15), None), (Fraction(3, 10), -10), (Fraction(1, 5), 7), (Fraction(0), 0)]
)
def test_shares_of_no_pool(share: Fraction, parts: int | None) -> None:
    with pytest.raises(InputError, match="mix: expected a share of a pool of 1 to 60 photos"):
        Mixed(["b"], share, parts)


def test_a_single_photo_needs_no_list() -> None:
    photo = np.zeros((9, 9, 3), np.uint8)
    assert Mixed("b.jpg", 0.5).photos == ["b.jpg"]
    assert len(Mixed(photo, 0.5).photos) == len(listed(photo)) == 1 and listed((photo, photo))[1] is photo
