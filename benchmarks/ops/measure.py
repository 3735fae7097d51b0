"""Timing of an operator: warm-up, warm and cold cache, median and spread, memory, share of the roofline.

On CUDA the time is measured between two events on the stream, on the CPU by the wall clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from photoflow.evaluation.memory import peak_mb

OURS, PLAIN, COMPILED = "photoflow", "pytorch", "pytorch compiled"
Method = Callable[..., Any]

ROUNDS = 3  # rounds in which the methods take turns, so that a short disturbance of the machine affects all of them
BUDGET = 0.33  # seconds for the repetitions of one method in a round
MOST = 70  # repetitions of one method in a round
FLUSH_BYTES = 256 << 20  # written to empty the caches: more than any last-level cache


@dataclass(frozen=True)
class Case:
    """One shape and dtype of an operator, with all methods that can compute it.

    Args:
        op: the operator's name.
        shape: the size as text, such as "1x3x1080x1920".
        inputs: arguments of every method.
        methods: the methods by name; "photoflow" and "pytorch" (the common way to write it) are always there.
        differentiable: indices of the inputs that get a gradient in the direction forward+backward; none: only forward.
        forward_bytes: bytes that the forward direction has to read and write at least once.
        both_bytes: the same for forward and backward together.
        compiled: whether "pytorch" is also measured under torch.compile.
        tolerance: largest allowed difference from our results, relative to the largest value; a method that differs
            more is not measured.
        tolerances: the same for single methods of another precision, by name; their difference is recorded.
    """

    op: str
    shape: str
    inputs: tuple[Any, ...]
    methods: Mapping[str, Method]
    differentiable: tuple[int, ...] = ()
    forward_bytes: int = 0
    both_bytes: int = 0
    compiled: bool = True
    tolerance: float = 1e-3
    tolerances: Mapping[str, float] = field(default_factory=dict)
    dtype: torch.dtype = field(default=torch.float32)


def dtype_name(case: Case) -> str:
    """Return the case's dtype as measurements have it, such as "float32"."""
    return str(case.dtype).split(".")[1]


def tensors_of(result: Any) -> list[Tensor]:
    """Collect the tensors of a method's result, which may be nested in tuples or lists."""
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors_of(part)] if isinstance(result, (tuple, list)) else []


def measure_case(case: Case, device: str, copy_rate: float | None, compiled: bool) -> Iterator[dict[str, Any]]:
    """Measure every method of a case in both directions; yield one record per measurement."""
    methods = dict(case.methods)
    if compiled and case.compiled:
        torch._dynamo.reset()
        methods[COMPILED] = torch.compile(methods[PLAIN])
    with torch.no_grad():
        expected = [t.double().cpu() for t in tensors_of(methods[OURS](*case.inputs))]
    runs: dict[tuple[str, int], dict[str, Callable[[], Any]]] = {}
    differences = {}
    for name, method in methods.items():
        differences[name] = largest_difference(method, case.inputs, expected)
        if not differences[name] <= case.tolerances.get(name, case.tolerance):
            print(f"# {case.op} {case.shape} {name}: left out, differs by {differences[name]:.2g}", flush=True)
            continue
        for direction, run, size in directions(case, method):
            runs.setdefault((direction, size), {})[name] = run
    for (direction, size), calls in runs.items():
        for name, figures in timed(calls, device).items():
            share = None if copy_rate is None or not size else size / copy_rate / (figures["median_ms"] / 1e3)
            yield {
                "op": case.op, "direction": direction, "shape": case.shape, "dtype": dtype_name(case),
                "device": device, "method": name, **figures, "difference": differences[name], "roofline_share": share,
            }  # fmt: skip


def largest_difference(method: Method, inputs: tuple[Any, ...], expected: list[Tensor]) -> float:
    """Compute the largest difference of a method's results from ours, relative to the largest value of each."""
    with torch.no_grad():
        got = [t.double().cpu() for t in tensors_of(method(*inputs))]
    pairs = zip(got, expected)  # other methods may return fewer results, such as no coverage
    return max(float((a.reshape(b.shape) - b).abs().max() / b.abs().max().clamp_min(1e-6)) for a, b in pairs)


def directions(case: Case, method: Method) -> Iterator[tuple[str, Callable[[], Any], int]]:
    """Yield the calls to time: (direction, call, bytes that it moves at least)."""

    def forward() -> Any:
        with torch.no_grad():
            return method(*case.inputs)

    yield "forward", forward, case.forward_bytes
    if not case.differentiable:
        return
    inputs = tuple(
        t.detach().requires_grad_(i in case.differentiable) if isinstance(t, Tensor) else t
        for i, t in enumerate(case.inputs)
    )
    wanted = [inputs[i] for i in case.differentiable]
    outputs = [t for t in tensors_of(method(*inputs)) if t.requires_grad]
    if not outputs:  # a method without gradients
        return
    incoming = [torch.randn_like(t) for t in outputs]

    def both() -> Any:
        results = [t for t in tensors_of(method(*inputs)) if t.requires_grad]
        return torch.autograd.grad(results, wanted, incoming, allow_unused=True)

    yield "forward+backward", both, case.both_bytes


def timed(runs: Mapping[str, Callable[[], Any]], device: str) -> dict[str, dict[str, float]]:
    """Time several calls in turns.

    Returns:
        For each name: median_ms and spread (half the distance of the quartiles) with warm caches, cold_ms,
        repetitions and peak_mb.
    """
    flush = torch.zeros(FLUSH_BYTES // 4, device=device)
    peaks: dict[str, float] = {}
    warm: dict[str, list[float]] = {name: [] for name in runs}
    cold: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in runs.items():
        for _ in range(3):
            run()
        peaks[name] = peak_mb(run, device)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            warm[name] += repeated(run, device, lambda: None, least=3)[1:]  # the first one finds cold caches
            cold[name] += repeated(run, device, lambda: flush.add_(1), least=1)
    figures = {}
    for name, times in warm.items():
        low, middle, high = statistics.quantiles(times, n=4)
        figures[name] = {
            "median_ms": middle, "spread": (high - low) / 2, "cold_ms": statistics.median(cold[name]),
            "repetitions": len(times), "peak_mb": peaks[name],
        }  # fmt: skip
    return figures


def repeated(run: Callable[[], Any], device: str, before: Callable[[], Any], least: int) -> list[float]:
    """Repeat a call within the budget; return the milliseconds of each repetition."""
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < least or (len(times) < MOST and time.perf_counter() - begun < BUDGET):
        before()
        times.append(once(run, device))
    return times


def once(run: Callable[[], Any], device: str) -> float:
    """Time one call, milliseconds."""
    if not device.startswith("cuda"):
        begun = time.perf_counter()
        run()
        return (time.perf_counter() - begun) * 1e3
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end))


def copy_rate(device: str) -> float | None:
    """Measure the bytes a second of a copy, reads plus writes; None on the CPU, where caches distort it."""
    if not device.startswith("cuda"):
        return None
    source = torch.empty(512 << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    for _ in range(3):
        target.copy_(source)
    times = repeated(lambda: target.copy_(source), device, lambda: None, least=5)
    return 2 * source.numel() / (statistics.median(times) / 1e3)
