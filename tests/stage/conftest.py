"""A textured wall with two discs and a thin line before it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from discs import Discs

from photoflow.stage import Stage


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    draw = np.random.default_rng(4)
    wall = cv2.resize(draw.integers(60, 140, (25, 50, 3), dtype=np.uint8), (200, 100), interpolation=cv2.INTER_CUBIC)
    for x, colour in ((50, (230, 200, 40)), (140, (40, 60, 240))):
        cv2.circle(wall, (x, 50), 20, colour, -1, cv2.LINE_AA)
    cv2.line(wall, (50, 50), (85, 20), (250, 250, 250), 1, cv2.LINE_AA)  # thin, and in no mask
    return wall


@pytest.fixture
def stage(photo: np.ndarray) -> Stage:
    """Both discs found."""
    stage = Stage.of(photo, None, Discs(offline=True))
    stage.find()
    return stage
