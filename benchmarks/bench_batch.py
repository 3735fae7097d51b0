"""What a clip of a batch takes: CPU seconds by stage, and bytes; and what handing out items to a cluster takes.

    python -m benchmarks batch PHOTOS            # a folder of photos, as `photoflow animate` has them, on one core
    python -m benchmarks batch --items 1000000   # so many items of no work, through a Ray cluster of two workers

CPU seconds are those of all threads of the process, so that others on the machine change them little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import psutil

from benchmarks.bench_animate import RESULTS, machine
from photoflow import Animator
from photoflow.batch import Item, RayCluster, Record
from photoflow.io import PICTURES, VideoWriter
from photoflow.stage import Stage, composition, layer

PARTS: dict[str, list[tuple[Any, str]]] = {
    "find": [(Stage, "find")],
    "regions": [(Stage, "find_regions")],
    "matte": [(layer, "soft_alpha"), (layer, "own_colours")],
    "fill": [(composition, "fill_behind")],
}
STAGES = ("find", "regions", "matte", "fill", "plan", "render", "encode")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path, help="a folder")
    parser.add_argument("--items", type=int, help="of no work, through a Ray cluster")
    parser.add_argument("--json", type=Path, default=RESULTS / "batch.json")
    options = parser.parse_args()
    if (options.photos is None) == (options.items is None):
        parser.error("expected either PHOTOS or --items")
    if options.items:
        handed_out(options.items)
        return
    files = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in PICTURES)
    document = {"machine": machine(), "photos": measured(files)}
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(document))
    print(table(document))


def measured(files: list[Path]) -> list[dict[str, Any]]:
    """Return what the clip of each photo takes, after one that is not counted has loaded everything."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as a process of a batch that has one for each core; torch is loaded later
    cv2.setNumThreads(1)
    spent = dict.fromkeys(PARTS, 0.0)
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, timed(getattr(owner, name), part, spent))
    animator = Animator(offline=True)
    animator.animate(files[0], seconds=0.1)
    found = []
    for file in files:
        spent.update(dict.fromkeys(PARTS, 0.0))
        begun = time.process_time()
        clip = animator.animate(file)
        planned = time.process_time()
        frames = list(clip)
        rendered = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "clip.mp4")
            with VideoWriter(place, clip.width, clip.height, clip.fps) as out:
                for frame in frames:
                    out.write(frame)
            encoded, size = time.process_time(), place.stat().st_size
        seconds = {
            **spent, "plan": planned - begun - sum(spent.values()), "render": rendered - planned,
            "encode": encoded - rendered,
        }  # fmt: skip
        found.append({"photo": file.name, "width": clip.width, "height": clip.height, "frames": len(clip),
                      "photo_bytes": file.stat().st_size, "bytes": size, "cpu_s": seconds})  # fmt: skip
        print(file.name, {name: round(value, 2) for name, value in seconds.items()}, size, flush=True)
    return found


def timed(function: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Return a function that adds the CPU seconds of its thread to those of its part, without parts within it."""
    lock = threading.Lock()

    def call(*arguments: Any, **keywords: Any) -> Any:
        own, within = threading.get_ident(), _within
        outer = within.setdefault(own, [])
        outer.append(0.0)
        begun = time.thread_time()
        try:
            return function(*arguments, **keywords)
        finally:
            whole = time.thread_time() - begun
            with lock:
                spent[part] += whole - outer.pop()
            if outer:
                outer[-1] += whole

    return call


_within: dict[int, list[float]] = {}  # by thread, for each part that is under way: seconds of parts in it


def table(document: dict[str, Any]) -> str:
    """Return the results as Markdown: each stage's mean, and whole clips from the least to the largest."""
    rows, about = document["photos"], ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    means = {name: statistics.mean(row["cpu_s"][name] for row in rows) for name in STAGES}
    whole = sum(means.values())
    lines = [
        f"`python -m benchmarks batch PHOTOS`: clips of {len(rows)} photos, on one core; {about}", "",
        "| stage | CPU seconds, mean | share |", "|---|---|---|",
        *(f"| {name} | {value:.2f} | {100 * value / whole:.0f} % |" for name, value in means.items()),
        f"| together | {whole:.2f} | 100 % |", "",
        "| a clip | mean | median | nine in ten have less | most |", "|---|---|---|---|---|",
    ]  # fmt: skip
    kinds = {
        "CPU seconds": [sum(row["cpu_s"].values()) for row in rows], "MB": [row["bytes"] / 1e6 for row in rows],
        "megapixels": [row["width"] * row["height"] / 1e6 for row in rows],
    }  # fmt: skip
    for name, values in kinds.items():
        ninth = statistics.quantiles(values, n=10, method="inclusive")[-1]
        cells = statistics.mean(values), statistics.median(values), ninth, max(values)
        lines.append(f"| {name} | {' | '.join(f'{value:.2f}' for value in cells)} |")
    return "\n".join(lines) + "\n"


class Many:
    """Items that are made as they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[Item]:
        return (Item(f"s3://bucket/photos/{number:09}.jpg", f"{number:09}.mp4") for number in range(self._count))


def no_work(item: Item) -> Record:
    return Record(item.photo, item.output)


def handed_out(count: int) -> None:
    """Print what items of no work take by tenths: milliseconds each, and memory of the process that hands them out."""
    own, last, tenth = psutil.Process(), time.perf_counter(), max(1, count // 10)
    for number, _ in enumerate(RayCluster(no_work, count, jobs=2).records(Many(count)), 1):
        if number % tenth == 0:
            now = time.perf_counter()
            each, held = 1e3 * (now - last) / tenth, own.memory_info().rss / 1e6
            servers = {one.name(): one.memory_info().rss / 1e6 for one in own.children()}
            told = ", ".join(
                f"{name} {size:.0f} MB" for name, size in servers.items() if name in ("gcs_server", "raylet")
            )
            print(f"{number} items: {each:.2f} ms each, {held:.0f} MB here; {told}", flush=True)
            last = now
