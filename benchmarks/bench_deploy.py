"""What cheaper forms of the networks cost: size, time and quality of bfloat16, int8, ONNX and pruned ones.

All forms of a network see the same pictures, in turns, so that other load on the machine slows all equally. PyTorch in
float32 is the measure of all times. Of refined DIS and refined interpolation the candidates, which are the same for
all forms, are measured before; the time is that of the choice among them.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.bench_ops import machine, save_both
from photoflow.deploy import PRECISIONS, export, prune
from photoflow.evaluation.folders import open_pairs, open_triplets
from photoflow.metrics import endpoint_error, epe, psnr
from photoflow.models.dis.flow_candidates import measured
from photoflow.models.networks import load_network
from photoflow.train.checkpoint import write_weights
from photoflow.weights.loading import shipped

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("gan", "flow", "refined")
KEPT = (0.75, 0.5, 0.25)  # shares of the channels
Record = dict[str, Any]
Sample = dict[str, Any]


class Variant(NamedTuple):
    """A form of a network: its file, and what it makes of a sample."""

    file: Path
    call: Callable[[Sample], Tensor]


class Task(NamedTuple):
    """What a network is measured by."""

    samples: list[Sample]
    score: Callable[[Sample, Tensor], float]
    measure: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chairs", type=Path, help="folder of FlyingChairs: generator and flow")
    parser.add_argument("triplets", type=Path, help="folder of Middlebury: interpolation")
    parser.add_argument("--photos", type=Path, help="that int8's ranges are measured on")
    parser.add_argument("--trained", type=Path, help="a pruned generator that was trained on")
    parser.add_argument("--network", choices=NETWORKS, help="this one alone; what is known of the others stays")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULTS / "deploy.json", help=".md is written beside")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    document: Record = {"machine": machine("cpu", None), "threads": options.threads}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for kind in [options.network] if options.network else NETWORKS:
            task = task_of(kind, options.triplets if kind == "refined" else options.chairs)
            variants = variants_of(kind, Path(folder), options)
            records = compared(kind, task, variants)
            if options.network or kind != NETWORKS[0]:
                records += [
                    one for one in json.loads(options.json.read_bytes())["measurements"] if one["network"] != kind
                ]
            document["measurements"] = sorted(records, key=lambda one: NETWORKS.index(one["network"]))
            save_both(document, options.json, table(document))
    print(table(document))


def task_of(kind: str, data: Path) -> Task:
    """Read all samples of a network's task."""
    if kind == "refined":
        triplets = open_triplets(data, "cpu")
        samples: list[Sample] = [triplets[number] for number in range(len(triplets))]
        task = Task(samples, lambda sample, frame: float(psnr(frame, sample["middle"])), "PSNR, dB")
    else:
        pairs = open_pairs(data, [])
        samples = [pairs[number] for number in range(len(pairs))]
        if kind == "gan":
            return Task(samples, lambda sample, frame: float(psnr(frame, sample["image2"])), "PSNR, dB")
        task = Task(samples, lambda sample, flow: float(epe(endpoint_error(flow, sample["flow"]))), "EPE, px")
    for sample in samples:
        sample["candidates"] = measured(sample["image1"], sample["image2"])
    return task


def variants_of(kind: str, folder: Path, options: argparse.Namespace) -> dict[str, Variant]:
    """Make all forms of a network, PyTorch's in float32 first."""
    network, file = load_network(kind, None), shipped(kind)
    assert file is not None
    variants = {
        "PyTorch, float32": Variant(file, caller(kind, network)),
        "PyTorch, bfloat16": Variant(file, caller(kind, network, halved=True)),
    }

    def add(name: str, source: nn.Module, precisions: Iterable[str]) -> None:
        for precision in precisions:
            path = folder / f"{kind}-{len(variants)}.onnx"
            export(source, path, precision=precision, photos=options.photos if precision == "int8" else None)
            variants[f"{name}ONNX, {precision}"] = Variant(path, caller(kind, in_onnx(kind, network, path, options)))

    add("", network, PRECISIONS)
    if kind == "gan":
        for keep in KEPT:
            path = folder / f"pruned-{keep:g}.safetensors"
            write_weights(path, prune(network, keep), {"format": "pt"})
            variants[f"{keep:g} of the channels"] = Variant(path, caller(kind, load_network(kind, path)))
        if options.trained:
            trained = load_network(kind, options.trained)
            variants["trained on"] = Variant(options.trained, caller(kind, trained))
            add("trained on, ", trained, ("float32", "int8"))
    return variants


def caller(kind: str, network: Any, *, halved: bool = False) -> Callable[[Sample], Tensor]:
    """Return a function that calls a network for a sample."""

    def call(sample: Sample) -> Tensor:
        one, two = sample["image1"], sample["image2"]
        with torch.autocast("cpu", torch.bfloat16) if halved else nullcontext():
            if kind == "gan":
                return network(one, torch.ones_like(one[:, :1]), sample["flow"])  # type: ignore[no-any-return]
            return network(one, two, candidates=sample["candidates"])  # type: ignore[no-any-return]

    return call


def in_onnx(kind: str, network: nn.Module, path: Path, options: argparse.Namespace) -> Any:
    """Return a network's like that computes by an ONNX file."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = {name: one.contiguous().numpy() for name, one in zip(names, inputs)}
        return torch.from_numpy(session.run(None, given)[0])

    if kind == "gan":
        return run
    copied = copy.copy(network)
    setattr(copied, "scores" if kind == "flow" else "logits", run)
    return copied


def compared(kind: str, task: Task, variants: Mapping[str, Variant]) -> list[Record]:
    """Measure all forms of a network on all samples, in turns."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    scores: dict[str, list[float]] = {name: [] for name in variants}
    for sample in task.samples:
        for variant in variants.values():
            variant.call(sample)  # the first call for a size prepares for it
        for name, variant in variants.items():
            begun = time.perf_counter()
            result = variant.call(sample)
            times[name].append(time.perf_counter() - begun)
            scores[name].append(task.score(sample, result))
    first = next(iter(variants))
    found = []
    for name, variant in variants.items():
        ratio = statistics.median(own / base for own, base in zip(times[name], times[first]))
        record = {
            "network": kind, "variant": name, "megabytes": variant.file.stat().st_size / 1e6,
            "seconds": statistics.median(times[name]), "time": ratio, "measure": task.measure,
            "score": statistics.mean(scores[name]),
            "difference": statistics.mean(scores[name]) - statistics.mean(scores[first]),
        }  # fmt: skip
        print(line(record), flush=True)
        found.append(record)
    return found


def line(record: Record) -> str:
    """Format a measurement as a row."""
    return (
        f"| {record['network']} | {record['variant']} | {record['megabytes']:.3f} | {record['time']:.2f} | "
        f"{record['score']:.3f} | {record['difference']:+.3f} | {record['measure']} |"
    )


def table(document: Record) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    rows = [
        f"`python -m benchmarks deploy CHAIRS MIDDLEBURY`, {document['threads']} thread(s); {about}", "",
        "PyTorch's files are in float16, as they ship, and computed with as said. Time: of one call, times that of "
        "PyTorch in float32.", "",
        "| network | form | MB | time | score | difference | |", "|---|---|---|---|---|---|---|",
        *(line(record) for record in document["measurements"]),
    ]  # fmt: skip
    return "\n".join(rows) + "\n"
