"""Speed of drag and release: a step of 1/60 s and the displacement of every pixel, against plain PyTorch.

The baselines advance as many oscillators by one explicit Euler step, as in the paper, and sum up the modes with one
call of PyTorch. The methods take turns at every step, so that other load on the machine affects all of them equally.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.bench_ops import machine, save_both
from photoflow.motion.simulation import Simulation
from photoflow.motion.spectral import SpectralVolume

RESULTS = Path(__file__).parent / "results"
SECONDS = 5.0
OURS = "photoflow"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="512x288", help="WIDTHxHEIGHT")
    parser.add_argument("--count", type=int, default=16, help="frequencies of the volume, 0 among them")
    parser.add_argument("--threads", type=int, help="of PyTorch; by default both 1 and as many as there are cores")
    parser.add_argument("--json", type=Path, default=RESULTS / "modal.json")
    options = parser.parse_args()
    width, height = (int(v) for v in options.size.split("x"))
    volume = noise(options.count, height, width)
    rows: list[dict[str, Any]] = []
    for threads in [options.threads] if options.threads else sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for phase, times in measured(volume).items():
            for name, values in times.items():
                rows.append({"threads": threads, "phase": phase, "method": name, **summary(values)})
                print(rows[-1], flush=True)
    about = {"size": options.size, "count": options.count, **machine("cpu", None)}
    document = {"machine": about, "measurements": rows}
    save_both(document, options.json, table(document))
    print(table(document))


def noise(count: int, height: int, width: int) -> SpectralVolume:
    """Draw a random volume whose frequencies have equal kinetic energy, so that no mode can be left out."""
    draw = np.random.default_rng(0)
    parts = draw.normal(size=(2, count, 2, height, width)).astype(np.float32)
    parts /= np.maximum(np.arange(count), 1)[:, None, None, None]
    return SpectralVolume(parts[0] + 1j * parts[1], SECONDS)


def measured(volume: SpectralVolume) -> dict[str, dict[str, list[float]]]:
    """Measure the seconds of every step with its displacement: one second of dragging, two after the release."""
    simulation = Simulation(volume)
    height, width = volume.size
    simulation.drag(width / 2, height / 2, 0.1 * width, -0.05 * height)
    methods: dict[str, Callable[[], Tensor]] = {
        OURS: lambda: stepped(simulation),
        "einsum, complex": Plain(volume).by_einsum,
        "tensordot, real": Plain(volume).by_tensordot,
    }
    phases: dict[str, dict[str, list[float]]] = {}
    for phase, steps in (("held", 60), ("released", 120)):
        times = phases[phase] = {name: [] for name in methods}
        for _ in range(steps):
            for name, method in methods.items():
                begun = time.perf_counter()
                method()
                times[name].append(time.perf_counter() - begun)
        simulation.release()
    return phases


def stepped(simulation: Simulation) -> Tensor:
    """Compute one frame as a player does: a step and the displacement."""
    simulation.step(1 / 60)
    return simulation.displacement()


class Plain:
    """The paper's equations in plain PyTorch."""

    def __init__(self, volume: SpectralVolume) -> None:
        self.modes = torch.from_numpy(volume.coefficients[1:])
        self.planes = torch.cat([self.modes.real, -self.modes.imag]).contiguous()
        self.omega = torch.from_numpy(2 * math.pi * volume.frequencies[1:])
        self.state = torch.ones((2, len(self.omega)), dtype=torch.complex128)

    def step(self) -> Tensor:
        """Advance by one explicit Euler step of 1/60 s; return the coordinates, (K - 1,) complex."""
        place, speed = self.state
        change = -(0.6 + 0.06 * self.omega**2) * speed - self.omega**2 * place
        self.state = torch.stack([place + speed / 60, speed + change / 60])
        return self.state[0].to(torch.complex64)

    def by_einsum(self) -> Tensor:
        """Compute the displacement as the real part of the sum of the complex modes."""
        return torch.einsum("kchw,k->chw", self.modes, self.step()).real

    def by_tensordot(self) -> Tensor:
        """Compute the displacement as the sum of the modes' real and imaginary parts."""
        amounts = self.step()
        return torch.tensordot(torch.cat([amounts.real, amounts.imag]), self.planes, dims=1)


def summary(seconds: list[float]) -> dict[str, float]:
    """Summarise the times: median and 95th percentile in milliseconds, and frames a second."""
    median, worst = statistics.median(seconds), float(np.percentile(seconds, 95))
    return {"median_ms": 1e3 * median, "p95_ms": 1e3 * worst, "frames_a_second": 1 / median}


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [
        f"`python -m benchmarks modal`; {about}", "",
        "| threads | phase | method | median | 95th percentile | frames a second | ÷ photoflow |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    rows = document["measurements"]
    ours = {(row["threads"], row["phase"]): row["median_ms"] for row in rows if row["method"] == OURS}
    for row in rows:
        ratio = row["median_ms"] / ours[row["threads"], row["phase"]]
        lines.append(
            f"| {row['threads']} | {row['phase']} | {row['method']} | {row['median_ms']:.2f} ms "
            f"| {row['p95_ms']:.2f} ms | {row['frames_a_second']:.0f} | {ratio:.2f}× |"
        )
    return "\n".join(lines) + "\n"
