"""Speed of the operators, compared with plain PyTorch, the same compiled, and other implementations."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

import photoflow
from benchmarks.ops.measure import COMPILED, OURS, PLAIN, copy_rate, dtype_name, measure_case

FOLDER = Path(__file__).parent
Record = dict[str, Any]


def main() -> None:
    names = sorted(path.stem.removeprefix("bench_") for path in (FOLDER / "ops").glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--quick", action="store_true", help="the central cases, float32, nothing compiled")
    parser.add_argument("--op", choices=names, action="append", help="one operator; may be repeated")
    parser.add_argument("--json", type=Path, help="by default the committed results, except with --quick or --op")
    parser.add_argument("--resume", action="store_true", help="keep what --json has, and measure the cases it lacks")
    options = parser.parse_args()
    if options.resume and options.json is None:
        parser.error("--resume: expected --json")
    records: list[Record] = kept(options.json) if options.resume else []
    known = {(record["op"], record["shape"], record["dtype"]) for record in records}
    rate = copy_rate(options.device)
    document = {"machine": machine(options.device, rate), "measurements": records}
    for name in options.op or names:
        module = importlib.import_module(f"benchmarks.ops.bench_{name}")
        for case in module.cases(options.device, options.quick):
            if (case.op, case.shape, dtype_name(case)) in known:
                continue
            found = list(measure_case(case, options.device, rate, not options.quick))
            records += found
            for record in found:
                print(line(record), flush=True)
            if options.json is not None:  # after every case, so that an interrupted run leaves its results
                save_both(document, options.json, table(document))
    target = options.json
    if target is None and not options.quick and not options.op:
        target = FOLDER / "results" / f"ops_{options.device}.json"
    if target is not None:
        save_both(document, target, table(document))
    print(table(document))


def kept(path: Path) -> list[Record]:
    """Read the measurements that an earlier run left in a file, if it is there."""
    return list(json.loads(path.read_text())["measurements"]) if path.exists() else []


def save_both(document: dict[str, Any], target: Path, markdown: str) -> None:
    """Write the measurements and their table, each whole or not at all."""
    for path, text in ((target, json.dumps(document, indent=1) + "\n"), (target.with_suffix(".md"), markdown)):
        beside = path.with_name(path.name + ".part")
        beside.write_text(text)
        beside.replace(path)


def line(record: Record) -> str:
    """Format a measurement in one line."""
    return (
        f"{record['op']:18} {record['direction']:16} {record['shape']:18} {record['dtype']:8} {record['method']:24} "
        f"{record['median_ms']:9.3f} ms ± {record['spread']:.3f}  cold {record['cold_ms']:.3f}  "
        f"{record['peak_mb']:.0f} MB"
    )


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown: ours beside the faster of plain and compiled PyTorch, and the peers."""
    groups: dict[tuple[str, ...], dict[str, Record]] = {}
    for record in document["measurements"]:
        key = tuple(record[name] for name in ("op", "direction", "shape", "dtype"))
        groups.setdefault(key, {})[record["method"]] = record
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    rows = [
        f"`python -m benchmarks ops --device {document['machine']['device']}`; {about}", "",
        "| operator | direction | shape | dtype | photoflow | best PyTorch | ratio | memory | roofline | peers |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (op, direction, shape, dtype), methods in groups.items():
        rows.append(f"| {op} | {direction} | {shape} | {dtype} | {row(methods)} |")
    return "\n".join(rows) + "\n"


def row(methods: dict[str, Record]) -> str:
    """Format the part of a table row that compares the methods."""
    ours = methods[OURS]
    rivals = [methods[name] for name in (PLAIN, COMPILED) if name in methods]
    best = min(rivals, key=lambda record: float(record["median_ms"])) if rivals else None
    share = f"{ours['roofline_share']:.0%}" if ours["roofline_share"] else "–"
    return " | ".join(
        [
            milliseconds(ours),
            f"{milliseconds(best)}{' (compiled)' if best['method'] == COMPILED else ''}" if best else "–",
            f"{best['median_ms'] / ours['median_ms']:.2f}×" if best else "–",
            f"{ours['peak_mb']:.0f} MB" + (f" / {best['peak_mb']:.0f} MB" if best else ""),
            share,
            peers(methods.values(), ours) or "–",
        ]
    )


def peers(methods: Iterable[Record], ours: Record) -> str:
    """Format the other implementations with their ratio to ours."""
    others = [record for record in methods if record["method"] not in (OURS, PLAIN, COMPILED)]
    return ", ".join(f"{o['method']} {milliseconds(o)} ({o['median_ms'] / ours['median_ms']:.2f}×)" for o in others)


def milliseconds(record: Record) -> str:
    return f"{record['median_ms']:.3g} ms"


def machine(device: str, rate: float | None) -> dict[str, Any]:
    """Describe the machine that the numbers were measured on."""
    info: dict[str, Any] = {"device": device, "name": device_name(device), "cores": os.cpu_count()}
    if rate:
        info["copy"] = f"{rate / 1e9:.0f} GB/s"
    return info | {
        "torch": torch.__version__, "build": photoflow.build_info()["summary"], "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def commit() -> str:
    """Return the commit of these sources; nothing where git does not tell."""
    command = ["git", "-C", str(FOLDER), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def device_name(device: str) -> str:
    """Return the name of the processor or the GPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [s for s in info.read_text().splitlines() if s.startswith("model name")] if info.exists() else []
    return names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()
