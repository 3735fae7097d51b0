"""A tiny SDXL and PhotoMaker in a folder, and photos with faces where a stand-in finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sdxl import saved_pipeline, tiny_photomaker

from photoflow.arrays import Array
from photoflow.io import write_image
from photoflow.models.photomaker import write_photomaker
from photoflow.segment.faces import Face


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The base's folder and PhotoMaker's file."""
    folder = tmp_path_factory.mktemp("sdxl")
    write_photomaker(folder / "photomaker.safetensors", tiny_photomaker(), {})
    return str(saved_pipeline(folder / "base")), str(folder / "photomaker.safetensors")


class OneFaceEach:
    """A finder that takes the middle of every photo for a face; of a black one, for none."""

    def __init__(self, offline: bool = False) -> None:
        assert offline, "nothing is fetched unasked"

    def __call__(self, photo: Array) -> list[Face]:
        if not photo.any():
            return []
        height, width = photo.shape[:2]
        box = (width // 3, height // 3, width // 3, height // 3)
        return [Face(box, np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.portrait.portraitist.FaceFinder", OneFaceEach)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three photos, a bright thing before a dark background in each."""
    paths = []
    for number, colour in enumerate([(200, 60, 60), (60, 200, 60), (220, 220, 90)]):
        photo = np.full((240, 200, 3), 20 + 10 * number, np.uint8)
        photo[60:200, 50:150] = colour
        paths.append(tmp_path / f"{number}.png")
        write_image(paths[-1], photo)
    return paths
