"""Samples a minute of each training source; on the CPU with one thread, where only this process's CPU time counts.

If a folder with FlyingChairs is given, the samples are also compared with it: by the lengths of their flows, and by the
end-point error of OpenCV's DIS flow, which was trained on neither.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.bench_ops import machine
from photoflow.data import Batch, FlyingChairs, ProceduralChairs, Source, open_source
from photoflow.io.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
Record = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=["procedural"], help="procedural[:FOLDER], video:FOLDER, ...")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--count", type=int, default=8, help="samples a batch")
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--chairs", type=Path, help="FlyingChairs, to compare the samples with")
    parser.add_argument("--json", type=Path, default=RESULTS / "data.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    height, width = options.size
    records: dict[str, Record] = {}
    for text in options.sources:
        source = open_source(text, size=(height, width), device=options.device)
        records[source.name] = speed(source, options.batches, options.count, options.device)
        print(source.name, records[source.name], flush=True)
    if options.chairs is not None:
        photos = [text.partition(":")[2] for text in options.sources if text.startswith("procedural")]
        twin = ProceduralChairs(photos[0] if photos and photos[0] else None, (384, 512))
        chairs = FlyingChairs(options.chairs, "all")
        for name, batches in (
            (chairs.name, [chairs[index] for index in range(len(chairs))]),
            (f"{twin.name}, 384x512", [twin.batch(number, 1) for number in range(100)]),
        ):
            records[name] = likeness(batches)
            print(name, records[name], flush=True)
    document = {"machine": machine(options.device, None), "size": [height, width], "sources": records}
    write_bytes(options.json, (json.dumps(document, indent=1) + "\n").encode())


def speed(source: Source, batches: int, count: int, device: str) -> Record:
    """Measure the median milliseconds per sample, their spread over the batches, and the mean samples a minute."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    source.batch(0, count)
    times = []
    for number in range(1, batches + 1):
        begun = clock()
        source.batch(number, count)
        if device != "cpu":
            torch.cuda.synchronize()
        times.append((clock() - begun) / count)
    low, middle, high = statistics.quantiles(times, n=4)
    return {
        "milliseconds": 1e3 * middle, "spread": 500 * (high - low), "samples_a_minute": 60 / statistics.fmean(times),
        "device": device, "batch": count,
    }  # fmt: skip


def likeness(batches: list[Batch]) -> Record:
    """Measure the lengths of the flows, pixels, and the end-point error of DIS (medium)."""
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    lengths, errors = [], []
    for batch in batches:
        first, second = (grey(batch[name]) for name in ("image1", "image2"))
        true = batch["flow"][0].permute(1, 2, 0).numpy()
        errors.append(float(np.linalg.norm(method.calc(first, second, None) - true, axis=2).mean()))
        lengths.append(np.linalg.norm(true, axis=2)[::4, ::4].ravel())
    everything = np.concatenate(lengths)
    return {
        "samples": len(batches),
        "flow_quantiles": dict(zip(map(str, QUANTILES), np.quantile(everything, QUANTILES).round(2).tolist())),
        "flow_mean": float(everything.mean()),
        "mean_lengths": np.quantile([length.mean() for length in lengths], QUANTILES).round(2).tolist(),
        "dis_epe": statistics.fmean(errors), "dis_epe_median": statistics.median(errors),
    }  # fmt: skip


def grey(image: torch.Tensor) -> np.ndarray[Any, Any]:
    rgb = image[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
