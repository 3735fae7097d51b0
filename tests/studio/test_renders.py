"""Renders: in the background, one after the other, in turns, to files that go with the process."""

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from clients import Client
from fastapi.testclient import TestClient

from photoflow import Clip, InputError
from photoflow.io import VideoReader
from photoflow.studio import preview, renders, threads
from photoflow.studio.app import create_app
from photoflow.studio.renders import Renders, checked, stem_of

DISC = "subject-1"


@pytest.fixture
def short(client):
    client.edit("settings", seconds=0.5, fps=8)
    client.edit("motion", layer="", motions=[])
    client.edit("motion", layer=DISC, motions=[{"type": "translate", "dx": 30}])
    return client


@pytest.mark.parametrize("form", ["mp4", "webm", "gif", "apng"])
def test_a_file_is_what_was_asked_for(short, form, tmp_path):
    ended = short.render(format=form)
    assert (ended["state"], ended["done"], ended["frames"], ended["error"]) == ("done", 4, 4, None)
    assert ended["name"] == f"wall.{form}"
    answer = short.http.get(ended["url"])
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="wall.{form}"')
    path = tmp_path / f"clip.{form}"
    path.write_bytes(answer.content)
    assert len(list(VideoReader(path))) == 4


def test_a_page_is_one_file_that_asks_nobody(short):
    short.edit("settings", seconds=0.5, fps=30)
    ended = short.render(format="html")
    assert (ended["state"], ended["error"]) == ("done", None)
    assert ended["done"] == ended["frames"] == 8  # of a small video, for browsers that cannot play the page
    answer = short.http.get(ended["url"])
    assert answer.text.startswith("<!DOCTYPE html>") and "data:text/javascript" in answer.text
    assert answer.headers["content-disposition"].startswith('attachment; filename="wall.html"')


def test_alpha(short, tmp_path):
    path = tmp_path / "clip.apng"
    path.write_bytes(short.http.get(short.render(format="apng", alpha=True)["url"]).content)
    from PIL import Image

    first = np.array(Image.open(path).convert("RGBA"))
    assert first[100, 150, 3] == 255 and first[10, 10, 3] == 0


def test_renders_are_numbered_and_forgotten_one_by_one(short):
    assert short.render(format="gif")["number"] == 1
    ended = short.render(format="mp4")
    assert ended["number"] == 2
    folder = short.http.app.state.studio.folder
    assert len(list(folder.rglob("file.*"))) == 2
    assert short.http.delete(f"{short.at}/renders/2").status_code == 204
    assert [one["number"] for one in short.get("renders").json()] == [1]
    assert [path.name for path in folder.rglob("file.*")] == ["file.gif"]
    assert short.http.get(ended["url"]).status_code == 404
    assert short.http.delete(f"{short.at}/renders/2").status_code == 404
    assert short.http.delete(short.at).status_code == 204
    assert not list(folder.iterdir())


class Gate:
    """Holds every render before its first frame until it is opened."""

    def __init__(self, monkeypatch):
        self.opened, self.saved, save = threading.Event(), [], Clip.save

        def held(clip, path, **how):
            self.saved.append(clip.width)
            assert self.opened.wait(20)
            save(clip, path, **how)

        monkeypatch.setattr(Clip, "save", held)


def ask(client, form="gif"):
    answer = client.http.post(f"{client.at}/renders", json={"format": form})
    assert answer.status_code == 202
    return answer.json()["number"]


def status(client, number):
    return next(one["state"] for one in client.get("renders").json() if one["number"] == number)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_and_what_is_rendered_can_be_cancelled(short, monkeypatch):
    gate = Gate(monkeypatch)
    first, second = ask(short), ask(short)
    until(lambda: gate.saved)
    assert (status(short, first), status(short, second)) == ("rendering", "waiting")
    for number in (first, second):
        assert short.http.delete(f"{short.at}/renders/{number}").status_code == 204
    gate.opened.set()
    assert short.ended(first)["state"] == short.ended(second)["state"] == "cancelled"
    assert short.ended(first)["done"] == 1  # it ends with the frame at which it was
    assert not list(short.http.app.state.studio.folder.iterdir())
    assert short.render(format="gif")["state"] == "done"  # and the next one is made


def test_a_render_is_of_the_moment_at_which_it_was_asked_for(short, monkeypatch):
    gate = Gate(monkeypatch)
    number = ask(short)
    short.edit("settings", seconds=2)
    gate.opened.set()
    assert short.ended(number)["frames"] == 4


def test_works_take_turns(server, photo, monkeypatch):
    gate, order = Gate(monkeypatch), []
    rendered = Renders._rendered
    monkeypatch.setattr(Renders, "_rendered", lambda self, one: order.append(one.name) or rendered(self, one))
    works = [Client.opened(server, photo, name) for name in ("one.png", "two.png")]
    for work in works:
        work.edit("settings", seconds=0.5, fps=4)
    numbers = [(works[0], ask(works[0])) for _ in range(3)]
    until(lambda: gate.saved)
    numbers.append((works[1], ask(works[1])))
    gate.opened.set()
    for work, number in numbers:
        assert work.ended(number)["state"] == "done"
    assert order == ["one.gif", "two.gif", "one.gif", "one.gif"]


def test_few_wait_and_few_are_kept(short, monkeypatch):
    gate = Gate(monkeypatch)
    monkeypatch.setattr(renders, "MOST_WAITING", 2)
    monkeypatch.setattr(renders, "MOST_KEPT", 3)
    numbers = [ask(short), ask(short)]
    answer = short.http.post(f"{short.at}/renders", json={"format": "gif"})
    assert answer.status_code == 429 and "at most 2 renders" in answer.json()["error"]
    gate.opened.set()
    for number in numbers:
        short.ended(number)
    for _ in range(3):
        short.render(format="gif")
    assert [one["number"] for one in short.get("renders").json()] == [3, 4, 5]
    assert len(list(short.http.app.state.studio.folder.rglob("file.*"))) == 3


def test_what_cannot_be_rendered_says_why(short):
    short.edit("settings", seconds=1)
    short.edit("motion", layer=DISC, motions=[{"type": "poke", "x": 150, "y": 60, "dx": 30, "dy": 0, "hold": 2}])
    ended = short.render(format="gif")
    assert ended["state"] == "failed" and "expected a loop longer than that" in ended["error"]
    assert ended["url"] is None
    short.edit("motion", layer=DISC, motions=[])
    answer = short.http.post(f"{short.at}/renders", json={"format": "gif"})
    assert answer.status_code == 400 and "nothing moves yet" in answer.json()["error"]


def test_an_error_of_a_render_ends_that_render_alone(short, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Clip, "save", lambda *_, **__: 1 / 0)
        assert short.render(format="gif")["error"] == "an error of photoflow itself; its log says more"
    assert short.render(format="gif")["state"] == "done"


def test_a_hand_is_answered_by_one_thread_and_renders_take_all(short, monkeypatch):
    import torch

    counts, modesty, planned = [], [], preview.planned

    def counted(*said, **how):
        counts.append(torch.get_num_threads())
        modesty.append(os.getpriority(os.PRIO_PROCESS, 0))
        return planned(*said, **how)

    monkeypatch.setattr(preview, "planned", counted)
    monkeypatch.setattr(renders, "planned", counted)
    monkeypatch.setattr(threads, "_usual", 3)
    with TestClient(create_app(short.http.app.state.studio.animator, {"testserver"})) as server:
        work = Client.opened(server, short.get("files/work.stage").content)
        assert work.get("picture").status_code == 200
        work.edit("settings", seconds=0.2, fps=5)
        assert work.render(format="gif")["state"] == "done"
    assert counts == [1, 3]
    if sys.platform == "linux":
        assert modesty[1] - modesty[0] == threads.MODESTY


def test_files_go_with_the_process(animator, photo):
    with TestClient(create_app(animator, {"testserver"})) as server:
        work = Client.opened(server, photo)
        work.edit("settings", seconds=0.5, fps=4)
        assert work.render(format="gif")["state"] == "done"
        work.edit("settings", seconds=60, fps=60)
        ask(work, "apng")  # it would take minutes, and is cancelled
        folder = Path(server.app.state.studio.folder)
        assert folder.exists() and folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (None, "render: expected an object"), ({"format": "gif", "path": "/tmp/x"}, "render: expected an object"),
        ({}, "format: expected one of mp4, webm, gif, apng, html, got None"), ({"format": "avi"}, "got 'avi'"),
        ({"format": "gif", "quality": 101}, "quality: expected a whole number from 0 to 100, got 101"),
        ({"format": "gif", "quality": True}, "quality: "), ({"format": "gif", "alpha": 1}, "alpha: expected true or"),
        ({"format": "mp4", "alpha": True}, "alpha: expected a format that can hold it, got mp4"),
    ],
)  # fmt: skip
def test_what_is_no_wish(wish, line):
    with pytest.raises(InputError) as error:
        checked(wish)
    assert line in str(error.value)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a b.jpg", "a-b"), ("Kätzchen.png", "Kätzchen"), ("...", "photo"), ("x" * 99, "x" * 60), ("a/../b.png", "b")],
)
def test_files_are_called_as_the_photo(name, stem):
    assert stem_of(name) == stem
