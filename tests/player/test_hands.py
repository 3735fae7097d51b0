"""Pulling with a mouse, a finger and keys; time; and the page that is given away."""

import math

import cv2
import numpy as np
import pytest
from pages_in_browser import started, wait

from photoflow import Animator, motion
from photoflow.player.page import write_page

SIZE = (200, 260)  # rows, columns
TIP = 130, 50  # of a stalk that stands on the picture's lower border


@pytest.fixture(scope="module")
def stalk():
    """A photo of a stalk with a ball on its end, before a gradient; it rests, and can be pulled."""
    rows, columns = np.indices(SIZE)
    photo = np.stack([rows / 2 + 40, columns / 3 + 40, np.full(SIZE, 90)], axis=2).astype(np.uint8)
    mask = np.zeros(SIZE, np.float32)
    for picture, colour in ((photo, (240, 220, 60)), (mask, 1)):
        cv2.line(picture, (TIP[0], SIZE[0] - 1), TIP, colour, 13)
        cv2.circle(picture, TIP, 22, colour, -1)
    cv2.circle(photo, TIP, 6, (20, 20, 200), -1)
    return Animator("cpu", offline=True).prepare(photo, mask=mask)


@pytest.fixture(scope="module")
def picture(stalk):
    return Animator("cpu", offline=True).animate(stalk, motion.Sway(strength=0.15)).picture()


@pytest.fixture
def scene(show, picture):
    scene = show(picture)
    scene.run("window.pulls = []; player.onpull = (pull) => pulls.push(pull); player.handle = true;")
    return scene


def dot(frame):
    """Return the centre of the dot on the ball."""
    blue = np.clip(frame[..., 2].astype(float) - frame[..., 0] - 60, 0, None) * (frame[..., 2] > 120)
    rows, columns = np.indices(blue.shape)
    return (columns * blue).sum() / blue.sum(), (rows * blue).sum() / blue.sum()


def mouse(browser):
    from selenium.webdriver import ActionChains

    return ActionChains(browser, duration=60)


def touched(browser, event, *places):
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": event, "touchPoints": points})


def pressed(browser, start, end, kind="mouse"):
    """Press at one place of the page and move to another, without letting go."""
    way = [tuple(round(a + share * (b - a)) for a, b in zip(start, end)) for share in (0.1, 0.3, 0.6, 0.8, 1.0)]
    if kind == "touch":
        touched(browser, "touchStart", start)
        for place in way:
            touched(browser, "touchMove", place)
        slept(browser, 0.4)
        return
    chain = mouse(browser)
    hand = chain.w3c_actions.pointer_action
    hand.move_to_location(*start)
    hand.pointer_down()
    for place in way:
        hand.move_to_location(*place)
    hand.pause(0.4)
    chain.perform()


def let_go(browser, kind="mouse"):
    if kind == "touch":
        touched(browser, "touchEnd")
        return
    chain = mouse(browser)
    chain.w3c_actions.pointer_action.pointer_up()
    chain.perform()


def slept(browser, seconds):
    browser.execute_async_script("setTimeout(arguments[1], 1000 * arguments[0])", seconds)


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_the_held_point_goes_where_the_hand_goes_and_swings_back(scene, kind):
    rest = dot(scene.frame())
    end = TIP[0] + 25, TIP[1] + 6
    pressed(scene.browser, TIP, end, kind)
    assert math.dist(dot(scene.frame()), end) < 2
    let_go(scene.browser, kind)
    (pull,) = scene.run("return pulls")
    assert pull["layer"] == "subject-1" and math.dist((pull["x"], pull["y"]), TIP) < 2
    assert math.dist((pull["dx"], pull["dy"]), (25, 6)) < 2 and 0.2 < pull["seconds"] < 5
    slept(scene.browser, 6)
    assert math.dist(dot(scene.frame()), rest) < 1


def test_a_finger_scrolls_beside_what_can_be_pulled_and_not_on_it(scene):
    scene.run("document.body.style.height = '5000px'")
    for start, scrolls in (((30, 150), True), (TIP, False)):
        scene.run("window.scrollTo(0, 0)")
        pressed(scene.browser, start, (start[0] + 4, start[1] - 45), "touch")
        assert (scene.run("return window.scrollY") > 5) is scrolls
        assert bool(scene.run("return player.canvas.style.cursor")) is not scrolls
        let_go(scene.browser, "touch")


def test_a_second_finger_ends_the_pull_and_both_zoom(scene):
    touched(scene.browser, "touchStart", TIP)
    touched(scene.browser, "touchMove", (TIP[0] + 6, TIP[1]))
    assert scene.run("return player.canvas.style.cursor") == "grabbing"
    touched(scene.browser, "touchStart", (TIP[0] + 6, TIP[1]), (TIP[0], TIP[1] + 40))
    for far in (5, 15, 30, 45, 60, 80):
        touched(scene.browser, "touchMove", (TIP[0] + 6, TIP[1] - far), (TIP[0], TIP[1] + 40 + far))
    scene.wait("pulls.length === 1")
    scene.wait("visualViewport.scale > 1.1")
    touched(scene.browser, "touchEnd")


def test_a_pull_is_what_poke_draws(scene, stalk):
    """A pull that is kept as a motion gives the same shape."""
    pressed(scene.browser, TIP, (TIP[0] + 20, TIP[1]))
    held = scene.frame().astype(float)
    let_go(scene.browser)
    poke = motion.Poke(x=TIP[0], y=TIP[1], dx=20, dy=0, at=0.1, hold=1.5)
    clip = Animator("cpu", offline=True).animate(stalk, poke, seconds=4)
    drawn = clip.renderer.frame(1.6).astype(float)
    assert np.abs(drawn - held).mean() < 0.35 * np.abs(drawn - stalk.photo).mean()


def test_pulls_that_never_end_go_no_farther_than_the_subject_bears(scene):
    pressed(scene.browser, TIP, (255, 195))
    x, y = dot(scene.frame())
    assert 20 < math.dist((x, y), TIP) < 100


def test_only_what_can_be_pulled_is_taken_hold_of(scene):
    assert scene.run("return player.grab(30, 100)") is None
    assert scene.run("return player.grab(-50, 1000)") is None
    assert scene.run("return player.release()") is None
    grip = scene.run("return player.grab(130, 50)")
    assert grip["layer"] == "subject-1" and math.dist((grip["x"], grip["y"]), TIP) < 2
    near = scene.run("return player.grab(130 + 22 + 8, 50)")  # a finger that just misses it
    assert near is not None and near["x"] < 130 + 24


def test_the_cursor_says_what_can_be_pulled(scene):
    def cursor_at(x, y):
        chain = mouse(scene.browser)
        chain.w3c_actions.pointer_action.move_to_location(x, y)
        chain.perform()
        return scene.run("return player.canvas.style.cursor")

    assert [cursor_at(20, 20), cursor_at(*TIP), cursor_at(240, 180)] == ["", "grab", ""]


def test_time_goes_on_stops_and_wraps(scene):
    scene.run("player.seek(3.9); player.rate = 2; player.play()")
    scene.wait("player.time < 1")
    scene.run("player.pause()")
    first = scene.run("return player.time")
    slept(scene.browser, 0.2)
    assert scene.run("return player.time") == first and scene.run("return player.playing") is False


def test_what_rests_and_stands_still_is_not_drawn_again(scene):
    scene.run("player.seek(1)")
    slept(scene.browser, 0.2)
    scene.run("window.drawn = 0; player.onframe = () => window.drawn++; player.seek(1)")
    slept(scene.browser, 0.3)
    assert scene.run("return drawn") == 0


def test_a_slow_machine_draws_softer_while_it_plays_and_sharp_when_it_stops(scene):
    shown = """
        const [wanted, done] = arguments, pen = new OffscreenCanvas(260, 200).getContext("2d");
        let frames = 0;
        player.onframe = () => {
          if (++frames < wanted) return;
          player.onframe = null;
          pen.drawImage(player.canvas, 0, 0);
          const soft = Array.from(pen.getImageData(0, 0, 260, 200).data);
          done([soft, Array.from(player.pixels().data)]);
        };
    """
    scene.run(
        "const ask = window.requestAnimationFrame.bind(window); let late = 0;"
        "window.requestAnimationFrame = (draw) => ask((now) => draw(now + (late += 100)));"
    )
    play = scene.browser.execute_async_script
    soft, sharp = (np.array(one, int) for one in play(shown + "player.seek(0.3); player.play();", 30))
    assert np.abs(soft - sharp).max() > 8
    soft, sharp = (np.array(one, int) for one in play(shown + "player.pause();", 1))
    assert np.abs(soft - sharp).max() <= 1


@pytest.fixture
def page(browser, tmp_path, picture):
    path = tmp_path / "photo.html"
    write_page(path, picture, b"no video")
    browser.get(path.as_uri())
    wait(browser, "document.getElementById('play').hasAttribute('data-playing')")
    return path


def label(browser):
    return browser.execute_script("return document.getElementById('play').getAttribute('aria-label')")


def keys(browser, *down):
    from selenium.webdriver import ActionChains

    chain = ActionChains(browser)
    for key in down:
        chain.key_down(key)
    for key in reversed(down):
        chain.key_up(key)
    chain.perform()


def shot(browser):
    png = np.frombuffer(browser.get_screenshot_as_png(), np.uint8)
    return cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_the_page_plays_is_pulled_and_asks_nobody(browser, page):
    title = browser.title
    assert title == "photo" and label(browser) == "Pause"
    browser.find_element("id", "play").click()
    assert label(browser) == "Play"
    box = browser.execute_script("return document.getElementById('photo').getBoundingClientRect().toJSON()")
    scale = box["width"] / SIZE[1]
    place = round(box["x"] + TIP[0] * scale), round(box["y"] + TIP[1] * scale)
    before = shot(browser)
    pressed(browser, place, (place[0] + round(25 * scale), place[1]))
    after = shot(browser)
    let_go(browser)
    assert np.abs(before.astype(float) - after).mean() > 0.5
    wait(browser, "document.getElementById('hint').classList.contains('done')")
    assert browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)"
                                  ".filter((name) => !name.startsWith('data:'))") == []  # fmt: skip
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_the_page_by_keys(browser, page):
    from selenium.webdriver.common.keys import Keys

    keys(browser, " ")
    assert label(browser) == "Play"
    first = shot(browser)
    for _ in range(12):
        keys(browser, Keys.ARROW_RIGHT)
    later = shot(browser)
    assert np.abs(first.astype(float) - later).mean() > 0.1
    from selenium.webdriver import ActionChains

    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT * 3).perform()
    slept(browser, 0.4)
    held = shot(browser)
    ActionChains(browser).key_up(Keys.SHIFT).perform()
    assert np.abs(held.astype(float) - later).mean() > 0.5
    wait(browser, "document.getElementById('hint').classList.contains('done')")


@pytest.mark.parametrize("size", [(390, 844), (1280, 800), (844, 390)])
def test_the_photo_is_as_large_as_fits_and_nothing_scrolls(browser, page, size):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        box, across, down = browser.execute_script(
            "return [document.getElementById('photo').getBoundingClientRect().toJSON(),"
            "document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        bar = browser.execute_script("return document.getElementById('bar').getBoundingClientRect().toJSON()")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert (across, down) == size
    assert box["width"] > 0.96 * size[0] or box["height"] > 0.8 * size[1]
    assert box["width"] / box["height"] == pytest.approx(SIZE[1] / SIZE[0], rel=0.01)
    assert bar["top"] >= box["bottom"] - 1 and bar["bottom"] <= size[1]


def test_reduced_motion_starts_paused(browser, page):
    feature = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    try:
        browser.get(page.as_uri())
        wait(browser, "document.getElementById('play').hasAttribute('data-playing')")
        assert label(browser) == "Play"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_webgl_the_page_says_so_and_has_the_video(tmp_path, picture):
    path = tmp_path / "photo.html"
    write_page(path, picture, b"no video")
    browser = started(tmp_path / "browser", "--disable-3d-apis")
    try:
        browser.get(path.as_uri())
        wait(browser, "document.getElementById('why').textContent")
        said = browser.find_element("id", "why").text
        assert "WebGL 2" in said and "\n" not in said
        clip = browser.find_element("id", "clip")
        assert clip.is_displayed() and clip.get_attribute("src").startswith("data:video/mp4;base64,")
        assert not browser.find_element("id", "photo").is_displayed()
    finally:
        browser.quit()
