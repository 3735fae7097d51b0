"""Pictures of squares for faces, and small callables that stand for networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photoflow.data.portraits.class_words import Place
from photoflow.data.portraits.models import FoundFace, Models
from photoflow.data.portraits.table import Settings

FACE, BODY = 200, 150  # blue of a face and of a body; red and green say whose
SETTINGS = Settings(least_side=64, least_face=16)


def picture(people: Sequence[tuple[int, int, int, tuple[int, int]]], size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A picture of people: left, top and side of the face, and its red and green; a body stands below."""
    rgb = np.full((*size, 3), 90, np.uint8)
    for left, top, side, colour in people:
        rgb[top + side : top + 3 * side, left : left + side] = (*colour, BODY)
        rgb[top : top + side, left : left + side] = (*colour, FACE)
    return rgb


def write_pictures(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    """Pictures by their names, in formats that keep each pixel."""
    for name, rgb in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), rgb[..., ::-1])


def areas(rgb: np.ndarray, blues: Sequence[int]) -> list[np.ndarray]:
    """Masks of what touches in these blues."""
    count, labels = cv2.connectedComponents(np.isin(rgb[..., 2], blues).astype(np.uint8))
    return [labels == number for number in range(1, count)]


def detector(rgb: np.ndarray) -> list[FoundFace]:
    boxes = [cv2.boundingRect(area.astype(np.uint8)) for area in areas(rgb, [FACE])]
    return [FoundFace(box, [(box[0], box[1])] * 5) for box in boxes]


def embedder(rgb: np.ndarray, face: FoundFace) -> np.ndarray:
    left, top, width, height = (round(side) for side in face.box)
    return rgb[top : top + height, left : left + width, :2].mean(axis=(0, 1)).astype(np.float32)


def person_masks(rgb: np.ndarray) -> np.ndarray:
    found = areas(rgb, [FACE, BODY])
    return np.stack(found) if found else np.zeros((0, *rgb.shape[:2]), bool)


class Captioner:
    """One of some captions: drawn by the seed, or the first."""

    def __init__(self, *captions: str, name: str = "captions of a list") -> None:
        self.captions, self.name = captions, name

    def __call__(self, rgb: np.ndarray, seed: int | None) -> str:
        return self.captions[0] if seed is None else random.Random(seed).choice(self.captions)


def parser(caption: str, places: Sequence[Place]) -> list[str]:
    return [place.word for place in places]


MODELS = Models(
    detector=detector,
    embedder=embedder,
    person_masks=person_masks,
    captioner=Captioner("a portrait", "two  men", "a photo"),
    text_image_score=lambda rgb, text: 1.0,
    label_similarity=lambda first, second: float(first == second),
    parser=parser,
)


def models(**others: Any) -> Models:
    return replace(MODELS, **others)


def interrupted(chosen: Models, after: int) -> Models:
    """Models that are interrupted at one of their calls."""
    left = [after]

    def watched(model: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return model(*arguments)

        call.name = getattr(model, "name", None) or model.__name__  # type: ignore[attr-defined]
        return call

    return replace(chosen, **{name: watched(model) for name, model in vars(chosen).items()})


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder with their contents."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
