"""How soon what a hand pulls is on the screen: the player in Chromium, whose WebGL is drawn by the processor here."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path

from photoflow import Animator, motion
from photoflow.player.page import data_url, modules

FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--window-size=1400,1000",
)  # fmt: skip
# From a pointer's move to the frame that follows it; one pixel is read, so that it is drawn and not only asked for.
SCRIPT = """
import { Player } from "photoflow/player.js";
const canvas = document.querySelector("canvas");
const player = new Player(canvas);
const gl = canvas.getContext("webgl2");
window.drag = async (count) => {
  await player.show(JSON.parse(document.getElementById("picture").text));
  player.play();
  const { x, y } = player.loosest();
  player.grab(x, y);
  const times = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    player.drag(x + 20 * Math.sin(i), y + 10 * Math.cos(i));
    await new Promise((drawn) => (player.onframe = drawn));
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    times.push(performance.now() - began);
  }
  player.release();
  return times;
};
"""


def drag_to_screen(photo: str | Path, count: int) -> list[float] | None:
    """Return the milliseconds from each of so many moves of a hand to the frame that shows it; None without Chromium.

    Args:
        photo: what is pulled: its first subject, while it sways.
        count: of moves; the first ones warm up and are left out.
    """
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    picture = Animator("cpu", offline=True).animate(photo, motion.Sway()).picture().document(data_url)
    sources = {
        name: "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
        for name, text in modules().items()
    }
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(
            f'<!DOCTYPE html><script type="importmap">{json.dumps({"imports": sources})}</script><canvas></canvas>'
            f'<script type="application/json" id="picture">{json.dumps(picture)}</script>'
            f'<script type="module">{SCRIPT}</script>'
        )
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={folder}/browser"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(driver))
        try:
            browser.set_script_timeout(300)
            browser.get(page.as_uri())
            script = "const done = arguments[1]; window.drag(arguments[0]).then(done, (error) => done(String(error)));"
            times = browser.execute_async_script(script, count + 5)
        finally:
            browser.quit()
    if not isinstance(times, list):
        raise RuntimeError(times)
    return [float(value) for value in times[5:]]
