"""Landmarks of a face as its motion needs them: eyes, mouth and outline, in a frame that turns with the head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photoflow.arrays import Array
from photoflow.segment.faces.face import Face as FoundFace
from photoflow.segment.faces.mesh import COUNT, LEFT_CORNER, LEFT_EYE, LOWER, NOSE_TIP, RIGHT_CORNER, RIGHT_EYE

# Landmarks of MediaPipe's mesh by their published numbers: the middle of each eyebrow, the person's right one first;
# the top of the forehead, the chin, and the face's right and left side, in front of the ears.
BROWS, OUTLINE = (52, 282), (10, 152, 234, 454)
IRISES = (COUNT, COUNT + 5)  # their centres
# What a motion keeps of a mesh, in this order.
CHOSEN = (*RIGHT_EYE, *LEFT_EYE, *IRISES, *BROWS, NOSE_TIP, RIGHT_CORNER, LEFT_CORNER, *OUTLINE)
FEW, ALL = 5, len(CHOSEN)  # landmarks that a motion may have: those of every face, or these
_EYE = len(RIGHT_EYE)

# Of a face of which the eyes, the nose and the mouth are known alone, in distances of the pupils.
HALF_WIDTH, HALF_HEIGHT = 1.1, 1.5
LEAST = 1.0  # pixels: what is smaller has no direction
OPEN = 0.12  # of an eye's width: it is closed if its lids are nearer to each other than that
ASIDE = 0.45  # of the face's half width, by which the nose is beside the middle: the head is turned too far to blink


def landmarks_of(face: FoundFace) -> tuple[tuple[float, float], ...]:
    """Return the landmarks of a face that was found, for `Face(landmarks=...)`, pixels of its photo.

    Returns:
        (x, y) of 43 landmarks where the face has a mesh with irises, else of 5.
    """
    known = face.mesh is not None and len(face.mesh) > COUNT
    points = face.mesh[list(CHOSEN)] if known and face.mesh is not None else face.points
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in points)


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye.

    Args:
        contour: (16, 2), the lower lid from corner to corner, both included, then the upper lid between them.
        iris: (2,), its centre.
        brow: (2,), the middle of the eyebrow above it.
    """

    contour: Array
    iris: Array
    brow: Array


@dataclass(frozen=True, eq=False)
class Features:
    """A face in the pixels of a region.

    Args:
        points: (5 or 43, 2) float64, landmarks as `landmarks_of` returns them.
    """

    points: Array

    @property
    def is_known(self) -> bool:
        """Return whether eyes and outline are known, not only where the eyes, the nose and the mouth are."""
        return len(self.points) == ALL

    @cached_property
    def eyes(self) -> tuple[Eye, ...]:
        """Return the eyes that are open and turned to the viewer, the person's right one first."""
        if not self.is_known or abs(self._aside) > ASIDE:
            return ()
        both = [
            Eye(self.points[_EYE * side :][:_EYE], self.points[2 * _EYE + side], self.points[2 * _EYE + 2 + side])
            for side in (0, 1)
        ]
        return tuple(eye for eye in both if self._is_open(eye))

    @cached_property
    def pupils(self) -> Array:
        """Return the middle of each eye, (2, 2)."""
        if not self.is_known:
            return self.points[:2]
        return np.stack([self.points[:_EYE].mean(axis=0), self.points[_EYE : 2 * _EYE].mean(axis=0)])

    @cached_property
    def nose(self) -> Array:
        """Return the tip of the nose, (2,)."""
        return np.asarray(self.points[2 if not self.is_known else 2 * _EYE + 4])

    @cached_property
    def mouth(self) -> Array:
        """Return the right and the left corner of the mouth, (2, 2)."""
        return np.asarray(self.points[3:5] if not self.is_known else self.points[2 * _EYE + 5 : 2 * _EYE + 7])

    @cached_property
    def axes(self) -> Array:
        """Return the unit vectors to the right of the face as it is seen, and down it, (2, 2).

        Down is where the mouth is, also with landmarks by hand that take the person's right for the picture's.
        """
        across = self.pupils[1] - self.pupils[0]
        length = float(np.hypot(*across))
        across = across / length if length > LEAST else np.array([1.0, 0.0])
        axes = np.stack([across, (-across[1], across[0])])
        return -axes if (self.mouth.mean(axis=0) - self.pupils.mean(axis=0)) @ axes[1] < 0 else axes

    @cached_property
    def centre(self) -> Array:
        """Return the middle of the face, (2,)."""
        if self.is_known:
            forehead, chin, right, left = self.points[-4:]
            return np.asarray(
                (forehead + chin) / 2 + self.axes[0] * (((right + left - forehead - chin) / 2) @ self.axes[0])
            )
        return np.asarray((self.pupils.mean(axis=0) + self.mouth.mean(axis=0)) / 2)

    @cached_property
    def half(self) -> tuple[float, float]:
        """Return half the width and half the height of the face, pixels."""
        apart = float(np.hypot(*(self.pupils[1] - self.pupils[0])))
        width, height = HALF_WIDTH * apart, HALF_HEIGHT * apart
        if self.is_known:
            forehead, chin, right, left = self.points[-4:]
            width, height = abs((left - right) @ self.axes[0]) / 2, abs((chin - forehead) @ self.axes[1]) / 2
        return max(float(width), LEAST), max(float(height), LEAST)

    @property
    def _aside(self) -> float:
        """Return how far the nose is beside the middle of the face, in its half width."""
        return float((self.nose - self.centre) @ self.axes[0]) / self.half[0]

    def _is_open(self, eye: Eye) -> bool:
        """Return whether the lids are apart, in the middle between the corners."""
        places = (eye.contour - eye.contour[0]) @ self.axes.T
        width = float(abs(places[LOWER - 1, 0]))
        opening = places[LOWER // 2, 1] - places[LOWER + LOWER // 2 - 1, 1]
        return bool(width > LEAST and OPEN < opening / width < 1)
