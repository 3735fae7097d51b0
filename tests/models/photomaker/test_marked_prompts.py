"""Prompts with a class word for a person: split, lengthened by the photos, encoded as diffusers encodes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_sdxl import WIDTHS, tiny_pipeline

from photoflow.errors import InputError
from photoflow.models.photomaker.prompt import encode, marked


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return tiny_pipeline()


def words(pipeline: Any, prompt: str, count: int) -> list[int]:
    """The tokens of the class word, as the text encoders see them."""
    seen: list[torch.Tensor] = []
    hook = pipeline.text_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    places = encode(pipeline, marked(prompt), count).places[0]
    hook.remove()
    return seen[0][places].tolist()


def test_a_prompt_is_split_after_its_class_word() -> None:
    halves = marked("portrait of a woman img, in the rain")
    assert (halves.before, halves.after) == ("portrait of a woman", ", in the rain")
    assert halves.text == "portrait of a woman, in the rain"
    assert marked("a man  img").text == "a man"
    assert marked("a man sks in the rain", "sks").text == "a man in the rain"


@pytest.mark.parametrize("prompt", ["a woman in the rain", "a man img, a woman img", "img in the rain", "imgs of it"])
def test_a_prompt_without_one_class_word_ends_in_a_line(prompt: str) -> None:
    with pytest.raises(InputError) as caught:
        marked(prompt)
    assert "img" in str(caught.value) and "\n" not in str(caught.value)


def test_one_photo_changes_nothing_of_the_text(pipeline: Any) -> None:
    got = encode(pipeline, marked("a photo of a man img in the rain"), 1)
    wanted, _, pooled, _ = pipeline.encode_prompt("a photo of a man in the rain", do_classifier_free_guidance=False)
    assert got.embeds.shape == (1, 77, sum(WIDTHS)) and torch.equal(got.embeds, wanted)
    assert torch.equal(got.pooled, pooled) and got.places.nonzero().tolist() == [[0, 5]]


def test_n_photos_make_n_minus_1_more_tokens(pipeline: Any) -> None:
    one, four = (encode(pipeline, marked("a man and an old woman img in the rain"), count) for count in (1, 4))
    assert one.embeds.shape == four.embeds.shape
    assert (one.places.sum(), four.places.sum()) == (1, 4)
    # Hidden states before the word are those of the same text; what comes after it is three tokens further on.
    assert torch.equal(one.embeds[0, :6], four.embeds[0, :6])
    woman = pipeline.tokenizer("woman").input_ids[1]
    assert words(pipeline, "a man and an old woman img in the rain", 4) == [woman] * 4
    assert words(pipeline, "a man img and an old woman", 2) == pipeline.tokenizer("man man").input_ids[1:-1]


def test_what_has_no_room_is_said(pipeline: Any) -> None:
    long = "a man img " + "in the rain " * 30
    got = encode(pipeline, marked(long), 3)
    room = 77 - 2 - (2 + 2)  # but the beginning, the end, and the words before the last of three
    kept = ("in the rain " * 30).split()[:room]
    assert got.dropped.split() == ("in the rain " * 30).split()[len(kept) :]
    assert got.embeds.shape[1] == 77
    with pytest.raises(InputError, match="fewer photos"):
        encode(pipeline, marked("a man img"), 75)
    assert encode(pipeline, marked("a man img"), 74).places.sum() == 74
