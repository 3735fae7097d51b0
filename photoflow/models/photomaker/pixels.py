"""Pictures as CLIP takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photoflow.arrays import Array

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the pictures that CLIP was trained on, RGB in [0, 1]
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def normalised(pictures: Sequence[Array]) -> Array:
    """Return pictures, each uint8 (S, S, 3), as an `IDEncoder` takes them: float32 (N, 3, S, S)."""
    stack = np.stack(pictures).astype(np.float32) / 255
    scaled = (stack - np.asarray(MEAN, np.float32)) / np.asarray(DEVIATION, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
