"""A photo with one thing in it, and a studio that serves it without any network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from clients import Client
from fastapi.testclient import TestClient

from photoflow import Animator
from photoflow.studio import pages
from photoflow.studio.app import create_app
from photoflow.studio.edits import first_state
from photoflow.studio.works import Work

HOST = "127.0.0.1:8425"


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A wall with a disc on it, uint8 (200, 320, 3)."""
    draw = np.random.default_rng(3)
    wall = cv2.resize(draw.integers(90, 130, (25, 40, 3), dtype=np.uint8), (320, 200), interpolation=cv2.INTER_CUBIC)
    return cv2.circle(wall, (150, 100), 45, (230, 190, 30), -1, cv2.LINE_AA)


@pytest.fixture(scope="session")
def photo(picture: np.ndarray) -> bytes:
    """The picture as the bytes of a PNG."""
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


@pytest.fixture(scope="session")
def animator() -> Animator:
    return Animator("cpu", "grabcut", offline=True)


@pytest.fixture
def work(animator: Animator, picture: np.ndarray) -> Work:
    """A work on the picture, without a server."""
    return Work("wall.png", first_state(animator.prepare(picture)))


@pytest.fixture(autouse=True)
def web(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of its own, and modules, so that no test depends on what the real ones say."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "index.html").write_text(f"<!doctype html><head>{pages.PLACE}</head>")
    (folder / "studio.js").write_text("export const one = 1;")
    monkeypatch.setitem(pages.FOLDERS, "web", folder)
    return folder


@pytest.fixture
def server(animator: Animator) -> Iterator[TestClient]:
    """A studio, as this machine's own browser sees it."""
    with TestClient(create_app(animator, {HOST}), base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
def client(server: TestClient, photo: bytes) -> Client:
    """A studio in which the photo is open."""
    return Client.opened(server, photo)
