"""A hand on the studio's page, in a browser: at a desk, or on a phone."""

import base64
import time
from urllib.parse import parse_qs, urlsplit

import httpx

SIZES = {"desk": (1200, 800), "phone": (390, 844)}
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const given = new DataTransfer();
given.items.add(new File([bytes], arguments[1]));
document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
"""
RESTS = """
return document.body.classList.contains("open") && !document.querySelector(".busy") &&
  document.getElementById("welcome").hidden;
"""
PLACE = "const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.width, r.height];"


class Hand:
    """Does on the page what a hand does, and asks the server what came of it."""

    def __init__(self, browser, address, phone):
        self.browser, self.address, self.phone = browser, address, phone
        width, height = SIZES["phone" if phone else "desk"]
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        browser.get(f"{address}/web/icon.svg")  # of the same origin, without the page, which would open what was last
        self.run("localStorage.clear()")
        browser.get(address)
        self.until("return document.getElementById('welcome').innerText.includes('Bring a photo')")
        browser.get_log("browser")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, condition, seconds=90):
        """Wait until a function, or a script of the page, returns something true, and return that."""
        ask = (lambda: self.run(condition)) if isinstance(condition, str) else condition
        end = time.monotonic() + seconds
        while not (found := ask()):
            assert time.monotonic() < end, condition
            time.sleep(0.05)
        return found

    def open(self, photo, name="cat.png"):
        self.run(DROP, base64.b64encode(photo).decode(), name)
        self.until(RESTS)

    def find(self, selector):
        return self.until(lambda: self.run("return document.querySelector(arguments[0])", selector))

    def press(self, selector):
        """Click or touch an element, in its middle."""
        found = self.find(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center', inline: 'center' })", found)
        left, top, width, height = self.run(PLACE, found)
        assert width >= (44 if self.phone else 20), selector
        self._drag([(left + width / 2, top + height / 2)])

    def key(self, name):
        return f'[data-key="{name}"]'

    def drag(self, points):
        """Drag over the photo through points of it, or click one."""
        self._drag([self.seen(x, y) for x, y in points])

    def seen(self, x, y):
        """Return where a point of the photo is on the screen."""
        left, top, width, height = self.run(PLACE, self.find("#frame"))
        size = self.state["photo"]
        return left + (x + 0.5) / size["width"] * width, top + (y + 0.5) / size["height"] * height

    @property
    def unit(self):
        """Pixels of the photo in one of the screen."""
        return self.state["photo"]["width"] / self.run(PLACE, self.find("#frame"))[2]

    def _drag(self, points):
        if self.phone:
            touches = [("touchStart", points[:1]), *(("touchMove", [p]) for p in points[1:]), ("touchEnd", [])]
            for kind, places in touches:
                fingers = [{"x": x, "y": y} for x, y in places]
                self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
            return
        for kind, (x, y) in [
            ("mouseMoved", points[0]), ("mousePressed", points[0]), *(("mouseMoved", p) for p in points[1:]),
            ("mouseReleased", points[-1]),
        ]:  # fmt: skip
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            if (x, y) == points[0] and kind == "mouseMoved":
                event["button"] = "none"
            self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def type(self, keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(keys).perform()

    def chord(self, *keys):
        from selenium.webdriver import ActionChains

        chain = ActionChains(self.browser)
        for key in keys[:-1]:
            chain = chain.key_down(key)
        chain = chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain = chain.key_up(key)
        chain.perform()

    @property
    def work(self):
        return f"{self.address}/api/works/{parse_qs(urlsplit(self.browser.current_url).query)['work'][0]}"

    @property
    def state(self):
        """Return the work as the server has it, once the page has heard of it too."""
        state = httpx.get(self.work, timeout=60).raise_for_status().json()
        self.until("return !document.querySelector('.busy')")
        return state

    def motions(self, kind):
        """Return the motions of a kind that there are, of all layers."""
        return [one for motions in self.state["motion"].values() for one in motions if one["type"] == kind]

    def said(self, kind):
        return self.until(lambda: self.motions(kind))[0]

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
