"""Decoding by OpenCV of what Pillow does not keep whole."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SILENT = 0


def decoded(data: bytes) -> NDArray[Any] | None:
    """Decode a picture without a change, grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4); None where it cannot be."""
    log: Any = getattr(cv2.utils, "logging", cv2)  # before OpenCV 5, in cv2 itself
    level = log.setLogLevel(_SILENT)  # what is wrong is said by an error
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        log.setLogLevel(level)
    if pixels is None:
        return None
    return np.asarray(pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
