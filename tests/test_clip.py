"""A clip in a notebook, and what is given to those who take a file."""

from __future__ import annotations

import base64
import re

import av
import cv2
import numpy as np
import pytest

from photoflow import Animator, clip, motion


@pytest.fixture(scope="module")
def made():
    """A clip of a disc before a wall, of so many seconds."""
    photo = np.random.default_rng(0).integers(60, 120, (60, 90, 3), dtype=np.uint8)
    mask = cv2.circle(np.zeros((60, 90), np.uint8), (45, 30), 15, 255, -1)
    animator = Animator(device="cpu", offline=True)
    return lambda seconds, **options: animator.animate(
        photo, motion.Translate(dx=9), mask=mask, seconds=seconds, fps=4, **options
    )


def shown(html, tmp_path):
    """The size and number of frames of the video in it."""
    (tmp_path / "shown.mp4").write_bytes(base64.b64decode(re.search(r"base64,([^\"]*)\"", html)[1]))
    with av.open(str(tmp_path / "shown.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24").shape for frame in video.decode(video=0)]
    return frames[0][:2], len(frames)


def test_a_notebook_shows_the_clip(made, tmp_path):
    html = made(2.0)._repr_html_()
    assert re.match(r'<video width="90" .*controls autoplay loop muted', html) and html.endswith("</video>")
    assert shown(html, tmp_path) == ((60, 90), 8)
    assert " loop" not in made(2.0, loop=False)._repr_html_()


def test_a_long_or_large_clip_does_not_fill_the_notebook(made, tmp_path, monkeypatch):
    monkeypatch.setattr(clip, "SHOWN", 45)
    html = made(60.0)._repr_html_()
    assert '<video width="45"' in html and html.endswith("<p>The first 15 of 60 seconds.</p>") and " loop" not in html
    assert shown(html, tmp_path) == ((30, 44), 60)  # a last odd column is cut off


def test_saving_returns_the_path(made, tmp_path):
    for name in ("clip.mp4", "clip.html"):
        assert made(1.0).save(str(tmp_path / name)) == tmp_path / name
        assert (tmp_path / name).is_file()
