"""Optimised motion beside interpolations of the same handles, and beside the flow that it begins with.

Handles: of each pair's true flow, 20 pixels drawn at random; the end-point error is that of all pixels. Thin-plate
splines (scipy) and harmonic interpolation get the same 20. The second picture: end-point error of the flow to it, and
of refined DIS, with which it begins, on the same grid.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.sparse
import torch
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import spsolve

from benchmarks.bench_ops import machine, save_both
from photoflow.arrays import Array
from photoflow.data.flying_chairs import FlyingChairs
from photoflow.motion.optimised import Handles, SecondPicture, optimise

RESULTS = Path(__file__).parent / "results"
HANDLES = 20
DRAWS = 2  # of handles, for each pair
STEP = 4  # pixels: the grid of the interpolations, as fine as the optimisation's
PINNED = 1e4  # the weight of a handle in harmonic interpolation: it is met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chairs", type=Path, help="folder of FlyingChairs")
    parser.add_argument("--json", type=Path, default=RESULTS / "optimised.json")
    options = parser.parse_args()
    pairs = FlyingChairs(options.chairs, "all")
    rows, pictures = [], []
    for number in range(len(pairs)):
        pair = pairs[number]
        first, second = (picture_of(pair[name][0]) for name in ("image1", "image2"))
        flow = pair["flow"][0].numpy()
        for draw in range(DRAWS):
            rows.append(
                {"pair": number, "draw": draw, **by_handles(first, flow, np.random.default_rng([number, draw]))}
            )
            print(rows[-1], flush=True)
        pictures.append({"pair": number, **to_second(first, second, flow)})
        print(pictures[-1], flush=True)
    document = {"machine": machine("cpu", None), "handles": rows, "to": pictures}
    save_both(document, options.json, table(document))
    print(table(document))


def by_handles(rgb: Array, flow: Array, chance: np.random.Generator) -> dict[str, Any]:
    """Measure all ways from handles to a flow, on one draw of them."""
    height, width = flow.shape[1:]
    places = np.stack([chance.integers(0, width, HANDLES), chance.integers(0, height, HANDLES)], 1)
    moves = flow[:, places[:, 1], places[:, 0]].T
    handles = [(*place, *move) for place, move in zip(places.tolist(), moves.tolist())]
    began = time.perf_counter()
    found = optimise(rgb, Handles(handles))
    seconds = time.perf_counter() - began
    guess = optimise(rgb, Handles(handles), steps=0)
    flows = {
        "optimised": flow_of(found.motion.grids, flow),
        "initial guess": flow_of(guess.motion.grids, flow),
        "thin-plate splines": splines(places, moves, flow.shape[1:]),
        "harmonic": harmonic(places, moves, flow.shape[1:]),
        "at rest": np.zeros_like(flow),
    }
    return {**{name: epe(one, flow) for name, one in flows.items()}, "steps": found.steps, "seconds": seconds}


def to_second(first: Array, second: Array, flow: Array) -> dict[str, Any]:
    """Measure the flow to a second picture."""
    began = time.perf_counter()
    found = optimise(first, SecondPicture(second))
    seconds = time.perf_counter() - began
    guess = optimise(first, SecondPicture(second), steps=0)
    measured = {"optimised": found, "refined DIS": guess}
    errors = {name: epe(flow_of(one.motion.grids, flow), flow) for name, one in measured.items()}
    frame = found.frame([1.0]).astype(float)
    moved = {"y' (dB)": psnr(frame, second), "photo (dB)": psnr(first.astype(float), second)}
    return {**errors, **moved, "best": found.best, "steps": found.steps, "seconds": seconds}


def flow_of(grids: Array, flow: Array) -> Array:
    """Return a motion's only shape as a flow of the size of another, pixels."""
    height, width = flow.shape[1:]
    return np.stack([cv2.resize(plane, (width, height)) for plane in grids[0]]) * max(height, width)


def splines(places: Array, moves: Array, size: tuple[int, ...]) -> Array:
    """Return the thin-plate spline through handles, (2, H, W)."""
    down, across = np.mgrid[STEP / 2 - 0.5 : size[0] : STEP, STEP / 2 - 0.5 : size[1] : STEP]
    grid = np.stack([across.ravel(), down.ravel()], 1)
    found = RBFInterpolator(places.astype(float), moves, kernel="thin_plate_spline")(grid)
    return larger(found.T.reshape(2, *down.shape), size)


def harmonic(places: Array, moves: Array, size: tuple[int, ...]) -> Array:
    """Return the solution of Laplace's equation with the handles given, without flux across the border, (2, H, W)."""
    rows, columns = size[0] // STEP, size[1] // STEP
    numbers = np.arange(rows * columns).reshape(rows, columns)
    ends = [(numbers[:, :-1], numbers[:, 1:]), (numbers[:-1], numbers[1:])]
    one, other = (np.concatenate([pair[side].ravel() for pair in ends]) for side in (0, 1))
    between = scipy.sparse.coo_matrix((np.ones(len(one)), (one, other)), shape=(numbers.size, numbers.size))
    adjacent = between + between.T
    cells = numbers[places[:, 1] // STEP, places[:, 0] // STEP]
    held, wanted = np.zeros(numbers.size), np.zeros((numbers.size, 2))
    np.add.at(held, cells, PINNED)
    np.add.at(wanted, cells, PINNED * moves)
    matrix = scipy.sparse.diags(np.asarray(adjacent.sum(1)).ravel() + held) - adjacent
    return larger(spsolve(matrix.tocsc(), wanted).T.reshape(2, rows, columns), size)


def larger(flow: Array, size: tuple[int, ...]) -> Array:
    return np.stack([cv2.resize(plane, (size[1], size[0])) for plane in flow])


def picture_of(planes: torch.Tensor) -> Array:
    return np.rint(255 * planes.permute(1, 2, 0).numpy()).astype(np.uint8)


def epe(flow: Array, truth: Array) -> float:
    return float(np.linalg.norm(flow - truth, axis=0).mean())


def psnr(drawn: Array, truth: Array) -> float:
    return float(-10 * np.log10(np.square((drawn - truth) / 255).mean()))


def table(document: dict[str, Any]) -> str:
    """Return the means as a table."""
    rows, pictures = document["handles"], document["to"]
    ways = ("optimised", "initial guess", "thin-plate splines", "harmonic", "at rest")
    lines = [
        "# Optimised motion",
        "",
        "`python -m benchmarks optimised FLYING_CHAIRS`. End-point error, pixels, of all pixels of "
        f"{len(pictures)} pairs of FlyingChairs, {DRAWS} draws of {HANDLES} handles each:",
        "",
        "| | mean | worst | share of the pairs on which `optimised` is better |",
        "|---|---|---|---|",
    ]
    for way in ways:
        errors = [row[way] for row in rows]
        won = np.mean([row["optimised"] < row[way] for row in rows])
        share = "" if way == "optimised" else f"{100 * won:.0f} %"
        lines.append(f"| {way} | {np.mean(errors):.2f} | {np.max(errors):.2f} | {share} |")
    lines += ["", "To the second picture of each pair:", "", "| | mean | worst |", "|---|---|---|"]
    for way in ("optimised", "refined DIS"):
        errors = [row[way] for row in pictures]
        lines.append(f"| {way} | {np.mean(errors):.3f} px | {np.max(errors):.3f} px |")
    for way in ("y' (dB)", "photo (dB)"):
        values = [row[way] for row in pictures]
        lines.append(f"| {way} | {np.mean(values):.2f} | {np.min(values):.2f} |")
    seconds = [row["seconds"] for row in (*rows, *pictures)]
    lines += ["", f"{np.median(seconds):.1f} s in the median of all, {np.max(seconds):.1f} s at most."]
    return "\n".join(lines) + "\n"
