"""Quality of the learned prior: amplitudes like those of its training set, motion in the right places, closed loops.

The prior's samples for photos of the training data are compared with other samples of that data by the root mean square
amplitude over a picture: for each frequency in a two-sample Kolmogorov-Smirnov test, and for all frequencies together
in a permutation test of the largest Kolmogorov-Smirnov statistic. Motion is in pixels of the size that the prior was
trained at.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from benchmarks.bench_ops import machine
from photoflow.arrays import Array
from photoflow.data import open_source
from photoflow.data.spectral_volumes import SAMPLES
from photoflow.io.atomic import write_bytes
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import Guidance, SpectralPrior, amplitudes, displacement, velocity

Record = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
TOGETHER = 8  # samples drawn at once
APART = SAMPLES // TOGETHER  # batches this far apart come from different records, so that they are independent
LEVEL = 0.05  # level of significance
LOOP = 0.8  # length of the loops, as a share of a record
STEERED = ((0.0, 0), (10.0, 0), (200.0, 0), (0.0, 3), (10.0, 3))  # u of the self-guidance, corrections
LOOPED = 4  # photos that loops are drawn for
EXCHANGES = 2000  # random permutations of the test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", action="append", required=True, help="as for `photoflow train spectral`; repeat")
    parser.add_argument("--samples", type=int, default=48, help="as many of each data, at most")
    parser.add_argument("--steps", type=int, default=80, help="of the diffusion; fewer make motions smaller")
    parser.add_argument("--picture", type=float, default=0.0, help="w, how much more than once the picture counts")
    parser.add_argument("--json", type=Path, default=RESULTS / "prior.json", help=".md is written beside")
    options = parser.parse_args()
    prior: SpectralPrior = load_network("spectral", options.weights)
    height, width = prior.vae.size.tolist()
    sources = [open_source(text, size=(height, width), seed=0) for text in options.data]
    count = max(1, options.samples // (TOGETHER * len(sources)))

    def volumes(first: int) -> tuple[Tensor, Tensor]:
        batches = [source.batch((first + number) * APART, TOGETHER) for source in sources for number in range(count)]
        return tuple(torch.cat([batch[name] for batch in batches]) for name in ("image", "volume"))

    images, true = volumes(0)
    _, other = volumes(count)
    counted = Guidance(picture=options.picture)
    drawn = torch.cat([prior(part, options.steps, counted, torch.Generator().manual_seed(number))
                       for number, part in enumerate(images.split(TOGETHER))])  # fmt: skip
    with torch.no_grad():
        decoded = prior.volume(prior.latents(true), (height, width))
    volumes_by_name = {"set": other, "drawn": drawn, "decoded": decoded, "again": true}
    measured = {
        "amplitudes": lambda: spreads(volumes_by_name),
        "together": lambda: alike_at_all(volumes_by_name),
        "places": lambda: places(drawn, true),
        "loops": lambda: loops(prior, images[:: -(-len(images) // LOOPED)], options.steps),
    }
    document: Record = {
        "machine": machine("cpu", None), "weights": options.weights.name, "data": [source.name for source in sources],
        "size": [height, width], "samples": len(images), "steps": options.steps, "picture": options.picture,
    }  # fmt: skip
    for name, measure in measured.items():
        document[name] = measure()
        print(name, json.dumps(document[name]), flush=True)
    write_bytes(options.json, (json.dumps(document, indent=1) + "\n").encode())
    write_bytes(options.json.with_suffix(".md"), page(document).encode())


def spreads(volumes: dict[str, Tensor]) -> list[Record]:
    """Compare amplitudes at each frequency: the medians, and the p-values of having the first set's distribution."""
    spread = {name: amplitudes(volume).double().numpy() for name, volume in volumes.items()}
    reference, *others = spread
    return [
        {
            "median": {name: float(np.median(values[:, k])) for name, values in spread.items()},
            "p": {name: float(ks_2samp(spread[name][:, k], spread[reference][:, k]).pvalue) for name in others},
        }
        for k in range(spread[reference].shape[1])
    ]


def alike_at_all(volumes: dict[str, Tensor]) -> dict[str, float]:
    """Compute the p-value of each set but the first having the first one's distribution, over all frequencies.

    Separate tests at 5 % reject on average 0.8 of 16 frequencies of equal distribution. This permutation test rejects
    such a set in 5 % of all cases, however strongly the frequencies of a sample depend on each other.
    """
    spread = {name: amplitudes(volume).double().numpy() for name, volume in volumes.items()}
    reference, *others = spread
    chance = np.random.default_rng(0)

    def p_value(name: str) -> float:
        both = np.concatenate([spread[reference], spread[name]])
        count = len(spread[reference])
        seen = largest_statistic(both[:count], both[count:])
        exchanged = [chance.permutation(both) for _ in range(EXCHANGES)]
        as_large = sum(largest_statistic(one[:count], one[count:]) >= seen - 1e-9 for one in exchanged)
        return (1 + as_large) / (1 + EXCHANGES)

    return {name: p_value(name) for name in others}


def largest_statistic(first: Array, second: Array) -> float:
    """Compute the largest Kolmogorov-Smirnov statistic over all columns of two sets of samples.

    The statistic of a column is the largest difference between the two sets' shares of samples below a value.
    """
    order = np.concatenate([first, second]).argsort(0)
    steps = np.where(order < len(first), 1 / len(first), -1 / len(second))
    return float(np.abs(steps.cumsum(0)).max())


def places(drawn: Tensor, true: Tensor) -> Record:
    """Measure whether the drawn motion is in the right places.

    Returns:
        The share of energy in the half of the pixels that moves most in truth: of the samples drawn for the photo
        ("own"), of the truth ("true"), and of samples drawn for another photo ("another's").
    """
    energy = {name: volume[:, 1:].square().sum((1, 2)).flatten(1) for name, volume in (("own", drawn), ("true", true))}
    energy["another's"] = energy["own"].roll(1, 0)
    moves = energy["true"] > energy["true"].median(dim=1, keepdim=True).values
    return {name: float((values * moves).sum(1).div(values.sum(1)).mean()) for name, values in energy.items()}


def loops(prior: SpectralPrior, images: Tensor, steps: int) -> list[Record]:
    """Measure the gap and the jump in velocity at the seam of loops, and their motion, for each way of steering."""
    records = []
    for closing, corrections in STEERED:
        guidance = Guidance(loop=LOOP, closing=closing, corrections=corrections)
        volume = prior(images, steps, guidance, torch.Generator().manual_seed(7))
        moments = [displacement(volume, share) for share in np.linspace(0, LOOP, 32)]
        jump = velocity(volume, LOOP) - velocity(volume, 0.0)
        moved = torch.stack(moments)
        records.append({
            "closing": closing, "corrections": corrections,
            "gap": float((moments[-1] - moments[0]).norm(dim=1).mean()),
            "jump": float(jump.norm(dim=1).mean()),
            "motion": float((moved - moved.mean(0)).norm(dim=2).mean()),
        })  # fmt: skip
    return records


def page(document: Record) -> str:
    """Format the results as Markdown."""
    size, rows = document["size"], document["amplitudes"]
    alike = {name: sum(row["p"][name] >= LEVEL for row in rows) for name in rows[0]["p"]}
    lines = [
        "# The learned prior of natural motion", "",
        f"{document['samples']} samples at {size[1]}×{size[0]}, {document['steps']} steps, "
        f"w = {document['picture']:g}.",
        "",
        "Amplitudes, and p of being spread as in the training set: of what is drawn, of what the autoencoder makes of "
        "other samples of the set, and of those samples. Frequencies where p is at least "
        f"{LEVEL}: {alike['drawn']}, {alike['decoded']} and {alike['again']} of {len(rows)} "
        f"({LEVEL * len(rows):.1f} fail by chance where all is alike). All frequencies together: p " + ", ".join(
            f"{document['together'][name]:.3f}" for name in ("drawn", "decoded", "again")) + ".", "",
        "| frequency | set, px | drawn, px | p drawn | p decoded | p set |", "|---|---|---|---|---|---|",
        *(f"| {k} | {row['median']['set']:.4f} | {row['median']['drawn']:.4f} | "
          + " | ".join(f"{row['p'][name]:.3f}" for name in ("drawn", "decoded", "again")) + " |"
          for k, row in enumerate(rows)), "",
        "Share of the energy in the half of the pixels that truly moves most: " + ", ".join(
            f"{name} {share:.2f}" for name, share in document["places"].items()) + ".", "",
        f"Loops of {LOOP:g} of a record, by self-guidance (gap: from the last moment to the first; jump: "
        "of the velocity, px a frame; motion: mean distance from the mean place):", "",
        "| u | corrections | gap, px | jump, px | motion, px | gap / motion |", "|---|---|---|---|---|---|",
        *(f"| {row['closing']:g} | {row['corrections']} | {row['gap']:.3f} | {row['jump']:.4f} | {row['motion']:.3f} | "
          f"{row['gap'] / row['motion']:.3f} |" for row in document["loops"]), "",
    ]  # fmt: skip
    return "\n".join(lines)
