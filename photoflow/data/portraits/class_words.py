"""Class words: what a caption calls a person, where that stands in it, and the trigger word after it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from photoflow.errors import InputError
from photoflow.models.photomaker.prompt import TRIGGER

PLURALS = {
    "man": "men", "woman": "women", "boy": "boys", "girl": "girls", "lady": "ladies", "gentleman": "gentlemen",
    "guy": "guys", "person": "people", "child": "children", "kid": "kids", "baby": "babies", "toddler": "toddlers",
    "teenager": "teenagers",
}  # fmt: skip
"""The class words with their plurals. The paper names man and woman as examples and gives no list."""

_SINGULAR = {plural: word for word, plural in PLURALS.items()} | {"persons": "person"}
# A word with a hyphen is one: nothing "man-made" is a man. "man's" are two, the class word and what follows it.
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


@dataclass(frozen=True)
class Place:
    """A class word in a caption.

    Args:
        index: which of the caption's words it is, from 0 on.
        word: in the singular, in small letters.
        start: of its first character in the caption.
        end: after its last.
    """

    index: int
    word: str
    start: int
    end: int


def find_class_words(caption: str) -> list[Place]:
    """Return the class words of a caption, in singular or plural, in their order.

    >>> [(place.index, place.word) for place in find_class_words("Two women and a man-made lake")]
    [(1, 'woman')]
    """
    places = []
    for index, match in enumerate(_WORD.finditer(caption)):
        found = match.group().lower()
        word = _SINGULAR.get(found, found)
        if word in PLURALS:
            places.append(Place(index, word, *match.span()))
    return places


def with_singular_class_words(caption: str) -> str:
    """Return a caption with its class words in the singular, and single spaces; other words stay as they are.

    >>> with_singular_class_words("two  men and a dog")
    'two man and a dog'
    """
    caption = " ".join(caption.split())
    for place in reversed(find_class_words(caption)):
        if caption[place.start : place.end].lower() in _SINGULAR:
            caption = caption[: place.start] + place.word + caption[place.end :]
    return caption


def most_frequent(captions: Iterable[str]) -> str | None:
    """Return the class word that stands most often in captions; of several that which is first in `PLURALS`."""
    counts = Counter(place.word for caption in captions for place in find_class_words(caption))
    return max(PLURALS, key=lambda word: counts[word]) if counts else None


def with_trigger(caption: str, index: int, trigger: str = TRIGGER) -> str:
    """Return a caption with the trigger word after its class word, as the prompts of PhotoMaker have it.

    Args:
        caption: with a class word.
        index: which of its words that is, from 0 on.
        trigger: the word.

    Raises:
        InputError: the caption has no class word there.

    >>> with_trigger("a man, smiling", 1)
    'a man img, smiling'
    """
    for place in find_class_words(caption):
        if place.index == index:
            return f"{caption[: place.end]} {trigger}{caption[place.end :]}"
    raise InputError(f"caption {caption!r}: expected a class word ({', '.join(PLURALS)}) as its word number {index}")
