"""Scores of portraits: whether they show the person, what the prompt says, and faces that differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.evaluation.portrait_networks import PortraitNetworks
from photoflow.metrics import frechet_distance
from photoflow.segment.faces import Face

FACE_SIDE = 224  # pixels of a cut-out face; LPIPS depends on it, and the paper does not say it


def mean_cosine(one: Array, others: Sequence[Array]) -> float:
    """Compute the mean cosine of the angles between a vector and others, in percent: -100 to 100.

    Args:
        one: (D,) float.
        others: (D,) each. NaN where there are none.
    """
    if not len(others):
        return math.nan
    return float(np.mean([_unit(one) @ _unit(other) for other in others])) * 100


class PairMean:
    """The mean of the squared distances of all pairs of vectors, which are added one after the other.

        2 / (N (N - 1)) sum_i<j |x_i - x_j|^2  =  2 / (N - 1) (sum_i |x_i|^2 - |sum_i x_i|^2 / N)

    so that four thousand pictures take four thousand steps and not eight million.
    """

    def __init__(self) -> None:
        self._count, self._squares = 0, 0.0
        self._sum: Array | float = 0.0

    def add(self, vector: Array) -> None:
        """Add a vector (D,)."""
        wide = np.asarray(vector, np.float64)
        self._count, self._sum, self._squares = self._count + 1, self._sum + wide, self._squares + float(wide @ wide)

    @property
    def value(self) -> float:
        """Return the mean, at least 0; NaN for fewer than two vectors."""
        if self._count < 2:
            return math.nan
        within = self._squares - float(np.square(self._sum).sum()) / self._count
        return max(0.0, 2 / (self._count - 1) * within)


@dataclass
class Likeness:
    """Embeddings of the true photos of one person.

    Args:
        image: by CLIP.
        dino: by DINO.
        faces: of the largest face of each photo that has one.
    """

    image: list[Array] = field(default_factory=list)
    dino: list[Array] = field(default_factory=list)
    faces: list[Array] = field(default_factory=list)

    def add(self, photo: Array, networks: PortraitNetworks) -> None:
        """Add a photo, uint8 (H, W, 3)."""
        if networks.image:
            self.image.append(networks.image(photo))
        if networks.dino:
            self.dino.append(networks.dino(photo))
        if networks.face and (face := largest_face(photo, networks)):
            self.faces.append(networks.face(photo, face))


class PortraitScores:
    """Scores of a method's portraits, which are added one after the other.

    Args:
        networks: by which they are judged; a score whose network is missing is NaN.
    """

    def __init__(self, networks: PortraitNetworks) -> None:
        self._networks = networks
        self._each: dict[str, list[float]] = {}
        self._faces, self._features = PairMean(), list[Array]()
        self.count = self.faceless = 0

    def add(self, picture: Array, prompt: str, person: Likeness, seconds: float) -> None:
        """Add a portrait.

        Args:
            picture: uint8 (H, W, 3).
            prompt: what it is to show.
            person: whom it is to show.
            seconds: that it took, or NaN.
        """
        networks = self._networks
        self.count += 1
        self._put("speed", seconds)
        if networks.image:
            seen = networks.image(picture)
            self._put("clip_i", mean_cosine(seen, person.image))
            if networks.text:
                self._put("clip_t", mean_cosine(seen, [networks.text(prompt)]))
        if networks.dino:
            self._put("dino", mean_cosine(networks.dino(picture), person.dino))
        if networks.picture:
            self._features.append(networks.picture(picture))
        if networks.faces:
            self._add_face(picture, person)

    def scores(self, photos: Sequence[Array]) -> dict[str, float]:
        """Return the scores in the order of the paper's table.

        Args:
            photos: features of all true photos, for FID.

        Returns:
            clip_t, the mean cosine of a portrait and its prompt; clip_i and dino, of a portrait and each photo of its
            person; face_similarity, of their largest faces, where both have one; all -100 to 100 percent.
            face_diversity, 100 times the mean LPIPS of all pairs of the largest faces, at least 0. fid, at least 0.
            speed, the mean of the seconds that are known. NaN: not known.

        Source: Li et al., "PhotoMaker", section 4.1, and "Task-driven image and video generation", section 5.3.1, whose
            measures are those of Ruiz et al., "DreamBooth", CVPR 2023, section 4.2. All pairs of faces are all that a
            method made, as it is written there, those of other people, too.
        """
        means = {name: float(np.mean(values)) for name, values in self._each.items() if values}
        far = math.nan
        if min(len(self._features), len(photos)) > 1:
            far = frechet_distance(np.stack(self._features), np.stack(list(photos)))
        found = means | {"face_diversity": 100 * self._faces.value, "fid": far}
        return {name: found.get(name, math.nan) for name in COLUMNS}

    def _add_face(self, picture: Array, person: Likeness) -> None:
        face = largest_face(picture, self._networks)
        if face is None:
            self.faceless += 1
            return
        if self._networks.face:
            self._put("face_similarity", mean_cosine(self._networks.face(picture, face), person.faces))
        if self._networks.likeness:
            self._faces.add(self._networks.likeness(cut_face(picture, face)))

    def _put(self, name: str, value: float) -> None:
        if not math.isnan(value):
            self._each.setdefault(name, []).append(value)


COLUMNS = ("clip_t", "clip_i", "dino", "face_similarity", "face_diversity", "fid", "speed")
"""The columns of tables 5.4 to 5.7, in their order."""


def largest_face(picture: Array, networks: PortraitNetworks) -> Face | None:
    """Return the largest face of a picture, or None if none is found, or nothing finds any."""
    found = networks.faces(picture) if networks.faces else ()
    return max(found, key=lambda face: face.size, default=None)


def cut_face(picture: Array, face: Face) -> Array:
    """Cut out the square around a face, continued by the nearest pixels where it reaches beyond the picture.

    Returns:
        uint8 (224, 224, 3).
    """
    left, top, width, height = face.box
    side = max(width, height, 1)
    left, top = left + (width - side) // 2, top + (height - side) // 2
    rows, columns = (np.clip(np.arange(first, first + side), 0, most - 1) for first, most in
                     ((top, picture.shape[0]), (left, picture.shape[1])))  # fmt: skip
    way = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture[rows[:, None], columns], (FACE_SIDE, FACE_SIDE), interpolation=way))


def _unit(vector: Array) -> Array:
    wide = np.asarray(vector, np.float64)
    return wide / max(float(np.linalg.norm(wide)), 1e-12)
