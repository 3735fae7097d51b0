"""Quality of the subject's mask: mean IoU with true masks, against GrabCut alone in the same run.

DATA holds one folder per sequence, as in DAVIS, each with `00000.jpg` and its mask `00000_mask.png`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import read_mask, read_photo
from photoflow.segment import Segmenter
from photoflow.segment.grabcut import cut_box, cut_salient

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=RESULTS / "subject.json")
    options = parser.parse_args()
    segmenter = Segmenter(offline=True)
    methods: dict[str, Callable[[Array, Array], Array]] = {
        "photoflow, automatic": lambda rgb, true: segmenter(rgb).subjects[0].mask,
        "photoflow, box": lambda rgb, true: segmenter(rgb, box=box_of(true)).subjects[0].mask,
        "photoflow, one point": lambda rgb, true: segmenter(rgb, points=[inmost(true)]).subjects[0].mask,
        "GrabCut, colour saliency": lambda rgb, true: cut_salient(rgb),
        "GrabCut, box": lambda rgb, true: cut_box(rgb, box_of(true)),
    }
    scores: dict[str, list[float]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    photos = sorted(options.data.glob("*/00000.jpg"))
    if not photos:
        parser.error(f"{options.data}: expected folders with 00000.jpg and 00000_mask.png")
    for path in photos:
        rgb, true = read_photo(path).rgb, read_mask(path.with_name("00000_mask.png")) > 0.5
        for name, method in methods.items():
            begun = time.perf_counter()
            try:
                found = method(rgb, true) > 0.5
            except InputError:
                found = np.zeros_like(true)
            seconds[name] += (time.perf_counter() - begun) / len(photos)
            scores[name].append(float((found & true).sum() / (found | true).sum()))
        print(path.parent.name, {name: round(values[-1], 3) for name, values in scores.items()}, flush=True)
    rows = {n: {"iou": float(np.mean(v)), "least": min(v), "seconds": seconds[n]} for n, v in scores.items()}
    print(json.dumps(rows, indent=1))
    options.json.write_text(json.dumps({"samples": len(photos), "methods": rows}, indent=1) + "\n")


def box_of(true: Array) -> tuple[int, int, int, int]:
    """Return the bounding box (x, y, width, height) of the mask."""
    x, y = np.flatnonzero(true.any(axis=0)), np.flatnonzero(true.any(axis=1))
    return int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)


def inmost(true: Array) -> tuple[int, int]:
    """Return the pixel of the mask that is farthest from its edge."""
    import cv2

    distance = cv2.distanceTransform(np.pad(true.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return int(x), int(y)
