"""Natural motion from one picture: the paper's ablations that can be measured without its feature networks.

The first frame of each clip of CLIPS is animated in several ways, and the clips are compared with the true ones as
sets: by the energy spectrum of the motion that is measured in them, and by the Fréchet distances of a small network of
random weights, for pictures and for 16 and 32 frames. Random features tell moving clips from still ones and sharp from
blurred ones, but are no FID and no FVD.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.bench_ops import machine
from photoflow.arrays import Array
from photoflow.evaluation.clip_features import Features
from photoflow.evaluation.dynamics import ClipSet, motion_of, scores_of, volume_of
from photoflow.evaluation.moving_clips import MovingClip, centre, moving_clips
from photoflow.evaluation.photo_motion import photo_frames
from photoflow.io.atomic import write_bytes
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import SpectralPrior
from photoflow.motion import SpectralVolume
from photoflow.motion.learned import sample_volume

Record = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
# Way -> what moves the photo (the prior's draw, or the clip's own motion), frequencies, rendering.
WAYS = {
    "prior, K=16": ("drawn", 16, "layers"), "prior, K=8": ("drawn", 8, "layers"),
    "prior, K=4": ("drawn", 4, "layers"), "prior, independent": ("independent", 16, "layers"),
    "prior, w=1.75": ("guided", 16, "layers"), "prior, softmax splat": ("drawn", 16, "softmax"),
    "prior, average splat": ("drawn", 16, "average"), "measured, K=24": ("measured", 24, "layers"),
    "measured, K=16": ("measured", 16, "layers"), "measured, K=8": ("measured", 8, "layers"),
    "measured, K=4": ("measured", 4, "layers"), "measured, softmax splat": ("measured", 16, "softmax"),
    "measured, average splat": ("measured", 16, "average"),
}  # fmt: skip
DRAWS: dict[str, Record] = {"drawn": {}, "independent": {"coordinated": False}, "guided": {"guidance": 1.75}}


class RandomFeatures(nn.Module):
    """Random convolutions, and the mean and deviation of what they give; for pictures or for windows of frames."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        make: Any = nn.Conv2d if dimensions == 2 else nn.Conv3d
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 64)):
            layers += [make(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        torch.manual_seed(0)
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, seen: Tensor) -> Tensor:
        found = self.layers(2 * seen - 1).flatten(2)
        return torch.cat([found.mean(2), found.std(2)], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--weights", type=Path, help="the prior's; those that ship where none are given")
    parser.add_argument("--steps", type=int, default=100, help="of the diffusion")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each clip; those that are shorter are left out")
    parser.add_argument("--every", type=int, default=1, help="one clip of so many is taken")
    parser.add_argument("--json", type=Path, default=RESULTS / "dynamics.json", help=".md is written beside")
    options = parser.parse_args()
    prior: SpectralPrior = load_network("spectral", options.weights)
    features = Features(RandomFeatures(2), RandomFeatures(3))
    sets: dict[str, ClipSet] = {name: ClipSet(features, "cpu") for name in ("truth", "repeat", *WAYS)}
    for number, total, clip in moving_clips(options.clips, options.seconds, "all", []):
        if number % options.every:
            continue
        motion = motion_of(clip.frames)
        sets["truth"].add(centre(clip.frames), _centre(motion))
        sets["repeat"].add(centre(clip.frames[:1]) * len(clip.frames), 0 * _centre(motion))
        volumes = _volumes(prior, clip, motion, options.steps, number)
        for name, (source, count, render) in WAYS.items():
            volume = dataclasses.replace(volumes[source], coefficients=volumes[source].coefficients[:count])
            made = centre(photo_frames(clip.frames[0], volume, clip.times, render))
            sets[name].add(made, motion_of(made))
        print(f"{number + 1} of {total}: {clip.name}", flush=True)
        write(options.json, sets, options.seconds, options.steps)


def write(target: Path, sets: dict[str, ClipSet], seconds: float, steps: int) -> None:
    """Write the results of the clips so far."""
    truth, made = sets["truth"], {name: own for name, own in sets.items() if name != "truth"}
    document: Record = {
        "machine": machine("cpu", None), "clips": len(truth.powers), "seconds": seconds, "steps": steps,
        "true_motion": truth.moved, "ways": {name: scores_of(own, truth) for name, own in made.items()},
        "power": {name: own.power.tolist() for name, own in sets.items()},
    }  # fmt: skip
    write_bytes(target, (json.dumps(document, indent=1) + "\n").encode())
    write_bytes(target.with_suffix(".md"), page(document).encode())


def _centre(motion: Array) -> Array:
    return np.stack(centre(motion))


def _volumes(prior: SpectralPrior, clip: MovingClip, motion: Array, steps: int, seed: int) -> dict[str, SpectralVolume]:
    """Return the motions of a clip's first frame: its own, and those that are drawn for it."""
    image = torch.from_numpy(clip.frames[0]).permute(2, 0, 1)[None].float() / 255
    seconds = len(clip.frames) / clip.rate
    drawn = {name: sample_volume(prior, image, seed=seed, steps=steps, **given) for name, given in DRAWS.items()}
    return {"measured": volume_of(motion, seconds, 24), **drawn}


def page(document: Record) -> str:
    """Format the results as Markdown."""
    ways = document["ways"]
    columns = ("spectrum", "moved", "fid", "kid", "fvd", "fvd32")
    lines = [
        "# Natural motion from one picture: ablations", "",
        "`python -m benchmarks dynamics CLIPS [--every N] [--steps N]`", "",
        f"{document['clips']} clips, their first {document['seconds']:g} seconds, {document['steps']} steps. The "
        f"motion of the true clips is {document['true_motion']:.3f} px (root mean square).",
        "",
        "FID, KID, FVD and DTFVD of the paper need Inception v3 and I3D networks whose weights are not at hand. "
        "Random: the same distances by a small network of random weights; they rank nothing but what that sees.",
        "",
        "| way | energy spectrum, decades off | motion, px | random FID | random KID ×100 | random FVD, 16 | "
        "random FVD, 32 |", "|---|---|---|---|---|---|---|",
        *(f"| {name} | " + " | ".join(f"{own[column]:.3g}" for column in columns) + " |" for name, own in ways.items()),
        "",
    ]  # fmt: skip
    return "\n".join(lines)
