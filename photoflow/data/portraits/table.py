"""Steps of the pipeline, one table: what each makes of a picture, or of all of an identity's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.data.portraits import steps
from photoflow.data.portraits.class_words import Place, find_class_words, most_frequent, with_singular_class_words
from photoflow.data.portraits.layout import DROPPED, Outcome, Record
from photoflow.data.portraits.models import FoundFace, Models, name_of
from photoflow.errors import InputError, shown
from photoflow.io import read_mask, read_photo
from photoflow.weights import WeightsError

PICTURE = "picture"  # in what `crop` and `mask` return: what is written to a file, uint8
_AROUND = 127  # grey about a person whose picture CLIP compares with a text


@dataclass(frozen=True)
class Settings:
    """Numbers of the steps; the defaults are the paper's.

    Args:
        least_side: of the short side of a picture, pixels.
        least_face: of both sides of a face box, pixels.
        cut: standard deviations; see `steps.are_consistent`.
        face_share: of a crop's area that the face takes more than.
        tries: captions that are made until one has a class word; the paper does not limit them.
        seed: of captions that are drawn.

    Raises:
        InputError: a number out of its range.
    """

    least_side: int = 512
    least_face: float = 256
    cut: float = 8
    face_share: float = 0.1
    tries: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("least_side", 1, 1 << 16), ("least_face", 1, 1 << 16), ("cut", 0, 1e6), ("face_share", 1e-4, 0.9),
            ("tries", 1, 1000), ("seed", 0, 1 << 62),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"{name.replace('_', '-')}: expected a number from {least:g} to {most:g}, got {value}")


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: of `layout.STEPS`.
        by: says what an outcome is made with; another text, and it is made again.
        of_picture: makes an outcome of a picture, uint8 (H, W, 3), and its record; with `PICTURE` in it where the step
            makes one.
        of_group: or: makes the outcomes of all pictures of an identity, in their order.
        reads_crop: the picture is the crop, not the one that it was cut from.
        writes: returns where a picture that it makes goes.
    """

    name: str
    by: Callable[[Models, Settings], str]
    of_picture: Callable[[Array, Record, Models, Settings], Outcome] | None = None
    of_group: Callable[[Sequence[Record], Models, Settings], Iterator[Outcome]] | None = None
    reads_crop: bool = True
    writes: Callable[[Record], Path] | None = None


def detect(rgb: Array, record: Record, models: Models, settings: Settings) -> Outcome:
    """Find the faces of a picture that are large enough."""
    if min(rgb.shape[:2]) < settings.least_side:
        return {DROPPED: f"short side below {settings.least_side} pixels"}
    faces = [face for face in models.detector(rgb) if min(face.box[2:]) >= settings.least_face]
    if not faces:
        return {DROPPED: f"no face of at least {settings.least_face:g}x{settings.least_face:g} pixels"}
    return {"faces": [{"box": _rounded(face.box), "points": [_rounded(p) for p in face.points]} for face in faces]}


def embed(rgb: Array, record: Record, models: Models, settings: Settings) -> Outcome:
    """Embed each face."""
    faces = [FoundFace(tuple(face["box"]), face["points"]) for face in record.outcomes["detect"]["faces"]]
    vectors = [np.asarray(models.embedder(rgb, face), np.float32).ravel() for face in faces]
    if not all(np.isfinite(vector).all() and vector.any() for vector in vectors):
        raise InputError("face: expected an embedding of finite numbers, not all 0")
    return {"embeddings": [[float(f"{value:.9g}") for value in vector] for vector in vectors]}


def verify(records: Sequence[Record], models: Models, settings: Settings) -> Iterator[Outcome]:
    """Choose the identity's face in each picture, and drop the pictures whose face is another person's."""
    faces = [vector for record in records for vector in record.outcomes["embed"]["embeddings"]]
    counts = [len(record.outcomes["embed"]["embeddings"]) for record in records]
    if len({len(vector) for vector in faces}) > 1:
        raise InputError(f"{records[0].folder}: expected embeddings of one length, got several")
    of_picture, embeddings = np.repeat(np.arange(len(records)), counts), np.array(faces)
    chosen = steps.best_of_each(steps.sum_scores(embeddings), of_picture.tolist())
    scores = steps.sum_scores(embeddings[chosen])
    kept = steps.are_consistent(scores, settings.cut)
    first = np.cumsum([0, *counts])
    for picture, (face, score) in enumerate(zip(chosen, scores.tolist())):
        if kept[picture]:
            yield {"face": face - int(first[picture]), "score": round(score, 6)}
        else:
            yield {
                DROPPED: f"more than {settings.cut:g} standard deviations from the identity",
                "score": round(score, 6),
            }


def crop(rgb: Array, record: Record, models: Models, settings: Settings) -> Outcome:
    """Cut out a square about the face."""
    face = record.outcomes["detect"]["faces"][record.outcomes["verify"]["face"]]["box"]
    left, top, side = steps.square_about(face, (rgb.shape[1], rgb.shape[0]), settings.face_share)
    if side < 1:
        return {DROPPED: "face outside of the picture"}
    cut = np.ascontiguousarray(rgb[top : top + side, left : left + side])
    inside = _rounded((face[0] - left, face[1] - top, *face[2:]))
    return {"square": [left, top, side], "face": inside, PICTURE: cut}


def mask(rgb: Array, record: Record, models: Models, settings: Settings) -> Outcome:
    """Mask the person whose mask covers most of the face."""
    masks = np.asarray(models.person_masks(rgb), bool)
    if len(masks) == 0:
        return {DROPPED: "no mask of a person"}
    best, overlap = steps.best_mask(masks, record.outcomes["crop"]["face"])
    if overlap == 0:
        return {DROPPED: "no mask of a person overlaps the face"}
    return {"overlap": round(overlap, 4), PICTURE: masks[best].astype(np.uint8) * 255}


def caption(rgb: Array, record: Record, models: Models, settings: Settings) -> Outcome:
    """Describe a crop, again by drawing until a class word appears."""
    text = ""
    for attempt in range(settings.tries):
        seed = _seed(settings.seed, record, attempt) if attempt else None
        text = with_singular_class_words(models.captioner(rgb, seed))
        if find_class_words(text):
            return {"text": text, "tries": attempt + 1}
    return {DROPPED: f"no class word in {settings.tries} captions: the last is {shown(text)}"}


def _seed(seed: int, record: Record, attempt: int) -> int:
    """Return a seed that depends on the picture and the attempt alone, and so not on what was done before."""
    key = f"{seed}/{record.source}/{attempt}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(key).digest()[:7], "big")


def tag(records: Sequence[Record], models: Models, settings: Settings) -> Iterator[Outcome]:
    """Find in each caption the class word that is the identity.

    The only one; of several the first that is the identity's most frequent class word; where that is missing, the one
    whose part of the caption has the largest product of its fit with the person and the nearness of both words.
    """
    captions = [record.outcomes["caption"]["text"] for record in records]
    usual = most_frequent(captions)
    for record, text in zip(records, captions):
        places = find_class_words(text)
        fitting = places if len(places) == 1 else [place for place in places if place.word == usual]
        try:
            chosen = fitting[0] if fitting else _by_parts(record, text, places, usual or "", models)
        except WeightsError:
            raise
        except InputError as error:  # the crop, its mask or the parts of its caption are damaged
            yield {DROPPED: f"cannot be tagged: {error}"}
            continue
        yield {"class_word": chosen.word, "index": chosen.index}


def _by_parts(record: Record, text: str, places: Sequence[Place], usual: str, models: Models) -> Place:
    """Return the class word whose part fits the person best; of equal ones the first."""
    person = _person(record)
    parts = models.parser(text, places)
    if len(parts) != len(places):
        raise InputError(f"parser: expected {len(places)} parts of {text!r}, got {len(parts)}")
    fits = [
        models.text_image_score(person, part or place.word) * models.label_similarity(place.word, usual)
        for place, part in zip(places, parts)
    ]
    return places[int(np.argmax(fits))]


def _person(record: Record) -> Array:
    """Return the part of a crop that its person takes, with grey around, uint8 (h, w, 3)."""
    seen = read_mask(record.mask) > 0.5
    rgb = np.where(seen[..., None], read_photo(record.image).rgb, np.uint8(_AROUND))
    left, top, width, height = cv2.boundingRect(seen.astype(np.uint8))
    return np.ascontiguousarray(rgb[top : top + height, left : left + width])


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def _by_settings(*names: str) -> Callable[[Models, Settings], str]:
    return lambda models, settings: ", ".join(f"{name} {getattr(settings, name):g}" for name in names)


def _by_models(*names: str) -> Callable[[Models, Settings], str]:
    return lambda models, settings: ", ".join(name_of(getattr(models, name)) for name in names)


def _by_both(model: str, *names: str) -> Callable[[Models, Settings], str]:
    return lambda models, settings: f"{_by_models(model)(models, settings)}, {_by_settings(*names)(models, settings)}"


TABLE = {
    step.name: step
    for step in (
        Step("detect", _by_both("detector", "least_side", "least_face"), detect, reads_crop=False),
        Step("embed", _by_models("embedder"), embed, reads_crop=False),
        Step("verify", _by_settings("cut"), of_group=verify),
        Step("crop", _by_settings("face_share"), crop, reads_crop=False, writes=lambda record: record.image),
        Step("mask", _by_models("person_masks"), mask, writes=lambda record: record.mask),
        Step("caption", _by_both("captioner", "tries", "seed"), caption),
        Step("tag", _by_models("text_image_score", "label_similarity", "parser"), of_group=tag),
    )
}
"""The steps by their names, in their order."""
