"""Numbers by which faces are told apart, from OpenCV's face recogniser."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.segment.faces.face import Face
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

LENGTH = 128


class FaceEmbedder:
    """Embeddings of faces; holds its network, so make it once. Threads may share it.

    Args:
        offline: never fetch weights.
        path: the network, an ONNX file; by default `weights.fetch("sface")`.

    Raises:
        WeightsError: the weights cannot be had, or are not a network that OpenCV can read.

    Source: Zhong et al., "SFace: Sigmoid-constrained hypersphere loss for robust face recognition", 2021.
    """

    def __init__(self, offline: bool = False, path: Path | None = None) -> None:
        path = path or weights.fetch("sface", offline=offline)
        try:
            self._network = cv2.FaceRecognizerSF.create(str(path), "")
        except cv2.error as error:
            raise WeightsError(f"SFace: expected an ONNX network in {path}, got another file") from error
        self._lock = threading.Lock()

    def __call__(self, photo: Array, face: Face) -> npt.NDArray[np.float32]:
        """Return the embedding of a face, (128,) float32 of unit length: the product of two is their similarity.

        Args:
            photo: uint8 (H, W, 3).
            face: in it; its points say how it is turned and cut out.

        Raises:
            InputError: the points are no face's, or the network does not answer with 128 numbers.
        """
        row = np.concatenate([face.box, face.points.ravel(), [face.score]]).astype(np.float32)
        if not np.isfinite(row).all():
            raise InputError("face: expected finite points, got others")
        with self._lock:
            cut = self._network.alignCrop(np.ascontiguousarray(photo[..., ::-1]), row[None])
            answer = np.array(self._network.feature(cut), np.float32).reshape(-1)
        length = float(np.linalg.norm(answer))
        if answer.size != LENGTH or not 0 < length < np.inf:
            raise InputError(f"SFace: expected a network that answers with {LENGTH} numbers, got {answer.size}")
        return np.asarray(answer / np.float32(length), np.float32)


def face_embedding(photo: Array, face: Face, *, offline: bool = False) -> npt.NDArray[np.float32]:
    """Return the embedding of one face, (128,) float32 of unit length; see `FaceEmbedder`, for many faces.

    Args:
        photo: uint8 (H, W, 3).
        face: in it.
        offline: never fetch weights.
    """
    return FaceEmbedder(offline)(photo, face)
