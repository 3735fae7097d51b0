"""The serving example: clips, limits, time-outs, health, metrics, and an end in good order."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from photoflow import Animator
from photoflow.clip import Clip
from photoflow.errors import Cancelled
from photoflow.io import VideoReader

pytest.importorskip("prometheus_client", reason="the serving example counts with prometheus-client")
FOLDER = Path(__file__).parents[2] / "examples" / "serve"
SHORT = "/clips?motion=breathe&seconds=0.4&fps=10&size=160"


@pytest.fixture(scope="module")
def serve() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("app")


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A wall with a disc on it, as the bytes of a PNG."""
    wall = np.full((120, 160, 3), 110, np.uint8)
    return cv2.imencode(".png", cv2.circle(wall, (75, 60), 30, (30, 190, 230), -1, cv2.LINE_AA))[1].tobytes()


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator("cpu", "grabcut", offline=True)


class Held(Animator):
    """An animator whose clips take until they are let go or cancelled, but for the first, the service's own trial."""

    def __init__(self) -> None:
        super().__init__("cpu", "grabcut", offline=True)
        self.go, self.calls, self.cancelled = threading.Event(), 0, 0

    def animate(self, *photo: Any, cancel: threading.Event | None = None, **said: Any) -> Clip:
        self.calls += 1
        if self.calls > 1:
            assert cancel is not None
            while not self.go.is_set():
                if cancel.wait(0.02):
                    self.cancelled += 1
                    raise Cancelled("cancelled")
        return super().animate(*photo, cancel=cancel, **said)


def ready(client: TestClient) -> TestClient:
    until(lambda: client.get("/health").status_code == 200)
    return client


def until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never does"
        time.sleep(0.02)


def answers(client: TestClient) -> dict[str, float]:
    """Return how many answers of each outcome were counted."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("photoflow_answers_total")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


def test_a_photo_becomes_a_clip_and_bad_input_one_line(
    serve: Any, animator: Animator, photo: bytes, tmp_path: Path
) -> None:
    with TestClient(serve.create_app(animator, serve.Limits(upload=1 << 20))) as client:
        ready(client)
        answer = client.post(SHORT, content=photo)
        assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
        (tmp_path / "clip.mp4").write_bytes(answer.content)
        frames = list(VideoReader(tmp_path / "clip.mp4"))
        assert len(frames) == 4 and frames[0].shape == (120, 160, 3)
        for address, body, status, said in (
            ("/clips", b"no photo", 400, "is not a JPEG"),
            ("/clips?motion=fly", photo, 400, "unknown motion"),
            ("/clips?motion=/etc/motion.json", photo, 400, "expected 'NAME PARAMETER=VALUE"),
            ("/clips?motion=spectral%20source=clip.mp4", photo, 400, "reads no file"),
            ("/clips?seconds=1e9", photo, 400, "seconds: "),
            ("/clips?format=exe", photo, 400, "format: "),
            ("/clips", b"\0" * ((1 << 20) + 1), 413, "at most 1 MiB"),
        ):
            answer = client.post(address, content=body)
            assert answer.status_code == status and said in answer.json()["error"], answer.text
        assert answers(client) == {"done": 1, "bad_input": 7}
        text = client.get("/metrics").text
        assert 'photoflow_stage_seconds_count{stage="render"} 2.0' in text  # with the trial
        assert "photoflow_waiting 0.0" in text and "photoflow_request_seconds_count 6.0" in text


def test_what_is_too_much_is_refused_at_once(serve: Any, photo: bytes) -> None:
    held = Held()
    with TestClient(serve.create_app(held, serve.Limits(waiting=1))) as client, ThreadPoolExecutor(2) as others:
        queue = ready(client).app.state.queue
        first, second = (
            others.submit(client.post, SHORT, content=photo),
            others.submit(client.post, SHORT, content=photo),
        )
        until(lambda: len(queue._open) == 2)
        assert "photoflow_waiting 1.0" in client.get("/metrics").text
        answer = client.post(SHORT, content=photo)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200  # it is busy, not ill
        held.go.set()
        assert first.result().status_code == second.result().status_code == 200
        assert answers(client) == {"done": 2, "refused": 1}


def test_what_takes_too_long_is_cancelled(serve: Any, photo: bytes) -> None:
    held = Held()
    with TestClient(serve.create_app(held, serve.Limits(patience=0.2))) as client, ThreadPoolExecutor(1) as other:
        queue = ready(client).app.state.queue
        first = other.submit(client.post, SHORT, content=photo)
        assert client.post(SHORT, content=photo).status_code == 504
        assert first.result().status_code == 504
        until(lambda: not queue._open)  # its thread is free again
        assert held.cancelled >= 1 and answers(client) == {"timed_out": 2}


def test_frames_end_with_the_request(serve: Any, animator: Animator, photo: bytes) -> None:
    queue = serve.ClipQueue(animator, serve.Limits())
    cancel = threading.Event()
    wish = serve.Wish(serve.said_motion("breathe"), seconds=3600, size=160)
    with ThreadPoolExecutor(1) as other:
        work = other.submit(queue.made, photo, wish, cancel)
        until(lambda: queue.metrics.stage.labels("plan")._sum.get())  # it renders by now
        cancel.set()
        assert isinstance(work.exception(timeout=30), Cancelled)


def test_an_ill_service_says_so(serve: Any, photo: bytes) -> None:
    ill = Animator("cpu", "grabcut", offline=True, renderer="gan", weights={"gan": "none.safetensors"})
    with TestClient(serve.create_app(ill)) as client:
        until(lambda: "test clip failed" in client.get("/health").json()["error"])
        assert client.get("/health").status_code == 503
        answer = client.post(SHORT, content=photo)
        assert answer.status_code == 503 and "none.safetensors" in answer.json()["error"]


def test_an_end_cancels_what_is_in_work(serve: Any, photo: bytes) -> None:
    held = Held()
    with ThreadPoolExecutor(1) as other:
        with TestClient(serve.create_app(held)) as client:
            queue = ready(client).app.state.queue
            other.submit(client.post, SHORT, content=photo)
            until(lambda: held.calls == 2)
        assert held.cancelled == 1 and not queue._open
