"""Search for faces in a photo, by the network that is at hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.segment.faces.blazeface import BlazeFace
from photoflow.segment.faces.face import Face, without_doubles
from photoflow.segment.faces.mesh import FaceMesh
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

SIDES = (320, 1280)  # longest sides at which YuNet looks at a photo: it knows faces of 10 to 300 pixels
SURE = 0.7  # its score from which on something is a face
_DOUBLE, _MOST = 0.3, 500  # overlap of boxes that are one face, and how many boxes are compared


class YuNet:
    """Faces of a photo, by OpenCV's own detector. Threads may share it.

    Args:
        path: `weights.fetch("yunet")`.

    Raises:
        WeightsError: the file is not a network that OpenCV can read.

    Source: Wu et al., "YuNet: A tiny millisecond-level face detector", Machine Intelligence Research 2023.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), SURE, _DOUBLE, _MOST)
        except cv2.error as error:
            raise WeightsError(f"YuNet: expected an ONNX network in {path}, got another file") from error
        self._lock = threading.Lock()  # the size of its input is set before each call

    def __call__(self, photo: Array) -> list[Face]:
        """Find faces in a photo, uint8 (H, W, 3); the largest and most certain first."""
        longest = max(photo.shape[:2])
        found: list[Face] = []
        for side in sorted({min(side, longest) for side in SIDES}):
            height, width = (max(1, round(length * side / longest)) for length in photo.shape[:2])
            small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
            with self._lock:
                self._detector.setInputSize((width, height))
                rows = self._detector.detect(np.ascontiguousarray(small[..., ::-1]))[1]
            found += [_from_row(row, longest / side) for row in (() if rows is None else rows)]
        return without_doubles(found)


def _from_row(row: Array, scale: float) -> Face:
    """Return the face of one answer of YuNet: its box, five points and score."""
    left, top, width, height = (round(float(value)) for value in row[:4] * scale)
    points = (row[4:14].reshape(5, 2) + 0.5) * scale - 0.5
    return Face((left, top, width, height), np.asarray(points, np.float32), float(np.clip(row[14], 0, 1)))


class FaceFinder:
    """Finds the faces of photos; holds the network it has loaded, so make it once. Threads may share it.

    YuNet looks for them, or BlazeFace: the first whose weights are at hand, else the first that can be fetched. What
    BlazeFace finds is confirmed by the face mesh where that is at hand.

    Args:
        offline: never fetch weights.
    """

    def __init__(self, offline: bool = False) -> None:
        self._offline = offline
        self._detector: YuNet | BlazeFace | None = None
        self._mesh: FaceMesh | None = None
        self._loading = threading.Lock()

    def __call__(self, photo: Array) -> list[Face]:
        """Find faces in a photo.

        Args:
            photo: uint8 (H, W, 3).

        Returns:
            Those that are there, the largest and most certain first; none of them may be.

        Raises:
            InputError: it is no such photo.
            WeightsError: no network that finds faces can be had.
        """
        if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or 0 in photo.shape:
            raise InputError(f"photo: expected uint8 (H, W, 3), got {photo.dtype} {photo.shape}")
        with self._loading:
            if self._detector is None:
                self._detector = _detector(self._offline)
                if isinstance(self._detector, BlazeFace) and weights.locate("face_mesh"):
                    self._mesh = FaceMesh(offline=True)
        faces = self._detector(photo)
        if self._mesh is None:
            return faces
        meshed = [self._mesh(photo, face) for face in faces]
        return without_doubles([face for face in meshed if face.mesh is not None])


def find_faces(photo: Array, *, offline: bool = False) -> list[Face]:
    """Find the faces of one photo, the largest and most certain first; see `FaceFinder`, for many photos.

    Args:
        photo: uint8 (H, W, 3).
        offline: never fetch weights.

    Raises:
        InputError: it is no such photo.
        WeightsError: no network that finds faces can be had.
    """
    return FaceFinder(offline)(photo)


def _detector(offline: bool) -> YuNet | BlazeFace:
    """Return the network that is at hand, or else the first that can be fetched."""
    known: tuple[tuple[str, Callable[[Path], YuNet | BlazeFace]], ...] = (("yunet", YuNet), ("blazeface", BlazeFace))
    for name, make in known:
        if path := weights.locate(name):
            return make(path)
    reasons = []
    for name, make in known:
        try:
            return make(weights.fetch(name, offline=offline))
        except WeightsError as error:
            reasons.append(str(error))
    if offline:
        raise WeightsError(
            "faces: expected the weights yunet or blazeface, absent, and offline is set; "
            "`photoflow weights get yunet` (or blazeface) fetches them"
        )
    raise WeightsError(f"faces: {reasons[-1]}")
