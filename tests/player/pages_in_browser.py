"""A browser without a screen, and pages in it that have a player and a picture."""

import base64
import json
import shutil

import numpy as np
import pytest

from photoflow.player.page import modules

FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
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


def started(folder, *more):
    """Start a browser whose files are in a folder, and with more flags; skip where there is none."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("no Chromium and chromedriver here")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, *more, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def wait(browser, condition):
    """Wait until an expression of the page is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20, 0.05).until(lambda _: browser.execute_script(f"return Boolean({condition})"))


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
            f'<body style="margin: 0"><canvas></canvas>'
            f'<script type="application/json" id="picture">{json.dumps(document)}</script>'
            f'<script type="module">{SCRIPT}</script>'
        )
        self.browser = browser
        browser.get(path.as_uri())
        self.wait("window.ready || window.failed")
        assert self.run("return window.failed") is None

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition):
        wait(self.browser, condition)

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


class Losslessly:
    """Encodes every picture without loss, so that what is shown can be compared."""

    def of(self, picture):
        import cv2

        from photoflow.player.images import Image

        order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[picture.shape[2] if picture.ndim == 3 else 2]
        turned = picture if order is None else cv2.cvtColor(picture, order)
        return Image(cv2.imencode(".png", turned)[1].tobytes(), "image/png")
