"""The studio's server on loopback: how soon it answers a hand, and whether it stands many hands at once.

Latency: a person corrects a mask, adds a thing, and changes motions, one after the other, as the page asks for it: an
edit, and then the moving picture. Every value is another one, so that nothing is answered from what was kept.

Load: eight sessions of 200 requests each, with bad uploads among them: no photo at all, a truncated one, one whose
header says it is huge, and clients that stop in the middle. No answer may be an error of the server, no file may be
left, and the server must not need more memory than after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bench_animate import RESULTS, astronaut, machine, resized
from benchmarks.in_browser import drag_to_screen

SESSIONS, REQUESTS = 8, 200
WARM = 60  # requests of each session before: caches fill, and the allocator keeps what it got
PATIENCE = 600.0  # seconds: eight photos are opened one after the other, on a machine that may be busy
MOVES = 40  # of a hand in the browser
DRAG = "pull, from the hand to the screen"
GROWTH = 1.15  # of the memory after that, at most

Numbers = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", help="a photo with a subject; by default scikit-image's astronaut")
    parser.add_argument("--runs", type=int, default=9, help="of each change")
    parser.add_argument("--sides", type=int, nargs="+", default=[960, 1280], help="longest sides, pixels")
    parser.add_argument("--json", type=Path, default=RESULTS / "studio.json")
    options = parser.parse_args()
    photo = options.photo or astronaut()
    document: dict[str, Any] = {"machine": machine(), "photo": Path(photo).name, "runs": options.runs, "latency_ms": {}}
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            path, _ = resized(photo, folder, side)
            with served(folder) as server:
                document["latency_ms"][str(side)] = summed(latency(server.address, Path(path), options.runs))
            moves = drag_to_screen(path, MOVES)
            if moves is not None:
                document["latency_ms"][str(side)] |= summed({DRAG: moves})
        path, _ = resized(photo, folder, 640)
        with served(folder) as server:
            document["load"] = load(server, Path(path).read_bytes())
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(document))
    print(table(document))


class Server:
    """A studio in a process of its own.

    Args:
        folder: in which it keeps its files.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "photoflow", "studio", "--no-browser", "--offline"], stdout=subprocess.PIPE,
            text=True, env={**os.environ, "TMPDIR": str(self.folder)},
        )  # fmt: skip
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().split()[-1].rstrip("/")

    def memory(self) -> float:
        """Return its resident memory, MB."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def files(self) -> list[Path]:
        """Return all its files."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def served(folder: str) -> Iterator[Server]:
    """Run a studio."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


class Hand:
    """What a page asks for when a person works on a photo.

    Args:
        client: asks the server.
        photo: the file that is opened.
        answered: is told the status of each answer.
    """

    def __init__(
        self, client: httpx.Client, photo: bytes, answered: Callable[[int], None] = lambda status: None
    ) -> None:
        self._client, self._answered = client, answered
        self.state: dict[str, Any] = self.ask("POST", "/api/works", content=photo).json()
        self.at = f"/api/works/{self.state['id']}"

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        answer = self._client.request(method, path, **how)
        self._answered(answer.status_code)
        return answer

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", f"{self.at}/{path}")

    def edit(self, edit: str, **said: Any) -> httpx.Response:
        answer = self.ask("POST", f"{self.at}/edits", json={"edit": edit, **said})
        if answer.status_code == 200:
            self.state = answer.json()
        return answer

    def move(self, layer: str, **motion: Any) -> None:
        """Say a motion, and look at the picture."""
        self.edit("motion", layer=layer, motions=[motion]).raise_for_status()
        self.get("picture").raise_for_status()


def latency(address: str, photo: Path, runs: int) -> Numbers:
    """Return the milliseconds of everything that a hand waits for, by what it does."""
    times: Numbers = {}
    with httpx.Client(base_url=address, timeout=120) as client:
        began = time.perf_counter()
        hand = Hand(client, photo.read_bytes())
        times["open a photo"] = [1000 * (time.perf_counter() - began)]
        width, height = (hand.state["photo"][side] for side in ("width", "height"))
        thing = hand.state["layers"][0]
        name, (x, y, w, h) = thing["name"], thing["box"]
        inside, beside = [x + 0.5 * w, y + 0.4 * h], [min(x + w + 0.03 * width, width - 2), y + 0.3 * h]
        hand.edit("add", name="lower", points=[[0.5 * width, 0.97 * height]], region=True, kind="water")

        def act(what: str, do: Callable[[int], object], after: Callable[[int], object] = lambda number: None) -> None:
            do(-1)  # warm
            after(-1)
            own = times[what] = []
            for number in range(runs):
                began = time.perf_counter()
                do(number)
                own.append(1000 * (time.perf_counter() - began))
                after(number)

        def undo(number: int) -> None:
            hand.edit("undo").raise_for_status()

        act(
            "click: add to a mask",
            lambda n: hand.edit("refine", layer=name, add=[[beside[0], beside[1] + 3 * n + 3]]),
            undo,
        )
        act(
            "click: take from a mask",
            lambda n: hand.edit("refine", layer=name, remove=[[inside[0] + 3 * n, inside[1]]]),
            undo,
        )
        act("click: a new thing", lambda n: hand.edit("add", points=[[inside[0] + 3 * n, inside[1]]]), undo)
        act("brush", lambda n: hand.edit("paint", layer=name, strokes=[[inside, beside]], size=20 + n), undo)
        hand.edit("motion", layer="", motions=[])
        act("see: sway", lambda n: hand.move(name, type="sway", strength=0.3 + 0.02 * n))
        act("see: path", lambda n: hand.move(name, type="path", points=[[0, 0], [40 + 2 * n, -20], [60, 10 + n]]))
        act("see: plant in the wind", lambda n: hand.move(name, type="spectral", source="plant", wind=0.4 + 0.02 * n))
        hand.edit("motion", layer=name, motions=[])
        act("see: flow", lambda n: hand.move("lower", type="drift", direction=10 * n, speed=0.02))
        hand.edit("motion", layer="lower", motions=[])
        act("see: camera", lambda n: hand.move("", type="camera", push=0.05 + 0.005 * n))
        hand.edit("motion", layer=name, motions=[{"type": "breathe"}])
        act("see: camera and breathing", lambda n: hand.move("", type="camera", push=0.05 + 0.005 * n))
        hand.edit("motion", layer="", motions=[])

        def corrected(number: int) -> None:
            hand.edit("refine", layer=name, remove=[[inside[0] + 3 * number, inside[1]]]).raise_for_status()
            hand.move(name, type="sway")

        act("see: sway, after a click", corrected, lambda number: (undo(number), undo(number)))
    return times


def load(server: Server, photo: bytes) -> dict[str, Any]:
    """Return what many sessions at once were answered, and the server's memory and files after each round."""
    statuses: Counter[int] = Counter()
    memory = []
    for seed, requests in ((100, WARM), (200, REQUESTS)):
        began = time.perf_counter()
        statuses.clear()
        threads = [
            threading.Thread(target=session, args=(server.address, photo, statuses, requests, seed + number))
            for number in range(SESSIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(1)
        memory.append(server.memory())
    left = [path.name for path in server.files()]
    failed = {status: count for status, count in statuses.items() if status >= 500 or status == 0}
    if failed or left or memory[-1] > GROWTH * memory[-2]:
        print(f"load: it did not stand it: answers {failed}, files left {left}, memory {memory}", file=sys.stderr)
    return {
        "sessions": SESSIONS, "requests": REQUESTS, "answers": dict(sorted(statuses.items())),
        "memory_mb": memory, "files_left": len(left), "seconds": time.perf_counter() - began,
    }  # fmt: skip


def session(address: str, photo: bytes, statuses: Counter[int], requests: int, seed: int) -> None:
    """Make the requests of one person, who is busy, and of whom some uploads are no photos."""
    draw, lock, count = random.Random(seed), threading.Lock(), 0

    def answered(status: int) -> None:
        nonlocal count
        count += 1
        with lock:
            statuses[status] += 1

    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        hand = Hand(client, photo, answered)
        name = hand.state["layers"][0]["name"] if hand.state["layers"] else ""
        while count < requests - 1:
            try:
                draw.choice(DEEDS)(hand, name, photo, draw, address)
            except httpx.HTTPError:
                answered(0)
        hand.ask("DELETE", hand.at)


def change(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    hand.edit("motion", layer=name, motions=[{"type": "sway", "strength": draw.uniform(0.1, 1)}], key="slider")
    hand.get("picture")


def look(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    hand.get("photo")
    picture = hand.get("picture").json()
    for url in [*picture.get("images", {}).values(), *(layer["mask"] for layer in hand.state["layers"])]:
        hand.ask("GET", url)


def correct(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    width, height = (hand.state["photo"][side] for side in ("width", "height"))
    stroke = [[draw.uniform(0, width - 1), draw.uniform(0, height - 1)] for _ in range(3)]
    hand.edit("paint", layer=name, strokes=[stroke], size=draw.uniform(5, 40), erase=draw.random() < 0.3)
    hand.edit(draw.choice(["undo", "redo"]))


def explain(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    hand.get(f"flow.png?t={draw.uniform(0, 2):.2f}")
    hand.get("files/motion.json")


def render(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    hand.edit("settings", seconds=0.4, fps=5)
    hand.ask("POST", f"{hand.at}/renders", json={"format": draw.choice(["gif", "mp4"])})
    hand.get("renders")


def wrong(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    """Ask for what there is not, and say what is none."""
    hand.edit("motion", layer="nobody", motions=[])
    hand.ask("GET", "/api/works/nobody/picture")
    hand.ask("POST", f"{hand.at}/edits", content=draw.randbytes(50))


def bad_upload(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    data = draw.choice([draw.randbytes(5000), photo[: len(photo) // 2], huge(), b""])
    hand.ask("POST", "/api/works", content=data)


def slow_upload(hand: Hand, name: str, photo: bytes, draw: random.Random, address: str) -> None:
    """Stop in the middle of an upload, and go."""
    host, _, port = address.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port))) as one:
        head = f"POST /api/works HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(photo)}\r\n\r\n"
        one.sendall(head.encode() + photo[:1000])
        time.sleep(0.5)
    hand.get("renders")


DEEDS = (change, change, change, look, correct, correct, explain, render, wrong, bad_upload, slow_upload)


def huge() -> bytes:
    """Return a PNG whose header says that it is of 3,600 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def summed(times: Numbers) -> dict[str, dict[str, float]]:
    """Return the median and the worst of each."""
    return {what: {"median": statistics.median(own), "worst": max(own)} for what, own in times.items()}


def table(document: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    sides, load_ = list(document["latency_ms"]), document["load"]
    lines = [
        f"`python -m benchmarks studio` on {document['photo']}, {document['runs']} runs of each, warm; {about}", "",
        "Milliseconds from the request to the last byte of the answer, median (worst); what is seen is an edit and the "
        f"moving picture after it. The {DRAG} is measured in Chromium, whose WebGL the same processor draws here.", "",
        "| what a hand waits for | " + " | ".join(f"{side} px" for side in sides) + " |",
        "|---" * (1 + len(sides)) + "|",
    ]  # fmt: skip
    for what in document["latency_ms"][sides[0]]:
        cells = [document["latency_ms"][side][what] for side in sides]
        lines.append(f"| {what} | " + " | ".join(f"{c['median']:.0f} ({c['worst']:.0f})" for c in cells) + " |")
    answers = ", ".join(f"{count} × {status}" for status, count in load_["answers"].items())
    lines += [
        "",
        f"Load: {load_['sessions']} sessions of {load_['requests']} requests each in "
        f"{load_['seconds']:.0f} s, bad and unfinished uploads among them. Answers: {answers}; files left: "
        f"{load_['files_left']}; memory after a warm-up and after the load: "
        f"{' and '.join(f'{mb:.0f}' for mb in load_['memory_mb'])} MB.",
    ]
    return "\n".join(lines) + "\n"
