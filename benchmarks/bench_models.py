"""Speed and memory of the networks, compared with twins from torchvision or in plain PyTorch.

A twin has the same weights. RAFT's twin is torchvision's RAFT; the twin of any other network is the same network with
its operators replaced by grid_sample, an all-pairs volume, and convolutions with a sigmoid.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import optical_flow

from benchmarks.bench_ops import machine, milliseconds, save_both
from benchmarks.models.plain import plain_operators
from benchmarks.ops.measure import OURS, copy_rate, once
from photoflow.evaluation.memory import peak_mb
from photoflow.models.amt import AMT
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.raft import RAFT

RESULTS = Path(__file__).parent / "results"
SIZES = ((384, 512), (720, 1280), (1080, 1920))
WARM_UP = (128, 160)
BUDGET = 10.0  # seconds for the repetitions of both
REPETITIONS = (3, 15)  # of each, at least and at most
LONG = 8.0  # seconds; slower networks are called only once more after the first call
Record = dict[str, Any]
Call = Callable[[Tensor, Tensor], Tensor]  # two pictures of a pair


@dataclass(frozen=True)
class Twins:
    """A network and its twin.

    Args:
        ours: the network.
        twin: computes the same.
        rival: name of the twin in the results.
    """

    ours: Call
    twin: Call
    rival: str


def raft(size: str, device: str) -> Twins:
    """Build our RAFT and torchvision's from one random state dict."""
    theirs: nn.Module = getattr(optical_flow, f"raft_{size}")(weights=None)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(theirs.state_dict(), Path(folder, "raft.pth"))
        ours: nn.Module = getattr(RAFT, size)(weights=Path(folder, "raft.pth"))
    ours, theirs = ours.eval().to(device), theirs.eval().to(device)
    return Twins(ours, lambda one, two: theirs(2 * one - 1, 2 * two - 1)[-1], "torchvision")


def plain_twin(network: nn.Module, device: str) -> Twins:
    """Pair a network with itself, run with plain operators."""
    network = network.eval().to(device)

    def ours(one: Tensor, two: Tensor) -> Tensor:
        if isinstance(network, FlowGuidedGenerator):  # a flow of up to 20 pixels; the values of the mask do not matter
            plane = one[:, :1]
            return network(one, plane, 20 * torch.cat([plane, plane], 1), two, plane)
        return network(one, two)  # type: ignore[no-any-return]

    def twin(one: Tensor, two: Tensor) -> Tensor:
        with plain_operators():
            return ours(one, two)

    return Twins(ours, twin, "pytorch")


NETWORKS: dict[str, Callable[[str], Twins]] = {
    "RAFT small": lambda device: raft("small", device),
    "RAFT large": lambda device: raft("large", device),
    "IFNet v4.26": lambda device: plain_twin(IFNet("v4.26"), device),
    "IFNet v4.6": lambda device: plain_twin(IFNet("v4.6"), device),
    "AMT-S": lambda device: plain_twin(AMT("S"), device),
    "AMT-L": lambda device: plain_twin(AMT("L"), device),
    "AMT-G": lambda device: plain_twin(AMT("G"), device),
    "generator": lambda device: plain_twin(FlowGuidedGenerator(), device),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--quick", action="store_true", help="the smallest size, float32")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="one network; may be repeated")
    parser.add_argument("--json", type=Path, help="by default the committed results, except with --quick or --network")
    options = parser.parse_args()
    target = options.json
    if target is None and not options.quick and not options.network:
        target = RESULTS / f"models_{options.device}.json"
    dtypes = [torch.float32] if options.quick else [torch.float32, *fast_halves(options.device)]
    records: list[Record] = []
    document = {"machine": machine(options.device, copy_rate(options.device)), "measurements": records}
    for size in SIZES[:1] if options.quick else SIZES:
        for name, dtype in product(options.network or NETWORKS, dtypes):
            for record in both(name, size, dtype, options.device):
                records.append(record)
                print(line(record), flush=True)
            if target is not None:  # after every case, so that an interrupted run leaves its results
                save_both(document, target, table(document))
    print(table(document))


def fast_halves(device: str) -> list[torch.dtype]:
    """Return the half precision worth measuring; none on a processor that emulates it."""
    if device == "cuda":
        return [torch.float16]
    able = torch.cpu.get_capabilities()
    return [torch.bfloat16] if able.get("amx_bf16") or able.get("avx512_bf16") else []


def both(name: str, size: tuple[int, int], dtype: torch.dtype, device: str) -> list[Record]:
    """Measure a network and its twin, called in turns, so that other load on the machine slows both equally."""
    with contestants(device) as call:
        firsts: dict[bool, First] = {ours: call(begin, ours, name, size, dtype, device) for ours in (True, False)}
        times: dict[bool, list[float]] = {ours: [] for ours in firsts}
        begun, (least, most) = time.perf_counter(), REPETITIONS
        if max(first.milliseconds for first in firsts.values()) > LONG * 1e3:
            least = 1
        while len(times[True]) < least or (len(times[True]) < most and time.perf_counter() - begun < BUDGET):
            for ours in times:
                times[ours].append(call(again, ours, device))
    about = {"network": name, "size": f"{size[0]}x{size[1]}", "dtype": str(dtype).split(".")[1], "device": device}
    expected = firsts[True].result
    return [
        {
            **about, "method": first.method, **statistics_of(times[ours]), "peak_mb": first.peak_mb,
            "difference": float((first.result - expected).abs().mean() / expected.std()),
        }
        for ours, first in firsts.items()
    ]  # fmt: skip


@contextmanager
def contestants(device: str) -> Iterator[Callable[..., Any]]:
    """Yield a function that calls `begin` or `again` for either of the two networks.

    On the CPU each has its own process: memory that one leaves free would make the other appear to need less.
    """
    if device != "cpu":
        yield lambda function, *arguments: function(*arguments)
        return
    with ExitStack() as stack:
        processes = [stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for _ in range(2)]
        yield lambda function, ours, *arguments: processes[ours].submit(function, ours, *arguments).result()


class First(NamedTuple):
    """Outcome of the first call of a method: its result in float32 on the CPU, its time, and its memory in MiB.

    The time decides how often the method is called, but is not counted, as the first call has to allocate memory.
    """

    method: str
    result: Tensor
    milliseconds: float
    peak_mb: float


_calls: dict[bool, Callable[[], Tensor]] = {}  # of this process: True for our network, False for the twin


def begin(ours: bool, name: str, size: tuple[int, int], dtype: torch.dtype, device: str) -> First:
    """Build one of the two networks and call it for a pair of pictures."""
    torch.manual_seed(0)
    twins = NETWORKS[name](device)
    network = twins.ours if ours else twins.twin
    pair = moved_pictures(size, device)

    def call(one: Tensor, two: Tensor) -> Tensor:
        with torch.inference_mode(), nullcontext() if dtype == torch.float32 else torch.autocast(device, dtype):
            return network(one, two)

    call(*moved_pictures(WARM_UP, device))
    _calls[ours] = lambda: call(*pair)
    results: list[Tensor] = []
    times: list[float] = []
    peak = peak_mb(lambda: times.append(once(lambda: results.append(_calls[ours]()), device)), device)
    return First(OURS if ours else twins.rival, results[0].float().cpu(), times[0], peak)


def again(ours: bool, device: str) -> float:
    """Measure another call, milliseconds."""
    return once(_calls[ours], device)


def statistics_of(times: list[float]) -> dict[str, float]:
    """Compute median_ms, spread (half the distance of the quartiles) and repetitions."""
    low, middle, high = statistics.quantiles(times, n=4) if len(times) > 1 else 3 * times
    return {"median_ms": middle, "spread": (high - low) / 2, "repetitions": len(times)}


def moved_pictures(size: tuple[int, int], device: str) -> list[Tensor]:
    """Draw a smooth picture with some noise, and the same moved by (3, 5) pixels: (1, 3, H, W) in [0, 1] each."""
    height, width = size
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2)
    picture = nn.functional.interpolate(coarse, size, mode="bicubic")
    picture = (picture + 0.1 * torch.rand(1, 3, height, width)).clamp(0, 1).to(device)
    return [picture, picture.roll((3, 5), (2, 3))]


def line(record: Record) -> str:
    """Format a measurement in one line."""
    return (
        f"{record['network']:12} {record['size']:10} {record['dtype']:8} {record['method']:12} "
        f"{record['median_ms']:10.1f} ms ± {record['spread']:.1f} ({record['repetitions']})  "
        f"{record['peak_mb']:6.0f} MB  differs by {record['difference']:.1e}"
    )


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown, ours beside its twin."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in document["measurements"]:
        groups.setdefault((record["network"], record["size"], record["dtype"]), []).append(record)
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    rows = [
        f"`python -m benchmarks models --device {document['machine']['device']}`; {about}", "",
        "| network | size | dtype | photoflow | twin | ratio | memory | twin's | differ by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for key, (ours, twin) in groups.items():
        rows.append(
            f"| {' | '.join(key)} | {milliseconds(ours)} | {twin['method']} {milliseconds(twin)} | "
            f"{twin['median_ms'] / ours['median_ms']:.2f}× | {ours['peak_mb']:.0f} MB | {twin['peak_mb']:.0f} MB | "
            f"{twin['difference']:.0e} |"
        )
    return "\n".join(rows) + "\n"
