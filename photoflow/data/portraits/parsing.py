"""Parts of a caption, one for each of its class words: by a dependency parse, or at the words between people."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from photoflow.data.portraits.class_words import Place
from photoflow.data.portraits.models import Late, Parser
from photoflow.weights import WeightsError

PIPELINE = "en_core_web_sm"  # spaCy's, MIT, 12 MB
WORDS = "words"
# What stands between people, the farthest-reaching first; where nothing of it does, a part begins with its article.
_BETWEEN = (
    r"[,;.]|\b(?:and|or|while|with|next to|beside|besides|behind|between|near|alongside|opposite|in front of)\b",
    r"\b(?:a|an|the|his|her|their|another|two|three|four|several|some)\b",
)


def parser_of(name: str) -> Parser:
    """Return the parser of a name.

    Args:
        name: "words": `parts_at_words`; the name of a pipeline of spaCy's; "auto": "en_core_web_sm" where it is
            installed, else "words".

    Raises:
        WeightsError: spaCy is named, but not installed; that its pipeline is not, where it is first needed.
    """
    if name == WORDS or (name == "auto" and not (_is_installed("spacy") and _is_installed(PIPELINE))):
        return parts_at_words
    if not _is_installed("spacy"):
        raise WeightsError(f"parser {name}: expected spaCy; install it with: pip install spacy, or take {WORDS}")
    pipeline = PIPELINE if name == "auto" else name
    return Late(f"spaCy {pipeline}", lambda: DependencyParser.of(pipeline))


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def parts_at_words(caption: str, places: Sequence[Place]) -> list[str]:
    """Return parts of a caption that were cut at commas, conjunctions and prepositions between its class words.

    Stands for the dependency parse of the paper where spaCy is not installed.

    >>> from photoflow.data.portraits import find_class_words
    >>> caption = "a man in a hat and with glasses next to a smiling woman"
    >>> parts_at_words(caption, find_class_words(caption))
    ['a man in a hat and with glasses', 'a smiling woman']
    """
    starts, ends = [0], []
    for place, following in pairwise(places):
        cut = _cut(caption[place.end : following.start])
        starts.append(place.end + cut[1])
        ends.append(place.end + cut[0])
    return [caption[start:end].strip(" ,;.") for start, end in zip(starts, [*ends, len(caption)])]


def _cut(between: str) -> tuple[int, int]:
    """Return where in the text between two class words the first part ends, and where the second begins."""
    for pattern in _BETWEEN:
        found = list(re.finditer(pattern, between, re.IGNORECASE))
        if found:
            return found[-1].start(), found[-1].end() if pattern is _BETWEEN[0] else found[-1].start()
    return len(between), len(between)


class DependencyParser:
    """Parting of a caption by its dependency tree: every word goes with the nearest class word above it.

    Args:
        pipeline: a pipeline of spaCy's with a parser, or anything that turns a text into tokens that have `idx` (of the
            first character), `text` and `head` (the root's is itself).

    Source: section 5.2.3, "captioning and marking", which takes spaCy's parser and does not say how a tree is cut.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def of(cls, name: str) -> DependencyParser:
        """Load a pipeline of spaCy's.

        Raises:
            WeightsError: the pipeline is not installed.
        """
        spacy = importlib.import_module("spacy")
        try:
            return cls(spacy.load(name))
        except OSError as error:
            raise WeightsError(
                f"parser {name}: expected a pipeline of spaCy's, such as python -m spacy download {PIPELINE} installs"
            ) from error

    def __call__(self, caption: str, places: Sequence[Place]) -> list[str]:
        parts: list[list[str]] = [[] for _ in places]
        for token in self._pipeline(caption):
            owner = _owner(token, places)
            if owner is not None:
                parts[owner].append(token.text)
        return [" ".join(part) for part in parts]


def _owner(token: Any, places: Sequence[Place]) -> int | None:
    """Return the number of the class word that a token is, or that is nearest above it in the tree, or None."""
    while True:
        for number, place in enumerate(places):
            if place.start <= token.idx < place.end:
                return number
        if token.head.idx == token.idx:
            return None
        token = token.head
