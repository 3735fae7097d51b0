"""A clip as one page."""

import re

import cv2
import numpy as np
import pytest
import skimage.data
from command import run

from photoflow.player.page import video_frames

SHORT = ("--seconds", "1", "--fps", "8", "--offline", "--segmenter", "grabcut", "--motion", "sway")


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "cat.png"
    cv2.imwrite(str(path), cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2BGR))
    return path


def test_the_page_asks_nobody_for_anything(monkeypatch, capsys, cat, tmp_path):
    code, said = run(monkeypatch, capsys, "animate", cat, "-o", tmp_path / "cat <b>.html", *SHORT)
    assert code == 0 and "cat <b>.html: a page that plays 1 s, 0." in said.replace("\n", "")
    page = (tmp_path / "cat <b>.html").read_text("utf-8")
    assert "<title>cat &lt;b&gt;</title>" in page
    assert not re.search(r"(?:src|href|url|import)\s*[=(]?\s*[\"']?(?:https?:)?//", page)
    assert all(address.startswith("data:") for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert not re.search(r"<!-- [a-z ]+ -->", page.partition("-->")[2].replace("<!-- Nothing", ""))  # all is filled in


def test_a_page_of_1280_pixels_is_below_six_megabytes(monkeypatch, capsys, tmp_path):
    draw = np.random.default_rng(0)
    photo = cv2.resize(skimage.data.astronaut(), (1280, 1280)).astype(np.int16) + draw.normal(0, 6, (1280, 1280, 3))
    cv2.imwrite(str(tmp_path / "grainy.png"), photo.clip(0, 255).astype(np.uint8)[..., ::-1])
    options = ("--motion", "spectral:plant", "--size", "1280", "--box", "300,100,700,1100", "--offline")
    code, _ = run(monkeypatch, capsys, "animate", tmp_path / "grainy.png", "-o", tmp_path / "p.html", *options)
    assert code == 0 and (tmp_path / "p.html").stat().st_size < 6e6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--alpha",), "a page has the whole picture; expected it without alpha"),
        (("--interpolate", "dis"), "html: expected the renderer splat, and no frames between keyframes"),
        (("--renderer", "gan"), "html: expected the renderer splat"),
    ],
)
def test_what_no_page_can_have_is_said_before_any_work(monkeypatch, capsys, cat, tmp_path, options, said):
    code, text = run(monkeypatch, capsys, "animate", cat, "-o", tmp_path / "p.html", *SHORT, *options)
    assert code == 2 and said in text.replace("\n", " ") and not list(tmp_path.iterdir())


def test_what_was_there_stays_where_the_page_fails(monkeypatch, capsys, cat, tmp_path):
    (tmp_path / "p.html").write_text("mine")
    monkeypatch.setattr("photoflow.player.page.page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, capsys, "animate", cat, "-o", tmp_path / "p.html", *SHORT)
    assert [file.name for file in tmp_path.iterdir()] == ["p.html"]
    assert (tmp_path / "p.html").read_text() == "mine"


def test_the_video_in_it_is_short():
    assert video_frames(120, 30) == range(0, 120, 2)
    assert len(video_frames(36_000, 60)) == 180
    assert video_frames(1, 0.1) == range(0, 1)
