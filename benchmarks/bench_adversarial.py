"""What the adversarial loss does to the splat generator: the same minutes and data without it and with it.

Both are trained by `photoflow train gan`, in turns, slice by slice, so that other load on the machine slows both alike;
then each draws the second images of FlyingChairs' pairs from the first ones and the true flow. The same command goes on
where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from benchmarks.bench_ops import machine, save_both
from photoflow.data import FlyingChairs
from photoflow.evaluation.comparison import OURS
from photoflow.evaluation.folders import open_pairs
from photoflow.evaluation.render import drawn, evaluate_render
from photoflow.models.networks import load_network
from photoflow.render.generated import thrown

RESULTS = Path(__file__).parent / "results"
MEASURES = ("psnr", "ssim", "l1_paper", "psnr_visible", "psnr_holes")
Record = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder that procedural chairs are cut from")
    parser.add_argument("chairs", type=Path, help="folder of FlyingChairs")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.05], help="of the adversarial loss")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each training")
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--size", default="128x128")
    parser.add_argument("--batch", default="4")
    parser.add_argument("--start", type=Path, help="weights that both go on from")
    parser.add_argument("--folder", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--json", type=Path, default=RESULTS / "adversarial.json", help=".md is written beside")
    options = parser.parse_args()
    runs = {weight: options.folder / f"{weight:g}" for weight in options.weights}
    for _ in range(options.slices):
        for weight, run in runs.items():
            subprocess.run([sys.executable, "-m", "photoflow", *command(options, weight, run)], check=True)
    records = [{"adversarial": weight, **progress(run), **scores(run, options.chairs)} for weight, run in runs.items()]
    said = " ".join(["photoflow", *command(options, options.weights[-1], runs[options.weights[-1]])])
    document = {"machine": machine("cpu", None), "command": said, "measurements": records}
    save_both(document, options.json, table(document))
    print(table(document))


def command(options: argparse.Namespace, weight: float, run: Path) -> list[str]:
    """Return the arguments of a slice of training."""
    settings = {"network": "splat_small", "size": options.size, "batch": options.batch, "adversarial": f"{weight:g}"}
    settings |= {"start": str(options.start)} if options.start else {}
    chosen = [text for name, value in settings.items() for text in ("--set", f"{name}={value}")]
    minutes = ["--minutes", f"{options.minutes / options.slices:g}", "--total", f"{options.minutes:g}"]
    data = ["--data", f"procedural:{options.photos}"]
    return ["train", "gan", *data, *chosen, *minutes, "--out", str(run), "--device", "cpu"]


def progress(run: Path) -> Record:
    """Return steps and minutes of a training."""
    with safe_open(run / "weights.safetensors", "pt") as file:
        done = json.loads(file.metadata()["progress"])
    return {"steps": done["step"], "minutes": done["seconds"] / 60}


def scores(run: Path, chairs: Path) -> Record:
    """Measure what the trained generator draws: `photoflow evaluate render`, and the detail in the holes."""
    network = load_network("gan", run / "weights.safetensors")
    means = evaluate_render(chairs, network, device="cpu", progress=lambda *_: None).scores.means()[OURS]
    pairs = open_pairs(chairs, [])
    return {name: means[name] for name in MEASURES} | {"detail": detail(network, pairs)}


@torch.inference_mode()
def detail(network: Any, pairs: FlyingChairs) -> float:
    """Return the mean gradient where nothing of the photo arrives, as a share of that of the true pictures there."""
    mine = true = 0.0
    for number in range(len(pairs)):
        pair = pairs[number]
        hole = thrown(pair["flow"], pair["flow"])[1]
        mine += float((gradient(drawn(network, pair["image1"], pair["flow"])) * hole).sum())
        true += float((gradient(pair["image2"]) * hole).sum())
    return mine / true


def gradient(image: Tensor) -> Tensor:
    """Return the mean over channels of the absolute differences to the right and downwards, (B, 1, H, W)."""
    across = torch.nn.functional.pad(image.diff(dim=3).abs(), (0, 1))
    down = torch.nn.functional.pad(image.diff(dim=2).abs(), (0, 0, 0, 1))
    return (across + down).mean(1, keepdim=True)


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    rows = [
        f"`python -m benchmarks adversarial PHOTOS CHAIRS`; {about}", "",
        f"Each training: `{document['command']}`,",
        "with the weight of its line. The second images of FlyingChairs' pairs from the first ones and the true flow;",
        "detail is the gradient in holes, as a share of the true pictures'.", "",
        "| adversarial | steps | minutes | PSNR, dB | SSIM | L1 on −1…1 | dB, visible | dB, holes | detail there |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in document["measurements"]:
        trained = f"| {one['adversarial']:g} | {one['steps']} | {one['minutes']:.1f}"
        measured = [f"{one['psnr']:.2f}", f"{one['ssim']:.4f}", f"{one['l1_paper']:.4f}"]
        measured += [f"{one[name]:.2f}" for name in ("psnr_visible", "psnr_holes", "detail")]
        rows.append(" | ".join([trained, *measured]) + " |")
    return "\n".join(rows) + "\n"
