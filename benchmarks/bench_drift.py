"""Flowing regions over a loop: sharpness, doubling and seam, before and after, and the time of a frame.

Before: two passes blended by their weights alone, as in "Animating Pictures with Eulerian Motion Fields". After: what
photoflow draws. The regions are polygons drawn by hand, in shares of the picture's width and height.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch

from benchmarks.bench_ops import machine, save_both
from photoflow import motion, ops
from photoflow.arrays import Array
from photoflow.io import read_photo
from photoflow.metrics import seam_to_median
from photoflow.motion.drift import inner_ease
from photoflow.render.flowing import FlowingLayer, Window

RESULTS = Path(__file__).parent / "results"
SECONDS, MOMENTS = 3.0, 24
LEAST_EASE = 0.99  # of the velocity: what is at rest along the region's edge is as sharp as ever and would flatter

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Case:
    """A region of a picture and the direction, degrees, in which it flows."""

    picture: str
    part: str
    direction: float
    outline: Polygon


OWN = (
    Case("rocket", "smoke", 180, ((0, 0.72), (0.3, 0.7), (0.4, 0.75), (0.62, 0.76), (0.8, 0.72), (1, 0.74), (1, 1),
         (0, 1))),
    Case("grass", "all", 0, ((0, 0), (1, 0), (1, 1), (0, 1))),
    Case("gravel", "all", 0, ((0, 0), (1, 0), (1, 1), (0, 1))),
    Case("moon", "all", 0, ((0, 0), (1, 0), (1, 1), (0, 1))),
)  # fmt: skip
PHOTOS = (
    Case("EveningGlow", "sky", 0, ((0, 0), (1, 0), (1, 0.27), (0.78, 0.31), (0.5, 0.31), (0.15, 0.28), (0, 0.28))),
    Case("pop-os_nasa-89127", "smoke", 0, ((0, 0), (1, 0), (1, 1), (0, 1))),
    Case("Storm", "sky", 0, ((0, 0), (1, 0), (1, 0.62), (0.6, 0.6), (0, 0.6))),
    Case("pop-os_sean-afnan-244576", "water", 180, ((0, 0.5), (0.45, 0.52), (1, 0.72), (1, 1), (0, 1))),
    Case("pop-os_sean-afnan-244576", "sky", 0, ((0, 0), (0.85, 0), (0.6, 0.2), (0.35, 0.32), (0, 0.36))),
    Case("BytheWater", "sky", 0, ((0, 0), (0.9, 0), (0.9, 0.17), (0, 0.17))),
    Case("elementary_Sunset_by_the_Pier", "sky", 180, ((0, 0), (1, 0), (1, 0.53), (0.6, 0.5), (0.2, 0.53), (0, 0.54))),
    Case("EveningGlow", "water", 180, ((0, 0.4), (0.6, 0.4), (0.8, 0.46), (0.45, 0.5), (0, 0.52))),
    Case("BytheWater", "water", 0, ((0, 0.26), (1, 0.25), (1, 0.33), (0, 0.48))),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "photos", type=Path, nargs="?", help="folder with more pictures, of which those known are taken"
    )
    parser.add_argument("--size", type=int, default=960, help="longest side, pixels")
    parser.add_argument("--json", type=Path, default=RESULTS / "drift.json")
    options = parser.parse_args()
    rows = [row for case in OWN for row in measured(case, getattr(skimage.data, case.picture)(), options.size)]
    for case in PHOTOS if options.photos else ():
        path = options.photos / f"{case.picture}.jpg"
        if path.exists():
            rows += measured(case, read_photo(path).rgb, options.size)
    about = {"size": options.size, "seconds": SECONDS, **machine("cpu", None)}
    document = {"machine": about, "measurements": rows}
    save_both(document, options.json, table(document))
    print(table(document))


def region(case: Case, photo: Array, size: int) -> tuple[Array, Array]:
    """Return the picture at its size, uint8 (H, W, 3), and its soft region, float32 (H, W)."""
    if photo.ndim == 2:
        photo = np.repeat(photo[..., None], 3, axis=2)
    scale = size / max(photo.shape)
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.rint(np.array(case.outline) * (width, height)).astype(np.int32)], 1)
    return photo, cv2.GaussianBlur(mask, (0, 0), 0.004 * size)


class Blended(FlowingLayer):
    """A region whose two passes are blended by their weights alone."""

    def render(self, t: float) -> tuple[torch.Tensor, Window]:
        shown = torch.zeros_like(self._rgb)
        for flow, weight in self.field.sources(t):
            shown += weight * ops.backward_warp(self._rgb, flow[None], mode="bicubic", padding="reflection")
        return torch.cat([shown[0].clamp_(0, 1) * self._alpha, self._alpha]), self._window


def read(layer: FlowingLayer, flow: torch.Tensor) -> Array:
    """Draw one pass alone: (3, h, w) float32."""
    warped = ops.backward_warp(layer._rgb, flow[None], mode="bicubic", padding="reflection")
    return warped[0].clamp(0, 1).numpy()


def measured(case: Case, photo: Array, size: int) -> list[dict[str, Any]]:
    """Measure a region over its loop, before and after."""
    rgb, alpha = region(case, photo, size)
    move = motion.Drift(direction=case.direction, period=SECONDS)
    layers = {
        name: kind(rgb, alpha, move, scale=1.0, seconds=SECONDS, loop=True, device="cpu")
        for name, kind in (("before", Blended), ("after", FlowingLayer))
    }
    layer = layers["after"]
    opaque = layer._alpha[0].numpy()
    inside = (inner_ease(opaque) > LEAST_EASE) & (opaque > 0.999)
    still = layer._rgb[0].numpy()
    frames: dict[str, list[Array]] = {name: [] for name in layers}
    times: dict[str, list[float]] = {name: [] for name in layers}
    single = []
    for t in (number / MOMENTS * SECONDS for number in range(MOMENTS)):
        passes = [(read(layer, flow), weight) for flow, weight in layer.field.sources(t)]
        single.append(passes)
        for name, drawn in layers.items():
            begun = time.process_time()
            rgba = drawn.render(t)[0].numpy()
            times[name].append(time.process_time() - begun)
            frames[name].append(rgba[:3])
    return [
        {"picture": case.picture, "part": case.part, "method": name, "covered": float(inside.mean()),
         **summary(frames[name], single, still, inside), "ms": 1e3 * statistics.median(times[name])}
        for name in layers
    ]  # fmt: skip


def summary(frames: list[Array], single: list[Any], still: Array, inside: Array) -> dict[str, float]:
    """Summarise a loop: its least sharpness, its doubling and its seam."""
    sharp = [sharpness(frame, inside) for frame in frames]
    alone = [sum(weight * sharpness(shown, inside) for shown, weight in passes) for passes in single]
    steps = [float(np.abs(a - b)[:, inside].mean()) for a, b in zip(frames, [*frames[1:], frames[0]])]
    return {
        "to_single": min(a / b for a, b in zip(sharp, alone)),
        "to_photo": min(sharp) / sharpness(still, inside),
        "doubling": max(doubling(frame, passes, inside) for frame, passes in zip(frames, single)),
        "seam": seam_to_median(steps),
    }


def sharpness(picture: Array, inside: Array) -> float:
    """Measure the mean absolute Laplacian of a picture's brightness in a region."""
    brightness = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), picture, 1)
    return float(np.abs(cv2.Laplacian(brightness, cv2.CV_32F))[inside].mean())


def doubling(frame: Array, passes: list[Any], inside: Array) -> float:
    """Measure how far a frame is from the pass that it is nearest to, as a share of how far apart both are."""
    if len(passes) < 2:
        return 0.0
    (first, _), (second, _) = passes
    near = np.minimum(np.abs(frame - first).sum(axis=0), np.abs(frame - second).sum(axis=0))
    return float(near[inside].mean() / max(float(np.abs(first - second).sum(axis=0)[inside].mean()), 1e-6))


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [
        f"`python -m benchmarks drift [FOLDER]`; {about}", "",
        "Sharpness is the mean absolute Laplacian inside the region, its least value over the loop: beside a single "
        "pass without blending at the same moment, and beside the photo. Doubling is the largest share by which a "
        "frame is between both passes (0.5: each is half seen). Seam is the step across the loop's end over the "
        "median.", "",
        "| picture | part | | ÷ single pass | ÷ photo | doubling | seam | processor ms a frame |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in document["measurements"]:
        lines.append(
            f"| {row['picture']} | {row['part']} | {row['method']} | {row['to_single']:.3f} | {row['to_photo']:.3f} "
            f"| {row['doubling']:.2f} | {row['seam']:.2f} | {row['ms']:.1f} |"
        )
    return "\n".join(lines) + "\n"
