"""Kinds of models that the steps call: each may be any callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from photoflow.arrays import Array
from photoflow.data.portraits.class_words import Place
from photoflow.data.portraits.steps import Box


class FoundFace(NamedTuple):
    """A face in a picture.

    Args:
        box: (left, top, width, height), pixels; it may reach beyond the picture.
        points: (x, y) of landmarks, pixels, as the embedder wants them; there may be none.
    """

    box: Box
    points: Sequence[tuple[float, float]] = ()


Detector = Callable[[Array], Sequence[FoundFace]]
"""A picture, uint8 (H, W, 3) -> the faces in it."""

Embedder = Callable[[Array, FoundFace], Array]
"""A picture, uint8 (H, W, 3), and a face in it -> a vector (D,) that is near to others of the same person."""

PersonMasks = Callable[[Array], Array]
"""A picture, uint8 (H, W, 3) -> the masks of the people in it, bool (N, H, W); N may be 0."""

Captioner = Callable[[Array, "int | None"], str]
"""A picture, uint8 (H, W, 3), and a seed -> what is seen in it; without a seed the likeliest text, with one a drawn
text, the same for the same seed."""

TextImageScore = Callable[[Array, str], float]
"""A picture, uint8 (H, W, 3), and a text -> how well they fit, from 0 on."""

LabelSimilarity = Callable[[str, str], float]
"""Two words -> how near their meanings are, from 0 on."""

Parser = Callable[[str, Sequence[Place]], Sequence[str]]
"""A caption and its class words -> the part of the caption that speaks of each."""


@dataclass(frozen=True)
class Models:
    """All that the steps call; each may be any callable of its kind.

    A picture is worked on again where a step's model has another `name` than the one that its outcome was made with; of
    a model without that attribute its own name or its class's counts.
    """

    detector: Detector
    embedder: Embedder
    person_masks: PersonMasks
    captioner: Captioner
    text_image_score: TextImageScore
    label_similarity: LabelSimilarity
    parser: Parser


def name_of(model: Callable[..., Any]) -> str:
    """Return the name of a model."""
    return str(getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__)


class Late:
    """A model that is made when it is first called: a step that has nothing to do loads no network.

    Args:
        name: of the model.
        make: makes it.
    """

    def __init__(self, name: str, make: Callable[[], Callable[..., Any]]) -> None:
        self.name, self._make = name, make
        self._model: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._model is None:
            self._model = self._make()
        return self._model(*arguments)
