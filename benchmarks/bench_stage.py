"""Waiting for the first frame: of a photo's first clip, and of the next ones on the same stage.

Every run is a process of its own. Its first clip begins with the photo, imports included; then the stage is prepared
and animated once, and after that each motion is timed from the call of `animate` to its first frame. With --beside, the
first clip of another checkout of photoflow, such as the last release, is timed in turns with this one's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bench_animate import RESULTS, astronaut, machine, resized

MOTIONS = ("sway strength=0.7", "breathe", "float", "swing", "bounce", "translate", "path points=0,0;30,-20;60,0")

FIRST = """
import json, sys, time
begun = time.perf_counter()
from photoflow import Animator, motion
photo, selection = json.loads(sys.argv[1])
animator = Animator(offline=True)
animator.animate(photo, motion.Sway(), **selection)[0]
first = time.perf_counter() - begun
"""

NEXT = """
stage = animator.prepare(photo, layers={"subject-1": selection} if selection else None)
animator.animate(stage, motion.Sway())[0]
times = {}
for words in json.loads(sys.argv[2]):
    begun = time.perf_counter()
    animator.animate(stage, motion.parse(words))[0]
    times[words.split()[0]] = time.perf_counter() - begun
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", help="a photo with a subject; by default scikit-image's astronaut")
    parser.add_argument("--box", help="X,Y,W,H around the subject, in pixels of the photo at 1280 pixels' width")
    parser.add_argument("--beside", type=Path, help="another checkout of photoflow, built in place")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=RESULTS / "stage.json")
    options = parser.parse_args()
    selection = {"box": [float(v) for v in options.box.split(",")]} if options.box else {}
    with tempfile.TemporaryDirectory() as folder:
        path, _ = resized(options.photo or astronaut(), folder, 1280)
        firsts: list[float] = []
        besides: list[float] = []
        nexts: list[dict[str, float]] = []
        for _ in range(options.runs):
            if options.beside:
                besides.append(child(FIRST + "print(json.dumps(first))", [path, selection], options.beside))
            firsts.append(child(FIRST + "print(json.dumps(first))", [path, selection]))
            nexts.append(child(FIRST + NEXT + "print(json.dumps(times))", [path, selection]))
    document = {
        "machine": machine(), "photo": Path(options.photo or astronaut()).name, "runs": options.runs,
        "first_s": spread(firsts), "first_beside_s": spread(besides) if besides else None,
        "next_s": {name: spread([times[name] for times in nexts]) for name in nexts[0]},
    }  # fmt: skip
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(document))
    print(table(document))


def child(code: str, call: list[object], package: Path | None = None) -> object:
    """Return what code prints in a process of its own, with photoflow from a checkout where one is named."""
    paths = [str(package.resolve())] if package else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code, json.dumps(call), json.dumps(MOTIONS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment, cwd=package or Path.cwd())
    return json.loads(done.stdout.splitlines()[-1])


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the least and the largest."""
    return {"median": statistics.median(values), "least": min(values), "largest": max(values)}


def table(document: dict[str, object]) -> str:
    """Return the results as Markdown."""
    about = ", ".join(f"{k} {v}" for k, v in dict(document["machine"]).items())  # type: ignore[call-overload]
    first: dict[str, float] = document["first_s"]  # type: ignore[assignment]
    beside: dict[str, float] | None = document["first_beside_s"]  # type: ignore[assignment]
    rows: dict[str, dict[str, float]] = document["next_s"]  # type: ignore[assignment]
    lines = [
        f"`python -m benchmarks stage` on {document['photo']} at 1280×853, {document['runs']} runs in turns; {about}",
        "", "| first frame of | median | least to largest | ÷ first clip |", "|---|---|---|---|",
    ]  # fmt: skip
    named = [("the first clip of a photo, imports included", first)]
    named += [("the same with the other checkout", beside)] if beside else []
    named += [(f"the next clip on its stage, {name}", times) for name, times in rows.items()]
    for name, times in named:
        lines.append(
            f"| {name} | {times['median']:.2f} s | {times['least']:.2f} to {times['largest']:.2f} s "
            f"| {times['median'] / first['median']:.2f} |"
        )
    return "\n".join(lines) + "\n"
