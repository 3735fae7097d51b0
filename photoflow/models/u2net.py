"""U²-Net-p: a small network that finds the salient object of a photo, run by OpenCV."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.weights.loading import WeightsError

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
KEPT = 32  # answers that are not computed again: who clicks at a photo looks at much of it once more


class U2NetP:
    """Saliency of a photo, a probability per pixel. Threads may share it.

    Args:
        path: the ONNX file, `weights.fetch("u2netp")`.

    Raises:
        WeightsError: the file is not a network that OpenCV can read.

    Source: Qin et al., "U²-Net: Going deeper with nested U-structure for salient object detection",
    Pattern Recognition 2020; the small variant of section 3.3. OpenCV runs it on the CPU, so that a
    mask needs neither torch nor a GPU.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise WeightsError(f"U²-Net-p: expected an ONNX network in {path}, got another file") from error
        self._lock = threading.Lock()  # OpenCV's network holds its input: it is no function
        self._kept: OrderedDict[bytes, npt.NDArray[np.float32]] = OrderedDict()

    def __call__(self, rgb: npt.NDArray[np.uint8], size: int = 320) -> npt.NDArray[np.float32]:
        """Measure the saliency of one picture, squeezed to a square as in training.

        Args:
            rgb: (H, W, 3) uint8.
            size: side of the square the network sees, a multiple of 32; it was trained at 320. Cost
                grows with its square.

        Returns:
            (size, size) float32 in [0, 1]; resize it to (H, W).
        """
        seen = np.ascontiguousarray(cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA))
        name = blake2b(seen.data, digest_size=16).digest()
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._answer(seen.astype(np.float32), size)
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return np.array(self._kept[name])

    def _answer(self, small: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
        small /= max(float(small.max()), 1.0)
        small = (small - _MEAN) / _STD
        self._net.setInput(np.ascontiguousarray(small.transpose(2, 0, 1)[None]))
        saliency = self._net.forward().reshape(-1, size, size)[0].copy()
        return np.asarray(np.clip(saliency, 0.0, 1.0), np.float32)
