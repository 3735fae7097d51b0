"""Photos of a person as the ID encoder takes them, and how several people's are mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import PICTURES, natural_order
from photoflow.models.photomaker.pixels import MEAN
from photoflow.segment import NoSubjectError, Segmenter
from photoflow.segment.faces import Face

MARGIN = 3.0  # sides of the square around a face, in the larger side of its box: the face has a ninth of it or more
_LEAST_OF_FACE = 0.5  # of its box is the person's
MOST_PHOTOS = 60  # in a stack: a prompt has 77 tokens
T = TypeVar("T")


@dataclass(frozen=True)
class Mixed:
    """Another person, to be mixed into the one whose portrait is made.

    Args:
        photos: of them, as `photoflow.io.read_photo` takes them, at least one. A single one will do.
        amount: a float from 0 to 1 is the coefficient of their embeddings, where the first person's is what is left of
            1; a `Fraction` is their share of a pool of as many photos as its denominator says: `Fraction(3, 10)` are
            three of ten.
        parts: of a share, photos in the pool; None: the fraction's denominator. `Fraction(2, 10)` is 1/5, so ten are
            said here.

    Raises:
        InputError: there is no photo, the amount is not from 0 to 1, or a share is of no whole number of photos.

    Source: Li et al., "PhotoMaker", CVPR 2024, the section on identity mixing: both ways.
    """

    photos: Sequence[Any]
    amount: float | Fraction
    parts: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "photos", listed(self.photos))
        if not self.photos:
            raise InputError("mix: expected at least one photo, got none")
        if isinstance(self.amount, bool) or not isinstance(self.amount, int | float | Fraction):
            raise InputError(f"mix: expected a number or a Fraction, got {self.amount!r}")
        if not 0 <= self.amount <= 1:
            raise InputError(f"mix: expected an amount from 0 to 1, got {self.amount}")
        if self.pool is not None and not (1 <= self.pool <= MOST_PHOTOS and (self.amount * self.pool) % 1 == 0):
            raise InputError(
                f"mix: expected a share of a pool of 1 to {MOST_PHOTOS} photos, such as 3/10, got {self.amount} of a "
                f"pool of {self.pool}"
            )

    @property
    def pool(self) -> int | None:
        """Return how many photos a pool has in which this is a share; None: it is a coefficient."""
        if not isinstance(self.amount, Fraction):
            return None
        return self.amount.denominator if self.parts is None else self.parts


def listed(photos: Any) -> list[Any]:
    """Return photos as a list, a single one, too: a path or a picture that is no sequence of photos."""
    return list(photos) if isinstance(photos, Sequence) and not isinstance(photos, str) else [photos]


def stacked(photos: Sequence[T], mixed: Sequence[tuple[Sequence[T], Mixed]]) -> list[tuple[T, float]]:
    """Return which photos an ID embedding is stacked of, each with its coefficient.

    Coefficients are relative to the largest: with 0.5 both people's are 1. A photo whose coefficient is 0 is left out,
    as an embedding of zeros would still be attended to; so an amount of 0 gives what the first person alone gives, and
    1 what the other alone does.

    Args:
        photos: of the first person.
        mixed: photos of others, and their amounts; either all coefficients or all shares of one pool.

    Raises:
        InputError: amounts are of both kinds or of pools of several sizes, or are more than 1 together, or there are
            more photos than a prompt has room for.
    """
    pools = {one.pool for _, one in mixed}
    if len(pools) > 1:
        raise InputError("mix: expected either coefficients (0.3) or shares of one pool (3/10), got several kinds")
    # As they are said: the sum of floats such as 0.3 and 0.7 is not quite 1.
    amounts = [Fraction(one.amount).limit_denominator(10**6) for _, one in mixed]
    rest = 1 - sum(amounts)
    if rest < 0:
        raise InputError(f"mix: expected amounts of at most 1 together, got {float(1 - rest):g}")
    people = [(photos, rest), *((own, amount) for (own, _), amount in zip(mixed, amounts))]
    pool = next(iter(pools), None)
    if pool is not None:
        stack = [(photo, 1.0) for own, share in people for photo in islice(cycle(own), round(share * pool))]
    else:
        largest = max(share for _, share in people)
        stack = [(photo, float(share / largest)) for own, share in people if share for photo in own]
    if len(stack) > MOST_PHOTOS:
        raise InputError(f"photos: expected at most {MOST_PHOTOS}, got {len(stack)}")
    return stack


def photos_at(place: Path) -> list[Path]:
    """Return a photo's path, or those of all pictures in a folder, in the order of their numbers.

    Raises:
        InputError: there is no such file, or the folder holds no picture.
    """
    if not place.is_dir():
        if not place.exists():
            raise InputError(f"{place}: no such photo")
        return [place]
    found = sorted((one for one in place.iterdir() if one.suffix.lower() in PICTURES), key=natural_order)
    if not found:
        raise InputError(f"{place}: expected pictures in this folder, found none")
    return found


def id_photo(
    photo: Array, face: Face, side: int, segmenter: Segmenter | None = None, say: Callable[[str], None] | None = None
) -> Array:
    """Cut out what the ID encoder sees of a photo: a square around the face, without what is behind the person.

    Args:
        photo: uint8 (H, W, 3).
        face: whose.
        side: of the result, pixels.
        segmenter: tells the person from the rest, which gets the mean colour of CLIP's pictures; None: all is left.
        say: is told in a line where nothing could be told apart.

    Returns:
        uint8 (side, side, 3).

    Source: Li et al., "PhotoMaker", CVPR 2024, sections 3.2 (the background is masked) and 3.3 (a square in which the
        face has more than a tenth).
    """
    square, (left, top) = _square(photo, face)
    if segmenter is not None:
        mask = _person(square, (face.box[0] - left, face.box[1] - top, *face.box[2:]), segmenter)
        if mask is None and say:
            say("the person does not stand out from the background, which is left in")
        elif mask is not None:
            square = (mask * square + (1 - mask) * 255 * np.asarray(MEAN, np.float32) + 0.5).astype(np.uint8)
    shrinks = side < square.shape[0]
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def _person(square: Array, box: tuple[int, int, int, int], segmenter: Segmenter) -> Array | None:
    """Return the mask of the person with the face in a box, (H, W, 1) in [0, 1]; None: it has not most of the face."""
    left, top, width, height = box
    try:
        found = segmenter(square, points=[(left + width / 2, top + height / 2)])
    except NoSubjectError:
        return None
    mask = found.subjects[0].mask
    inside = mask[max(top, 0) : top + height, max(left, 0) : left + width]
    return mask[..., None] if inside.mean() > _LEAST_OF_FACE else None


def _square(photo: Array, face: Face) -> tuple[Array, tuple[int, int]]:
    """Return the square around a face, as large as the photo allows, and where it begins."""
    height, width = photo.shape[:2]
    left, top, wide, high = face.box
    side = max(1, min(round(MARGIN * max(wide, high)), height, width))
    x = min(max(round(left + wide / 2 - side / 2), 0), width - side)
    y = min(max(round(top + high / 2 - side / 2), 0), height - side)
    return photo[y : y + side, x : x + side], (x, y)
