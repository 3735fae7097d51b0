"""Small folders of data whose truth is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from moving import SHIFT, shifted, texture

from photoflow.io import write_flow


@pytest.fixture(scope="session")
def chairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs as FlyingChairs keeps them; all moves by SHIFT."""
    folder = tmp_path_factory.mktemp("chairs")
    for number in range(2):
        for name, step in (("img1", 0), ("img2", 1)):
            cv2.imwrite(str(folder / f"{number:05}_{name}.png"), shifted(step, number))
        flow = np.empty((2, 96, 128), np.float32)
        flow[0], flow[1] = SHIFT
        write_flow(folder / f"{number:05}_flow.flo", flow)
    return folder


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of one motion in a folder, a mask that is no frame, and a Middlebury triplet beside it."""
    folder = tmp_path_factory.mktemp("frames")
    (folder / "clip").mkdir()
    (folder / "Grove").mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"clip/{number + 8}.png"), shifted(number, 7))
    cv2.imwrite(str(folder / "clip/8_mask.png"), np.zeros((96, 128), np.uint8))
    for name, step in (("frame10", 0), ("frame10i11", 1), ("frame11", 2)):
        cv2.imwrite(str(folder / f"Grove/{name}.png"), shifted(step, 8))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo with a subject, and its mask."""
    folder = tmp_path_factory.mktemp("photos")
    photo, mask = texture(96, 128, 5) // 2, np.zeros((96, 128), np.uint8)
    cv2.ellipse(mask, (64, 52), (16, 34), 0, 0, 360, 255, -1)
    photo[mask > 0] = 255 - texture(96, 128, 6)[mask > 0] // 2
    cv2.imwrite(str(folder / "plant.png"), photo)
    cv2.imwrite(str(folder / "plant_mask.png"), mask)
    return folder
