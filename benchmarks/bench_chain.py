"""Time and memory of the first paper's chain, stage by stage: Mask R-CNN, RAFT, the flow-guided generator, RIFE.

Every stage works on what the one before it made. The weights are random: time and memory do not depend on them, but for
the number of objects, so that Mask R-CNN keeps as many as it may.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bench_models import moved_pictures
from benchmarks.bench_ops import machine, save_both
from benchmarks.ops.measure import once
from photoflow.device import fast_inference
from photoflow.evaluation.memory import peak_mb
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.mask_rcnn import coco_classes, make_network
from photoflow.models.raft import RAFT
from photoflow.ops import backward_warp, occlusion

RESULTS = Path(__file__).parent / "results"
SIZES = ((384, 512), (720, 1280))
SHIFT = (40.0, 24.0)  # pixels, right and down
BUDGET = 15.0  # seconds for the repetitions of a stage
REPETITIONS = (2, 9)
OFTEN = {"segmentation": "photo", "blueprint": "keyframe", "execution": "keyframe", "smoothing": "frame between"}
Record = dict[str, Any]


class Chain:
    """The networks, and what they make of a photo.

    Args:
        size: height and width of the photo.
        device: where.
    """

    def __init__(self, size: tuple[int, int], device: str) -> None:
        torch.manual_seed(0)
        self.networks: dict[str, nn.Module] = {
            "segmentation": make_network("v2", len(coco_classes()), min_score=0.0),
            "blueprint": RAFT.large(),
            "execution": FlowGuidedGenerator(),
            "smoothing": IFNet("v4.26"),
        }
        for network in self.networks.values():
            network.eval().to(device)
        self.device = device
        self.made: dict[str, Any] = {"photo": moved_pictures(size, device)[0]}

    def stages(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield the stages in order: name, and a call that does it; what it returned last is there for the next."""
        yield "segmentation", self._segmented
        yield "blueprint", self._planned
        yield "execution", self._executed
        yield "smoothing", self._smoothed

    def _segmented(self) -> None:
        masks = self.networks["segmentation"]([self.made["photo"][0]])[0]["masks"]
        self.made["mask"] = masks[:1] if len(masks) else torch.ones_like(self.made["photo"][:, :1])

    def _planned(self) -> None:
        photo = self.made["photo"]
        shift = photo.new_tensor(SHIFT)[None, :, None, None].expand(1, 2, *photo.shape[2:])
        shifted = backward_warp(photo, -shift)
        raft = self.networks["blueprint"]
        self.made["flow"], self.made["back"] = raft(photo, shifted).float(), raft(shifted, photo).float()

    def _executed(self) -> None:
        photo, flow = self.made["photo"], self.made["flow"]
        hidden = 1 - occlusion(flow, self.made["back"])[1]
        warped = backward_warp(photo, -flow)
        self.made["drawn"] = self.networks["execution"](photo, self.made["mask"], flow, warped, hidden).float()

    def _smoothed(self) -> Tensor:
        frame: Tensor = self.networks["smoothing"](self.made["photo"], self.made["drawn"])
        return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--quick", action="store_true", help="the smallest size alone")
    parser.add_argument("--json", type=Path, help="by default the committed results, except with --quick")
    options = parser.parse_args()
    target = options.json
    if target is None and not options.quick:
        target = RESULTS / ("chain.json" if options.device == "cpu" else "chain_cuda.json")
    records: list[Record] = []
    about = machine(options.device, None) | {"threads": torch.get_num_threads()}
    document = {"machine": about, "measurements": records}
    for size in SIZES[:1] if options.quick else SIZES:
        chain = Chain(size, options.device)
        for name, call in chain.stages():
            records.append(measured(chain, name, call, size))
            print(records[-1], flush=True)
            if target is not None:  # after every stage, so that an interrupted run leaves its results
                save_both(document, target, table(document))
    print(table(document))


def measured(chain: Chain, name: str, call: Callable[[], Any], size: tuple[int, int]) -> Record:
    """Measure a stage: seconds, their spread (half the distance of the quartiles), and its memory at the peak."""

    @torch.inference_mode()
    def run() -> None:
        with fast_inference(chain.device):
            call()

    peak = peak_mb(run, chain.device)  # the first call, which also does what is slow once
    begun, times, before = time.perf_counter(), list[float](), time.process_time()
    least, most = REPETITIONS
    while len(times) < least or (len(times) < most and time.perf_counter() - begun < BUDGET):
        times.append(once(run, chain.device) / 1e3)
    low, middle, high = statistics.quantiles(times, n=4)
    return {
        "stage": name, "size": f"{size[0]}x{size[1]}", "network": type(chain.networks[name]).__name__,
        "seconds": middle, "spread": (high - low) / 2, "repetitions": len(times),
        "processor_seconds": (time.process_time() - before) / len(times), "peak_mb": peak,
        "weights_mb": sum(p.numel() * p.element_size() for p in chain.networks[name].parameters()) / 2**20,
    }  # fmt: skip


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    rows = [
        f"`python -m benchmarks chain --device {document['machine']['device']}`; {about}", "",
        "The first paper's chain with random weights: each stage works on what the one before it made. The blueprint",
        "is RAFT large, both ways, 12 updates each. Seconds of the processor are summed over its cores; other load on",
        "the machine lengthens them less than the others. Memory is what a stage needs beside the weights.", "",
        "| size | stage | network | once a | seconds | of the processor | memory | weights |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in document["measurements"]:
        times = f"{one['seconds']:.3g} ± {one['spread']:.2g} | {one['processor_seconds']:.3g}"
        rows.append(
            f"| {one['size']} | {one['stage']} | {one['network']} | {OFTEN[one['stage']]} | {times} | "
            f"{one['peak_mb']:.0f} MB | {one['weights_mb']:.0f} MB |"
        )
    return "\n".join(rows) + "\n"
