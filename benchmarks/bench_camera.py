"""The camera: how straight lines stay, what is left open, whether the clip begins at the photo, and how long it takes.

Straightness is measured in the picture: edges of a chart of stripes are found to a fraction of a pixel in a frame, and
their distance from the best line is what counts; the photo's own is beside it. Time is that of rendering and encoding
4 seconds at 30 frames a second, beside the encoder alone and the same photo without a camera, in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.bench_animate import RESULTS, astronaut, machine, resized
from photoflow import Animator
from photoflow.io import VideoWriter
from photoflow.motion import Camera, Drift, Motion, Sway
from photoflow.motion.motion import total
from photoflow.segment.kinds import Kind
from photoflow.stage import Stage
from photoflow.stage.judgement import chosen

SIZE = (1280, 853)
MODES = {
    "push": Camera(push=0.06), "pull": Camera(pull=0.06), "pan": Camera(pan=0.05), "tilt": Camera(tilt=0.05),
    "orbit": Camera(orbit=0.03), "dolly": Camera(dolly=0.2), "handheld": Camera(handheld=0.01),
}  # fmt: skip
STILLS = 8  # ready-made frames that the encoder alone writes over and over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", help="a photo with a subject; by default scikit-image's astronaut")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RESULTS / "camera.json")
    options = parser.parse_args()
    animator = Animator(offline=True)
    with tempfile.TemporaryDirectory() as folder:
        path, _ = resized(options.photo or astronaut(), folder, SIZE[0])
        document = {
            "machine": machine(), "photo": Path(options.photo or astronaut()).name, "runs": options.runs,
            "paths": {name: measured(animator, path, camera) for name, camera in MODES.items()},
            "seconds": timed(animator, path, folder, options.runs),
        }  # fmt: skip
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(document))
    print(table(document))


def measured(animator: Animator, photo: str, camera: Camera) -> dict[str, float]:
    """Return what a path does to a chart and to a photo, at its far end."""
    chart = stripes()
    flat = np.full(SIZE[::-1], 128, np.uint8)
    frame = animator.animate(chart, camera, depth=flat).renderer.frame(2.0 if not camera.pull else 0.0)
    clip = animator.animate(photo, camera)
    white = np.full((*SIZE[::-1], 3), 255, np.uint8)
    steep = np.tile(np.uint8(np.arange(SIZE[0]) // 160 % 2 * 255), (SIZE[1], 1))
    shown = [animator.animate(white, camera, depth=depth).renderer.frame(t) for depth in (None, steep) for t in (1, 2)]
    return {
        "bend_px": bend(frame), "bend_of_the_photo_px": bend(chart),
        "holes_px": int(sum((frame < 250).any(axis=-1).sum() for frame in shown)),
        "rest_error": int(np.abs(clip.renderer.frame(2.0 if camera.pull else 0.0).astype(int) - clip.photo).max()),
    }  # fmt: skip


def stripes() -> np.ndarray:
    """Return a picture of slanted stripes, uint8 (H, W, 3), each edge a straight line."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    wave = np.sin(2 * np.pi * (x + 0.2 * y) / 160)
    return np.repeat(np.uint8(np.rint(127.5 + 100 * np.clip(wave * 12, -1, 1)))[..., None], 3, axis=2)


def bend(frame: np.ndarray) -> float:
    """Return by how many pixels the edges of stripes leave their best lines at most."""
    grey = cv2.GaussianBlur(frame[..., 0].astype(np.float32), (0, 0), 1.5) - 127.5
    most = 0.0
    starts = np.flatnonzero((grey[426, :-1] < 0) & (grey[426, 1:] >= 0))
    for start in starts:
        places = []
        for rows in (range(426, 40, -1), range(427, 813)):
            column = start
            for row in rows:
                near = slice(max(0, column - 3), column + 5)
                line = grey[row, near]
                up = np.flatnonzero((line[:-1] < 0) & (line[1:] >= 0))
                if not len(up) or not 8 < near.start < SIZE[0] - 16:
                    break
                column = near.start + int(up[0])
                places.append((row, column - line[up[0]] / (line[up[0] + 1] - line[up[0]])))
        if len(places) > 400:
            row, column = np.array(places).T
            most = max(most, float(np.abs(column - np.polyval(np.polyfit(row, column, 1), row)).max()))
    return most


def timed(animator: Animator, photo: str, folder: str, runs: int) -> dict[str, float]:
    """Return the median seconds of rendering and encoding, in turns."""
    stage = animator.prepare(photo)
    bare = stage.copy()
    for layer in stage.layers:
        bare.remove(layer.name)
    sky = bare.copy()
    upper = np.arange(stage.height)[:, None] * np.ones(stage.width) < 0.4 * stage.height
    sky.add("sky", mask=upper, kind="sky", region=True)
    depth = np.tile(np.uint8(np.linspace(0, 255, SIZE[1]))[:, None], (1, SIZE[0]))
    cases: dict[str, tuple[object, Motion, object]] = {
        "the camera alone, nothing cut out": (bare, Camera(push=0.06), None),
        "the same, measured depth": (bare, Camera(push=0.06), depth),
        "the camera alone, a subject as a card": (stage, Camera(push=0.1), None),
        "what is chosen for a person: breathe and the camera": (stage, chosen_for_a_person(stage), None),
        "a drifting sky and the camera": (sky, Drift(direction=0).on("sky") + Camera(push=0.06), None),
        "sway without a camera": (stage, Sway(), None),
    }
    clips = {name: animator.animate(one, motion, depth=depth) for name, (one, motion, depth) in cases.items()}
    stills = [clips["the camera alone, a subject as a card"][number] for number in range(0, 120, 120 // STILLS)]
    seconds: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, clip in clips.items():
            begun = time.perf_counter()
            clip.save(Path(folder, "a.mp4"))
            seconds.setdefault(name, []).append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with VideoWriter(Path(folder, "a.mp4"), stage.width, stage.height, 30) as out:
            for number in range(120):
                out.write(stills[number % STILLS])
        seconds.setdefault("the encoder alone", []).append(time.perf_counter() - begun)
    return {name: statistics.median(times) for name, times in seconds.items()}


def chosen_for_a_person(stage: Stage) -> Motion:
    """Return what `auto` chooses where the first subject is a person."""
    person = stage.copy()
    person._layers = (stage.layers[0].changed(kind=Kind("person", 1.0, "said")),)
    return total([motion if name is None else motion.on(name) for name, motion in chosen(person)])


def table(document: dict[str, object]) -> str:
    """Return the results as Markdown."""
    about = ", ".join(f"{k} {v}" for k, v in dict(document["machine"]).items())  # type: ignore[call-overload]
    paths: dict[str, dict[str, float]] = document["paths"]  # type: ignore[assignment]
    times: dict[str, float] = document["seconds"]  # type: ignore[assignment]
    lines = [
        f"`python -m benchmarks camera` on {document['photo']} at 1280×853, {document['runs']} runs in turns; {about}",
        "", "| path | lines bend by at most, flat depth | those of the photo | holes | at rest off the photo by |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in paths.items():
        lines.append(
            f"| {name} | {row['bend_px']:.2f} px | {row['bend_of_the_photo_px']:.2f} px | {row['holes_px']} px "
            f"| {row['rest_error']} of 255 |"
        )
    lines += ["", "| 4 s at 30 frames a second, rendering and encoding | seconds | × real time |", "|---|---|---|"]
    lines += [f"| {name} | {seconds:.2f} | {4 / seconds:.2f} |" for name, seconds in times.items()]
    return "\n".join(lines) + "\n"
