"""Class words of captions."""

from __future__ import annotations

import pytest

from photoflow.data.portraits.class_words import (
    PLURALS,
    find_class_words,
    most_frequent,
    with_singular_class_words,
    with_trigger,
)
from photoflow.errors import InputError


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a man in a suit", [(1, "man")]),
        ("Women, men & a person's child", [(0, "woman"), (1, "man"), (3, "person"), (5, "child")]),
        ("a man-made lake of a snowman in Manhattan", []),
        ("a middle-aged lady", [(2, "lady")]),
        ("un garçon et une fille", []),
        ("", []),
    ],
)
def test_class_words_are_found_by_whole_words(caption: str, found: list[tuple[int, str]]) -> None:
    places = find_class_words(caption)
    assert [(place.index, place.word) for place in places] == found
    assert all(caption[place.start : place.end].lower() in (place.word, PLURALS[place.word]) for place in places)


def test_class_words_become_singular_and_keep_their_numbers() -> None:
    assert with_singular_class_words(" Three  women's hats,\ntwo boys and a MAN ") == (
        "Three woman's hats, two boy and a MAN"
    )
    for word, plural in PLURALS.items():
        assert with_singular_class_words(f"two {plural} here") == f"two {word} here"
        assert with_singular_class_words(f"a {word} here") == f"a {word} here"


def test_the_most_frequent_class_word_counts_all_that_stand_there() -> None:
    assert most_frequent(["a man and a woman", "a woman", "two men"]) == "man"  # a tie: the first of the list
    assert most_frequent(["a boy, a boy and a boy", "a girl", "a girl"]) == "boy"
    assert most_frequent(["a dog"]) is None


def test_the_trigger_word_stands_after_the_class_word() -> None:
    assert with_trigger("a woman's hat, a man", 1) == "a woman img's hat, a man"
    assert with_trigger("a woman's hat, a man", 5, "sks") == "a woman's hat, a man sks"
    for index in (0, 3, 9, -1):
        with pytest.raises(InputError, match="expected a class word"):
            with_trigger("a woman's hat", index)
