"""Quality of the subject's mask: mean IoU with true masks over frames, views and prompts, beside GrabCut alone.

DATA holds one folder per sequence, as in DAVIS, with `NNNNN.jpg` and its mask `NNNNN_mask.png`. Of each sequence four
frames are taken, and one of them also mirrored, cropped and at half its size. "Automatic" is the first subject found
against the whole mask. A box is drawn tight and as a person draws it, with 0 to 10 % of room on each side; a point is
the one farthest from the mask's edge and one drawn at random inside it. The mean is over sequences, each the mean
of its pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import read_mask, read_photo
from photoflow.segment import Segmenter
from photoflow.segment.grabcut import cut_box, cut_salient

RESULTS = Path(__file__).parent / "results"
FRAMES, VARIED = (0, 6, 12, 18), 12
ROOM = 0.1  # most room that a person leaves on a side of a box, as a share of it
LEAST = 0.0005  # of the picture: a subject smaller than this is not asked for
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Case:
    """One picture with its true mask, and the prompts a person would give."""

    sequence: str
    view: str
    rgb: Array
    true: Array
    box: Box
    loose_box: Box
    point: tuple[int, int]
    random_point: tuple[int, int]


Method = Callable[[Case], Array]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=RESULTS / "subject.json")
    options = parser.parse_args()
    segmenter = Segmenter(offline=True)
    scores, count = measure(cases(options.data), methods(segmenter))
    if not count:
        parser.error(f"{options.data}: expected folders with 00000.jpg and 00000_mask.png")
    rows = {name: summary(values) for name, values in scores.items()}
    options.json.write_text(json.dumps({"pictures": count, "methods": rows}, indent=1) + "\n")
    options.json.with_suffix(".md").write_text(table(rows, count))
    print(table(rows, count))


def methods(segmenter: Segmenter) -> dict[str, Method]:
    """Return what is measured, by name."""
    return {
        "automatic": lambda case: segmenter(case.rgb).subjects[0].mask,
        "tight box": lambda case: segmenter(case.rgb, box=case.box).subjects[0].mask,
        "box with room": lambda case: segmenter(case.rgb, box=case.loose_box).subjects[0].mask,
        "inmost point": lambda case: segmenter(case.rgb, points=[case.point]).subjects[0].mask,
        "random point": lambda case: segmenter(case.rgb, points=[case.random_point]).subjects[0].mask,
        "GrabCut, colour saliency": lambda case: cut_salient(case.rgb),
        "GrabCut, tight box": lambda case: cut_box(case.rgb, case.box),
    }


def cases(data: Path) -> Iterator[Case]:
    """Yield the pictures of each sequence."""
    for folder in sorted(path.parent for path in data.glob("*/00000.jpg")):
        for frame in FRAMES:
            path = folder / f"{frame:05}.jpg"
            if path.exists():
                rgb = read_photo(path).rgb
                true = read_mask(path.with_name(f"{path.stem}_mask.png")) > 0.5
                for view, seen, mask in views(rgb, true, frame == VARIED):
                    if mask.mean() > LEAST:
                        yield case_of(folder.name, f"{frame}{view}", seen, mask, frame)


def views(rgb: Array, true: Array, varied: bool) -> Iterator[tuple[str, Array, Array]]:
    """Yield a picture, and where it is `varied` its mirror image, a crop with the subject off centre, a small one."""
    yield "", rgb, true
    if not varied:
        return
    yield " mirrored", np.ascontiguousarray(rgb[:, ::-1]), np.ascontiguousarray(true[:, ::-1])
    left, top, width, height = box_of(true)
    x0, y0 = max(0, left - width // 4), max(0, top - height // 4)
    x1, y1 = min(true.shape[1], left + 2 * width), min(true.shape[0], top + 2 * height)
    yield " cropped", np.ascontiguousarray(rgb[y0:y1, x0:x1]), np.ascontiguousarray(true[y0:y1, x0:x1])
    half = true.shape[1] // 2, true.shape[0] // 2
    small = cv2.resize(true.astype(np.float32), half, interpolation=cv2.INTER_AREA) > 0.5
    yield " small", cv2.resize(rgb, half, interpolation=cv2.INTER_AREA), small


def case_of(sequence: str, view: str, rgb: Array, true: Array, seed: int) -> Case:
    """Draw the prompts for a picture, the same ones each time."""
    rng = np.random.default_rng(seed)
    left, top, width, height = box_of(true)
    room = (rng.uniform(0, ROOM, 4) * (width, height, width, height)).astype(int)
    x0, y0 = max(0, left - int(room[0])), max(0, top - int(room[1]))
    x1, y1 = min(true.shape[1], left + width + int(room[2])), min(true.shape[0], top + height + int(room[3]))
    inside = np.argwhere(cv2.erode(true.astype(np.uint8), np.ones((3, 3), np.uint8)) if true.sum() > 500 else true)
    y, x = inside[rng.integers(len(inside))]
    loose = (x0, y0, x1 - x0, y1 - y0)
    return Case(sequence, view, rgb, true, box_of(true), loose, inmost(true), (int(x), int(y)))


def measure(pictures: Iterator[Case], measured: dict[str, Method]) -> tuple[dict[str, dict[str, list[float]]], int]:
    """Return the IoU by method and sequence, and how many pictures there were."""
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in measured}
    count = 0
    for case in pictures:
        count += 1
        for name, method in measured.items():
            try:
                found = method(case) > 0.5
            except InputError:
                found = np.zeros_like(case.true)
            scores[name].setdefault(case.sequence, []).append(iou(found, case.true))
        print(case.sequence, case.view, {n: round(v[case.sequence][-1], 3) for n, v in scores.items()}, flush=True)
    return scores, count


def summary(by_sequence: dict[str, list[float]]) -> dict[str, object]:
    """Return the mean over sequences, the least sequence's, and each one's."""
    means = {sequence: round(float(np.mean(values)), 4) for sequence, values in by_sequence.items()}
    mean = round(float(np.mean(list(means.values()))), 4)
    return {"iou": mean, "least": min(means.values()), "sequences": means}


def table(rows: dict[str, dict[str, object]], count: int) -> str:
    """Return the results as Markdown."""
    lines = [
        f"Subjects of {count} pictures, mean IoU over sequences.",
        "",
        "| | IoU | least sequence |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {row['iou']:.3f} | {row['least']:.3f} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def iou(found: Array, true: Array) -> float:
    """Return the intersection over union of two masks."""
    return float((found & true).sum() / (found | true).sum())


def box_of(true: Array) -> Box:
    """Return the bounding box (x, y, width, height) of the mask."""
    x, y = np.flatnonzero(true.any(axis=0)), np.flatnonzero(true.any(axis=1))
    return int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)


def inmost(true: Array) -> tuple[int, int]:
    """Return the pixel of the mask that is farthest from its edge."""
    distance = cv2.distanceTransform(np.pad(true.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return int(x), int(y)
