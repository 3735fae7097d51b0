"""AMT away from the middle: the paper's scaling of the correlations' lookup beside that of its published code.

Two narrow networks, alike but for that, are trained from the same weights on the same batches, in turns of a few steps,
and draw frames of clips that neither has seen: of frames k and k + 4 those between. At t = 0.5 both networks compute
the same, so what they differ by there is what the chance of a training makes; at t = 0.25 and 0.75 the scaling counts.
Each also draws with the scaling of the other ("exchanged"): one that loses nothing by it does not heed the lookup.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from benchmarks.bench_ops import machine, save_both
from photoflow.data import open_source
from photoflow.evaluation.pictures import as_planes
from photoflow.evaluation.scores import decibels
from photoflow.io import read_photo
from photoflow.metrics import psnr
from photoflow.models.amt import AMT, SIZES
from photoflow.models.dis import DISInterpolation
from photoflow.train.amt import AMTRecipe, AMTTrainingConfig
from photoflow.train.feed import Mixture
from photoflow.train.loop import train
from photoflow.train.schedule import Plan

RESULTS = Path(__file__).parent / "results"
SCALINGS = {"paper": False, "published": True}
TIMES = (0.25, 0.5, 0.75)
APART = 4  # frames from the first to the second
SLICE = 50  # steps of one network before the other's turn
SIZE = (432, 240)  # width and height of the frames that are drawn
SIZES["narrow"] = replace(
    SIZES["S"], stem=16, stages=(16, 24, 32), correlated=32, pyramid=(12, 16, 24, 32), hidden=32, correlation=(32,),
    flow=8, mixed=32,
)  # fmt: skip
# What is left out is dear: on a CPU, measuring the flow takes longer than the rest of a step.
CONFIG = AMTTrainingConfig(
    network="narrow", size=(96, 96), batch=4, rate=8e-4, last_rate=2e-5, warmup=50, clip=1.0, ema=0.99, census=0, flow=0
)

Draw = Callable[[Tensor, Tensor, float], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("davis", type=Path, help="folder of sequences, folders of NNNNN.jpg, to draw frames of")
    parser.add_argument("--data", action="append", required=True, help="as for `photoflow train amt`; repeat")
    parser.add_argument("--steps", type=int, default=600, help="of either training")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings, which are gone on with")
    parser.add_argument("--json", type=Path, default=RESULTS / "amt_time.json", help=".md is written beside")
    options = parser.parse_args()
    sources = [open_source(text, size=CONFIG.size, seed=CONFIG.seed) for text in options.data]
    source = Mixture(sources, CONFIG.seed)
    trained = trainings(source, options.steps, options.runs)
    methods: dict[str, Draw] = trained | {"DIS interpolation": DISInterpolation(), "mean": mixed}
    document = {
        "machine": machine("cpu", None), "data": source.name, "steps": options.steps, "batch": CONFIG.batch,
        "size": list(CONFIG.size), "frames": list(SIZE), "psnr": scores(options.davis, methods),
    }  # fmt: skip
    save_both(document, options.json, page(document))
    print(page(document))


def trainings(source: Mixture, steps: int, folder: Path) -> dict[str, Draw]:
    """Train a network with either scaling, in turns, or go on with it; each is loaded with both."""
    for done in range(0, steps, SLICE):
        for name, published in SCALINGS.items():
            recipe = AMTRecipe(CONFIG)
            recipe.ships.published_scaling = published
            taken = min(SLICE, steps - done)
            outcome = train(recipe, source, folder / name, Plan(steps=taken, total=steps), Console(quiet=True))
            if outcome.signal:
                sys.exit(128 + outcome.signal)
    return {
        f"{name}{', exchanged' * exchanged}": AMT(
            "narrow", folder / name / "weights.safetensors", published_scaling=published != exchanged
        ).eval()
        for exchanged in (False, True)
        for name, published in SCALINGS.items()
    }


def mixed(first: Tensor, second: Tensor, t: float) -> Tensor:
    """Mix two images by the time: what a network has to be better than."""
    return torch.lerp(first, second, t)


def scores(davis: Path, methods: dict[str, Draw]) -> list[dict[str, Any]]:
    """Measure the PSNR of each method at each time: a row a sequence, the mean over its frames."""
    rows = []
    for sequence in sorted(path for path in davis.iterdir() if path.is_dir()):
        found: dict[tuple[str, float], list[float]] = {(name, t): [] for name in methods for t in TIMES}
        for first, second, t, true in moments(sequence):
            for name, draw in methods.items():
                with torch.no_grad():
                    found[name, t].append(decibels(psnr(draw(first, second, t).clamp(0, 1), true)))
        by_time = {str(t): {name: float(np.mean(found[name, t])) for name in methods} for t in TIMES}
        rows.append({"sequence": sequence.name, **by_time})
    return rows


def moments(sequence: Path) -> Iterator[tuple[Tensor, Tensor, float, Tensor]]:
    """Yield two frames of a sequence, a time between them, and the true frame of that time, (1, 3, H, W)."""
    frames = [
        as_planes(cv2.resize(read_photo(file).rgb, SIZE, interpolation=cv2.INTER_AREA), "cpu")
        for file in sorted(sequence.glob("*.jpg"))
    ]
    for start in range(0, len(frames) - APART, 2 * APART):
        for t in TIMES:
            yield frames[start], frames[start + APART], t, frames[start + round(t * APART)]


def page(document: dict[str, Any]) -> str:
    """Format the results as Markdown."""
    rows = document["psnr"]
    names = list(rows[0][str(TIMES[0])])
    lines = [
        "# AMT away from the middle", "",
        f"Two narrow networks, {document['steps']} steps of {document['batch']} each at "
        f"{document['size'][1]}×{document['size'][0]}, differ in the scaling of the lookup alone. PSNR, dB, of the "
        f"frames between k and k + {APART} of {len(rows)} sequences at {SIZE[0]}×{SIZE[1]}; the difference with its "
        "standard error over the sequences. At t = 0.5 the scalings are the same: the difference there is chance.", "",
        f"| t | {' | '.join(names)} | paper - published | paper ahead |", f"|---|{'---|' * (len(names) + 2)}",
    ]  # fmt: skip
    for t in map(str, TIMES):
        means = [np.mean([row[t][name] for row in rows]) for name in names]
        ahead = np.array([row[t]["paper"] - row[t]["published"] for row in rows])
        error = ahead.std(ddof=1) / len(ahead) ** 0.5 if len(ahead) > 1 else np.nan
        lines.append(
            f"| {t} | {' | '.join(f'{mean:.2f}' for mean in means)} | {ahead.mean():+.3f} ± {error:.3f} | "
            f"{(ahead > 0).sum()} of {len(ahead)} |"
        )
    return "\n".join([*lines, ""])
