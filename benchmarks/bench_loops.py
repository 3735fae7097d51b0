"""The price of loops that the learned prior is steered into, and how well they close.

A loop is drawn for the first frame of some clips of CLIPS, free, steered as photoflow does it, and with the paper's
settings. CPU seconds are those of one process, and do not depend on what else runs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.bench_ops import machine
from photoflow.arrays import Array
from photoflow.evaluation.moving_clips import moving_clips
from photoflow.io.atomic import write_bytes
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import Guidance, SpectralPrior, displacement, fitting, shrunk

Record = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
LOOP = 0.8  # share of the record that a loop takes
LOOPS = {
    "free": Guidance(),
    "photoflow's: u = 10, 3 corrections": Guidance(loop=LOOP),
    "the paper's: w = 1.75, u = 200": Guidance(1.75, LOOP, 200.0, 2, 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--weights", type=Path, help="the prior's; those that ship where none are given")
    parser.add_argument("--photos", type=int, default=1, help="that loops are drawn for")
    parser.add_argument("--steps", type=int, default=500, help="of the diffusion; as many seconds as steps")
    parser.add_argument("--json", type=Path, default=RESULTS / "loops.json", help=".md is written beside")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior: SpectralPrior = load_network("spectral", options.weights)
    photos = [clip.frames[0] for _, _, clip in moving_clips(options.clips, 0.5, "all", [])]
    chosen = photos[:: -(-len(photos) // options.photos)]
    height, width = prior.vae.size.tolist()
    document: Record = {
        "machine": machine("cpu", None), "photos": len(chosen), "size": [height, width], "steps": options.steps,
        "loops": loops(prior, chosen, options.steps),
    }  # fmt: skip
    write_bytes(options.json, (json.dumps(document, indent=1) + "\n").encode())
    write_bytes(options.json.with_suffix(".md"), page(document).encode())


def loops(prior: SpectralPrior, photos: list[Array], steps: int) -> dict[str, Record]:
    """Measure the gap at the seam of loops, their motion, and the CPU seconds that one takes."""
    records = {}
    for name, guidance in LOOPS.items():
        gaps, moved, seconds = [], [], []
        for photo in photos:
            image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
            height, width = prior.vae.size.tolist()
            seen = shrunk(image, fitting(photo.shape[:2], height * width, prior.config.vae.factor))
            begun = time.process_time()
            volume = prior(seen, steps, guidance, torch.Generator().manual_seed(7))
            seconds.append(time.process_time() - begun)
            moments = torch.stack([displacement(volume, LOOP * share / 31) for share in range(32)])
            gaps.append(float((moments[-1] - moments[0]).norm(dim=1).mean()))
            moved.append(float((moments - moments.mean(0)).norm(dim=2).mean()))
        records[name] = {
            "seconds": sum(seconds) / len(seconds), "gap": sum(gaps) / len(gaps), "motion": sum(moved) / len(moved),
        }  # fmt: skip
        print(name, records[name], flush=True)
    return records


def page(document: Record) -> str:
    """Format the results as Markdown."""
    found, size = document["loops"], document["size"]
    free = found["free"]["seconds"]
    lines = [
        "# Loops of the learned prior", "",
        "`python -m benchmarks loops CLIPS [--photos N] [--steps N]`", "",
        f"{document['photos']} photos at about {size[1]}×{size[0]}, loops of {LOOP:g} of a record, "
        f"{document['steps']} steps; CPU seconds of one thread for one photo, which grow with the steps (gap: from the "
        "last moment to the first; motion: mean distance from the mean place).", "",
        "| loop | CPU seconds | times the free one | gap, px | motion, px | gap / motion |",
        "|---|---|---|---|---|---|",
        *(f"| {name} | {own['seconds']:.1f} | {own['seconds'] / free:.1f} | {own['gap']:.4f} | {own['motion']:.4f} | "
          f"{own['gap'] / own['motion']:.3f} |" for name, own in found.items()), "",
    ]  # fmt: skip
    return "\n".join(lines)
