"""Networks in TensorFlow Lite's format, run by OpenCV."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.weights.loading import WeightsError


class LiteNetwork:
    """A network of a .tflite file, run on the CPU. Threads may share it.

    Args:
        path: the file.
        outputs: names of the answers that are asked for.

    Raises:
        WeightsError: the file is not a network that OpenCV can read.
    """

    def __init__(self, path: Path, outputs: Sequence[str]) -> None:
        try:
            self._net = cv2.dnn.readNetFromTFLite(str(path))
        except cv2.error as error:
            raise WeightsError(f"faces: expected a TensorFlow Lite network in {path}, got another file") from error
        self._outputs = tuple(outputs)
        self._lock = threading.Lock()  # OpenCV's network holds its input: it is no function

    def __call__(self, picture: Array) -> list[Array]:
        """Return the answers for a picture, float32 (h, w, 3) in the network's range, each in its own shape."""
        with self._lock:
            self._net.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32))
            # One by one: OpenCV 5 refuses several at once in this format, and OpenCV 4 does not compute one twice.
            return [self._net.forward(name).copy() for name in self._outputs]
