"""A page that has a player and a picture, in a browser."""

import base64
import json

import numpy as np
import pytest
from chromium import Losslessly, started

from photoflow.player.page import data_url, modules

SCRIPT = """
import { Player } from "photoflow/player.js";
window.picture = JSON.parse(document.getElementById("picture").text);
try {
  window.player = new Player(document.querySelector("canvas"));
  player.pause();
  await player.show(picture);
  window.ready = true;
} catch (error) {
  window.failed = String(error);
}
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory)
    yield driver
    driver.quit()


class Scene:
    """A page with a player that shows a picture."""

    def __init__(self, browser, path, picture, encode):
        document = picture if isinstance(picture, dict) else picture.document(encode, Losslessly())
        sources = {
            name: "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
            for name, text in modules().items()
        }
        path.write_text(
            f'<!DOCTYPE html><script type="importmap">{json.dumps({"imports": sources})}</script>'
            f'<body style="margin: 0"><canvas style="width: {document["width"]}px"></canvas>'
            f'<script type="application/json" id="picture">{json.dumps(document)}</script>'
            f'<script type="module">{SCRIPT}</script>'
        )
        self.browser = browser
        browser.get(path.as_uri())
        self.wait("window.ready || window.failed")
        assert self.run("return window.failed") is None

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition, seconds=20):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, seconds, 0.05).until(lambda _: self.run(f"return Boolean({condition})"))

    def frame(self, t=None):
        """Return what is shown, now or at a time: uint8 (H, W, 3)."""
        script = """
        if (arguments[0] !== null) player.seek(arguments[0]);
        const { width, height, data } = player.pixels();
        let text = "";
        for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
        return [width, height, btoa(text)];
        """
        width, height, text = self.run(script, t)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]


@pytest.fixture
def show(browser, tmp_path):
    return lambda picture, encode=data_url: Scene(browser, tmp_path / "scene.html", picture, encode)
