"""The page, used as a person does: in a browser, against the real server."""

import base64
import itertools
import json
import math
import re
import threading
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
import uvicorn
from hand import DROP, RESTS, Hand
from pages_in_browser import started
from skimage import data

from photoflow import Animator
from photoflow.io.image import write_image
from photoflow.studio.app import create_app
from photoflow.studio.server import listening


@pytest.fixture(autouse=True)
def web():
    """The real page, in place of the one that the other tests of this room have."""


@pytest.fixture(scope="module")
def address():
    """A studio on a free port."""
    own = listening("127.0.0.1", 0)
    port = own.getsockname()[1]
    app = create_app(Animator("cpu", "grabcut", offline=True), {f"127.0.0.1:{port}"})
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory.mktemp("browser"))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(params=["desk"])
def hand(browser, address, request):
    """Somebody before the page without a photo, at a desk or with a phone."""
    return Hand(browser, address, request.param == "phone")


@pytest.fixture
def cat(tmp_path):
    """The bytes of a photo of a cat, 451 × 300 pixels."""
    write_image(tmp_path / "cat.png", data.chelsea())
    return (tmp_path / "cat.png").read_bytes()


def wave(x, y, width, height, count=60):
    """Return the points of a drawn wave from (x, y) to the right."""
    return [(x + width * u, y - height * math.sin(2 * math.pi * u)) for u in np.linspace(0, 1, count)]


def off(points, line):
    """Return how far each point is from the nearest one of a line that is sampled finely."""
    line = np.asarray(line, float)
    fine = np.concatenate([np.linspace(a, b, 40) for a, b in itertools.pairwise(line)])
    return np.linalg.norm(np.asarray(points, float)[:, None] - fine, axis=2).min(axis=1)


@pytest.mark.parametrize("hand", ["desk", "phone"], indirect=True)
def test_a_photo_is_corrected_moved_along_a_drawn_path_and_exported(hand, cat):
    hand.open(cat)
    before = hand.state["layers"][0]
    hand.press(hand.key("tool point"))
    hand.drag([(60, 250)])
    hand.until(lambda: hand.state["layers"][0]["mask"] != before["mask"])
    assert hand.state["undo"].startswith("Correct")

    drawn = wave(150, 180, 160, 40)
    hand.press(hand.key("tool path"))
    hand.drag(drawn)
    path = hand.said("path")
    assert not path["closed"] and path["half"] == 0.5
    assert len(path["points"]) < len(drawn) / 3  # few points say it
    assert off(path["points"], drawn).max() < 1
    assert np.abs(np.subtract(path["points"][0], drawn[0])).max() < 1
    assert np.abs(np.subtract(path["points"][-1], drawn[-1])).max() < 1
    curve = hand.run("return document.querySelector('#overlay .line.path').getAttribute('d')")
    shown = [[float(v) for v in piece.split()] for piece in curve.replace("M", "L").split("L")[1:]]
    assert off(drawn, shown).max() < 2 * max(1, hand.unit)

    hand.until("return document.getElementById('moving').classList.contains('ready')")
    time_of = "return Number(document.getElementById('time').value)"
    first = hand.run(time_of)
    hand.until(lambda: hand.run(time_of) != first)  # it plays

    hand.press("#tab-export" if hand.phone else "#to-export")
    for form, begins in (("mp4", b"ftyp"), ("html", b"<!DOCTYPE")):
        hand.press(f'label:has([value="{form}"])')
        hand.press(hand.key("render"))
        link = hand.until(
            lambda form=form: hand.run(f"return document.querySelector('a[download$=\"{form}\"]')?.href"), 120
        )
        content = httpx.get(link, timeout=60).raise_for_status().content
        assert begins.lower() in content[:64].lower()
        if form == "html":
            assert not re.search(rb"(src|href)=.?https?:", content)
    saved = httpx.get(f"{hand.work}/files/motion.json").json()
    assert path == next(one for one in flat(saved["motion"]) if one["type"] == "path")
    assert hand.complaints() == []
    hosts = hand.run(
        "return [...new Set(performance.getEntriesByType('resource').map((one) => new URL(one.name).host))]"
    )
    assert set(hosts) <= {urlsplit(hand.address).netloc, ""}
    assert hand.run("return document.documentElement.scrollWidth <= innerWidth")


def flat(motion):
    """Return the motions within one, each with the parameters of its own."""
    inner = [*motion.get("motions", []), *([motion["motion"]] if "motion" in motion else [])]
    return [motion] if not inner else [one for part in inner for one in flat(part)]


@pytest.mark.parametrize("hand", ["desk", "phone"], indirect=True)
def test_a_pull_is_seen_and_kept_and_undone(hand, cat):
    from selenium.webdriver.common.keys import Keys

    hand.open(cat)
    name = hand.state["layers"][0]["name"]
    httpx.post(
        f"{hand.work}/edits",
        json={"edit": "motion", "layer": name, "motions": [{"type": "spectral", "source": "plant"}]},
    )
    hand.browser.refresh()
    hand.until(RESTS)
    hand.until("return document.getElementById('moving').classList.contains('ready')")
    hand.drag([(200, 90), (215, 92), (230, 94), (240, 95)])
    hand.press(hand.key("keep"))
    poke = hand.said("poke")
    assert abs(poke["x"] - 200) < 12 and abs(poke["y"] - 90) < 12
    assert poke["dx"] > 3 and poke["dx"] > abs(poke["dy"])
    if hand.phone:
        hand.press("#head-undo")
    else:
        assert "Pull and release" in hand.find("#head-undo").text
        hand.chord(Keys.CONTROL, "z")
    hand.until(lambda: not hand.motions("poke"))
    if not hand.phone:
        hand.chord(Keys.CONTROL, Keys.SHIFT, "z")
        assert hand.said("poke") == poke
        before = hand.state["revision"]
        hand.chord(Keys.CONTROL, "z")  # without waiting for an answer
        hand.chord(Keys.CONTROL, Keys.SHIFT, "z")
        hand.until(lambda: hand.state["revision"] == before + 2)
        assert hand.said("poke") == poke
    assert hand.complaints() == []


def test_a_path_is_changed_by_its_handles_and_by_the_keyboard(hand, cat):
    from selenium.webdriver.common.keys import Keys

    hand.open(cat)
    hand.type("w")
    hand.drag(wave(120, 200, 100, 30))
    points = hand.said("path")["points"]
    hand.drag([points[-1], (300, 100)])
    moved = hand.until(lambda: next((one for one in hand.motions("path") if one["points"] != points), None))
    assert np.abs(np.subtract(moved["points"][-1], (300, 100))).max() < 1
    assert moved["points"][:-1] == points[:-1]
    hand.type(Keys.ARROW_RIGHT)
    nudged = hand.until(lambda: next((one for one in hand.motions("path") if one["points"] != moved["points"]), None))
    assert nudged["points"][-1][0] - moved["points"][-1][0] == pytest.approx(hand.unit, abs=0.02)
    hand.run("document.querySelector('#overlay [data-key=time]').focus()")
    hand.type(Keys.ARROW_LEFT)
    assert hand.until(lambda: hand.said("path")["half"] != 0.5 and hand.said("path")["half"]) == 0.49
    hand.type(Keys.ESCAPE)
    assert hand.run("return document.querySelector('#tools [aria-pressed=true]').innerText") == "Pull"


def test_a_path_that_ends_where_it_began_is_a_round_trip(hand, cat):
    hand.open(cat)
    hand.type("w")
    turn = np.linspace(0, 2 * math.pi, 60)
    hand.drag([(200 + 60 * math.cos(a), 150 + 60 * math.sin(a)) for a in turn])
    path = hand.said("path")
    assert path["closed"]
    radii = np.linalg.norm(np.subtract(path["points"], (200, 150)), axis=1)
    assert np.abs(radii - 60).max() < 1


def test_something_is_added_by_a_box_painted_and_taken_away(hand, picture, tmp_path):
    write_image(tmp_path / "wall.png", cv2.circle(picture.copy(), (270, 50), 22, (20, 60, 220), -1, cv2.LINE_AA))
    hand.open((tmp_path / "wall.png").read_bytes(), "wall.png")
    before = [layer["name"] for layer in hand.state["layers"]]
    hand.type("n")
    hand.press(hand.key("How it is shown box"))
    hand.drag([(240, 20), (280, 60), (300, 80)])
    hand.until(lambda: len(hand.state["layers"]) == len(before) + 1)
    added = next(layer for layer in hand.state["layers"] if layer["name"] not in before)
    assert np.abs(np.subtract(added["box"], (248, 28, 45, 45))).max() < 4
    hand.until(RESTS)

    def now():
        return next(layer for layer in hand.state["layers"] if layer["name"] == added["name"])

    hand.type("b")
    hand.drag([(290, 50), (310, 50)])
    hand.until(lambda: now()["mask"] != added["mask"])
    assert now()["box"][0] + now()["box"][2] > 312
    hand.press(hand.key(f"remove {added['name']}"))
    hand.until(lambda: [layer["name"] for layer in hand.state["layers"]] == before)


def test_a_slider_is_one_step_and_the_newest_value_wins(hand, cat):
    hand.open(cat)
    name = hand.state["layers"][0]["name"]
    hand.press(hand.key(f"layer {name}"))
    hand.press(hand.key("choose"))
    hand.press(hand.key("entry Sway"))
    hand.said("sway")
    hand.until(RESTS)
    slide = """
    const range = document.querySelector('#motion .card:last-of-type input[type=range]');
    for (const value of [31, 35, 42, 58, 77]) { range.value = value; range.dispatchEvent(new Event("input")); }
    range.dispatchEvent(new Event("change"));
    """
    hand.run(slide)
    hand.until(lambda: hand.said("sway")["strength"] == 0.77)
    hand.press("#head-undo")
    hand.until(lambda: hand.said("sway")["strength"] == 0.3)
    hand.until("return document.querySelector('#motion .card:last-of-type input[type=range]').value === '30'")


def test_what_is_no_photo_is_said_in_one_line_and_the_page_goes_on(hand, cat):
    hand.run(DROP, base64.b64encode(b"no photo at all").decode(), "notes.txt")
    line = hand.until("return document.querySelector('#welcome .problem')?.innerText")
    assert line and "\n" not in line
    hand.open(cat)
    assert hand.state["name"] == "cat.png"


def test_a_photo_that_the_server_forgot_opens_where_one_was(hand, cat):
    hand.open(cat)
    hand.type("w")
    hand.drag(wave(120, 200, 100, 30))
    before = hand.said("path")
    names = [layer["name"] for layer in hand.state["layers"]]
    old = hand.work
    saved = """
    const [id, done] = arguments;
    indexedDB.databases().then((all) => {
      if (!all.length) return done("");
      const request = indexedDB.open("photoflow-studio");
      request.onsuccess = () => {
        const found = request.result.transaction("works").objectStore("works").get(id);
        found.onsuccess = () => done(JSON.stringify(found.result?.document ?? ""));
      };
    });
    """
    hand.until(lambda: '"path"' in hand.browser.execute_async_script(saved, hand.state["id"]))
    httpx.delete(old)
    hand.browser.get(hand.address)
    hand.until(RESTS)
    assert hand.work != old
    assert hand.said("path") == before
    assert [layer["name"] for layer in hand.state["layers"]] == names


def test_every_control_has_a_name_and_every_tool_is_reached_by_its_letter(hand, cat):
    hand.open(cat)
    nameless = """
    return [...document.querySelectorAll("button, input, select, a[href], [role=slider]")]
      .filter((one) => one.offsetParent && !one.matches("#picker, #taker"))
      .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label") || one.labels?.length))
      .map((one) => one.outerHTML.slice(0, 120));
    """
    assert hand.run(nameless) == []
    for letter, tool in (("c", "point"), ("b", "brush"), ("e", "eraser"), ("w", "path"), ("f", "free"), ("v", "pull")):
        hand.type(letter)
        hand.until(
            f"return document.querySelector('[data-key=\"tool {tool}\"]').getAttribute('aria-pressed') === 'true'"
        )
    hand.type("?")
    assert json.loads(hand.run("return JSON.stringify(document.getElementById('keys').open)"))
