"""Faces: the place of each, its landmarks, and the choice of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.segment.subject import Box, overlap

LEADS = 2.0  # times the size of the next one: a face so much larger is the one that is meant
LEAST = 64  # pixels: on a smaller face eyes and mouth are a few pixels each
ALIKE = 0.3  # intersection over union of boxes from which on two are of one face

Points = npt.NDArray[np.float32]


class NoFaceError(InputError):
    """A photo in which no face was found."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo.

    Args:
        box: (left, top, width, height) around it, pixels; it may reach beyond the photo.
        points: (5, 2) float32, (x, y) in pixels: the person's right eye (left in the picture), left eye, nose tip,
            right and left corner of the mouth.
        score: certainty, 0 to 1.
        mesh: (468, 2) float32, landmarks in the topology of MediaPipe's face mesh; (478, 2) with the centre and four
            points around each iris, the person's right one first. None where they are not known.
    """

    box: Box
    points: Points
    score: float
    mesh: Points | None = None

    @property
    def size(self) -> float:
        """Return the face's size in pixels: the geometric mean of its box's width and height."""
        return math.sqrt(self.box[2] * self.box[3])


def one_face(faces: Sequence[Face], name: str = "photo", least: float = LEAST) -> Face:
    """Return the one face of a photo that is meant: the only one, or one at least twice as large as any other.

    Args:
        faces: those that were found.
        name: of the photo, for messages.
        least: size of a face that is large enough, pixels.

    Raises:
        NoFaceError: there is none.
        InputError: several are alike in size, or the face is too small.
    """
    if not faces:
        raise NoFaceError(f"{name}: expected a face, found none")
    ranked = sorted(faces, key=lambda face: -face.size)
    alike = [face for face in ranked if face.size * LEADS > ranked[0].size]
    if len(alike) > 1:
        raise InputError(
            f"{name}: expected one face, found {len(alike)} of similar size; crop the photo to the one that is meant"
        )
    if ranked[0].size < least:
        raise InputError(f"{name}: expected a face of at least {least:g} pixels, found one of {ranked[0].size:.0f}")
    return ranked[0]


def without_doubles(faces: Sequence[Face]) -> list[Face]:
    """Return faces without those that lie over a more certain one; the largest and most certain first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < ALIKE for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size * face.score)
