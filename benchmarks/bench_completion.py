"""Holes of clips filled by the propagation, beside each frame by itself: PSNR, flicker, seconds and memory.

Each folder is evaluated as by `photoflow evaluate completion`: one of DAVIS's clips which the propagation was tuned on,
say, and one of clips that it has never seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.bench_ops import machine, save_both
from photoflow.evaluation import write_report
from photoflow.evaluation.clips import open_clips
from photoflow.evaluation.completion import evaluate_completion
from photoflow.evaluation.holes import KINDS

RESULTS = Path(__file__).parent / "results"
OURS, SIMPLE = "propagation", ("telea", "patches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of clips")
    parser.add_argument("--json", type=Path, default=RESULTS / "completion.json")
    parser.add_argument("--report", type=Path, help="folder for a page with pictures of each folder's clips")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    document = {
        "machine": {**machine("cpu", None), "threads": 1},
        "folders": [measured(folder, options.report) for folder in options.folders],
    }
    save_both(document, options.json, table(document))
    print(table(document))


def measured(folder: Path, report: Path | None) -> dict[str, Any]:
    """Evaluate a folder: every score of every clip, by method."""

    def progress(done: int, total: int) -> None:
        print(f"{folder.name}: {done} of {total}", flush=True)

    result = evaluate_completion(folder, None, device="cpu", progress=progress)
    if report:
        report.mkdir(exist_ok=True)
        write_report(report / folder.name, result)
    scores = {method: {name: list(own) for name, own in of.items()} for method, of in result.scores.values.items()}
    clips = [clip.name for clip in open_clips(folder)]
    return {
        "folder": folder.name, "clips": clips, "notes": result.notes, "means": result.scores.means(), "scores": scores,
    }  # fmt: skip


def table(document: dict[str, Any]) -> str:
    """Format the means and each clip's gain as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    names = " ".join(folder["folder"].upper() for folder in document["folders"])
    lines = [f"`python -m benchmarks completion {names}`; {about}", ""]
    for folder in document["folders"]:
        lines += [f"## {folder['folder']}: {', '.join(folder['clips'])}", "", *folder["notes"], ""]
        lines += [*means(folder), "", *clips(folder), ""]
    return "\n".join(lines)


def means(folder: dict[str, Any]) -> list[str]:
    """List the means of every method, kind by kind."""
    lines = [
        "| holes | method | PSNR, dB | SSIM | PSNR in holes, dB | E_warp there, ×10⁻² | seconds a frame | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        for method, own in folder["means"].items():
            lines.append(
                f"| {kind} | {method} | {own[f'{kind}_psnr']:.2f} | {own[f'{kind}_ssim']:.4f} | "
                f"{own[f'{kind}_hole']:.2f} | {own[f'{kind}_warp']:.3f} | {own['seconds_frame']:.2f} | "
                f"{own['memory']:.0f} |"
            )
    return lines


def clips(folder: dict[str, Any]) -> list[str]:
    """List what the propagation gains over each other method, clip by clip, and where it loses."""
    pairs = [(kind, method) for kind in KINDS for method in SIMPLE]
    heads = [f"{kind} − {method}, dB" for kind, method in pairs] + [f"{kind} ÷ {method}" for kind, method in pairs]
    lines = [
        "The propagation beside each other method: difference of the PSNR in the holes, ratio of E_warp there.", "",
        f"| clip | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|",
    ]  # fmt: skip
    losses = []
    for name, own in (*by_clip(folder).items(), ("mean", folder["means"])):
        gains = [own[OURS][f"{kind}_hole"] - own[method][f"{kind}_hole"] for kind, method in pairs]
        shares = [own[OURS][f"{kind}_warp"] / own[method][f"{kind}_warp"] for kind, method in pairs]
        cells = [*(f"{gain:+.2f}" for gain in gains), *(f"{share:.2f}" for share in shares)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        losses += [f"{name}, {kind}, to {method}" for (kind, method), gain in zip(pairs, gains) if gain < 0]
    return [*lines, "", f"It loses in PSNR: {'; '.join(losses) or 'nowhere'}."]


def by_clip(folder: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores by clip, method and name."""
    return {
        clip: {method: {name: own[at] for name, own in of.items()} for method, of in folder["scores"].items()}
        for at, clip in enumerate(folder["clips"])
    }
