"""What is found by itself in photos: regions against outlines drawn by hand, kinds of the main things.

PHOTOS is the folder of the photos named in `kinds_truth`; those missing are left out, and scikit-image's are added.
A region is right if its intersection over union with the outline is above 0.6, partly right if nine tenths of it are
inside the outline; one that `kinds_truth.MAY` names counts neither way. A kind is right or "unknown", which counts as
missed. Every other photo in the order of names is of the first half, the rest of the second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.bench_ops import machine, save_both
from benchmarks.kinds_truth import MAY, MUST, THINGS
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import read_photo
from photoflow.segment import Segmenter, Subject
from photoflow.segment.kinds import find_regions, kind_of

RESULTS = Path(__file__).parent / "results"
SCIKIT = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "page", "rocket")
RIGHT, PARTLY, WRONG, MISSED = "right", "partly", "wrong", "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--json", type=Path, default=RESULTS / "kinds.json")
    options = parser.parse_args()
    segmenter = Segmenter(offline=True)
    counts: dict[str, Counter[tuple[str, str]]] = {"first half": Counter(), "second half": Counter()}
    seconds: list[float] = []
    for number, (name, rgb) in enumerate(pictures(options.photos)):
        half = counts["second half" if number % 2 else "first half"]
        things = subjects(segmenter, rgb)
        begun = time.perf_counter()
        regions = find_regions(rgb, np.maximum.reduce([t.mask for t in things]) if things else None)
        seconds.append(time.perf_counter() - begun)
        verdicts = judged(name, {region.kind: region.mask > 0.5 for region in regions})
        if things and name in THINGS:
            kind = kind_of(rgb, things[0].mask).name
            verdict = MISSED if kind == "unknown" else RIGHT if kind == THINGS[name] else WRONG
            verdicts.append((f"thing: {THINGS[name] if verdict == MISSED else kind}", verdict))
        half.update(verdicts)
        print(name, verdicts, flush=True)
    rows = [row for half, counter in counts.items() for row in table_rows(half, counter)]
    document = {"machine": machine("cpu", None), "median_ms": 1e3 * statistics.median(seconds), "measurements": rows}
    save_both(document, options.json, table(document))
    print(table(document))


def pictures(folder: Path) -> Iterator[tuple[str, Array]]:
    """Yield names and pixels of the photos, at most 1280 pixels on the longer side, then scikit-image's."""
    import skimage.data

    paths = sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png"))
    for path in paths:
        yield path.stem, read_photo(path).rgb
    for name in SCIKIT:
        picture = getattr(skimage.data, name)()
        yield f"skimage {name}", np.dstack([picture] * 3) if picture.ndim == 2 else picture


def subjects(segmenter: Segmenter, rgb: Array) -> tuple[Subject, ...]:
    """Return the things found in a picture; none is a valid answer."""
    try:
        return segmenter(rgb).subjects
    except InputError:
        return ()


def judged(name: str, found: dict[str, Array]) -> list[tuple[str, str]]:
    """Compare the regions found with those drawn."""
    drawn, allowed = MUST.get(name, {}), MAY.get(name, ())
    verdicts = [(kind, MISSED) for kind in drawn if kind not in found]
    for kind, mask in found.items():
        if kind in drawn:
            verdicts.append((kind, compared(mask, drawn[kind])))
        elif kind not in allowed:
            verdicts.append((kind, WRONG))
    return verdicts


def compared(mask: Array, outline: tuple[tuple[float, float], ...]) -> str:
    """Judge a mask by an outline in shares of width and height."""
    height, width = mask.shape
    corners = np.round(np.array(outline) * (width, height)).astype(np.int32)
    true = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [corners], 1) > 0
    shared = (mask & true).sum()
    if shared > 0.6 * (mask | true).sum():
        return RIGHT
    return PARTLY if shared > 0.9 * mask.sum() else WRONG


def table_rows(half: str, counter: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    """Sum up one half: by what was looked for."""
    names = sorted({name for name, _ in counter})
    return [
        {"half": half, "what": name} | {v: counter[name, v] for v in (RIGHT, PARTLY, WRONG, MISSED)} for name in names
    ]


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [
        f"`python -m benchmarks kinds PHOTOS`; {about}; all regions of a photo in {document['median_ms']:.0f} ms", "",
        "| photos | what | right | partly | wrong | missed | precision | recall |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in document["measurements"]:
        right, partly, wrong, missed = (row[verdict] for verdict in (RIGHT, PARTLY, WRONG, MISSED))
        found = right + partly
        precision, recall = (f"{found / n:.2f}" if n else "–" for n in (found + wrong, found + missed))
        lines.append(
            f"| {row['half']} | {row['what']} | {right} | {partly} | {wrong} | {missed} | {precision} | {recall} |"
        )
    return "\n".join(lines) + "\n"
