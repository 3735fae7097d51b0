"""Evaluation of methods that draw the frame in the middle between two others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from photoflow.evaluation.baselines import middle_by_flow
from photoflow.evaluation.comparison import OURS, Evaluation, Figure, Progress, compare
from photoflow.evaluation.folders import open_triplets
from photoflow.evaluation.pictures import as_bytes, as_planes, difference, embedded
from photoflow.evaluation.scores import decibels
from photoflow.metrics import interpolation_error, psnr, ssim
from photoflow.models.dis import DIS, DISInterpolation
from photoflow.render.interpolated import FrameMaker

Sample = dict[str, Tensor]

METHODS = {
    OURS: "refined interpolation, or the network whose weights are given",
    "dis_interpolation": "both images read along OpenCV's DIS flow at full resolution, of either image's pixels: more "
    "along the one by which they look alike",
    "repeat": "the first frame as it is",
    "average": "the mean of both frames",
    "dis_warp": "the mean of both frames, each read backwards along half of OpenCV's DIS flow (medium) to it",
}


def evaluate_interpolation(data: Path, network: Any, *, device: str, progress: Progress) -> Evaluation:
    """Compare ways of drawing the middle frame.

    Args:
        data: see `photoflow.evaluation.folders.open_triplets`.
        network: `photoflow.models.dis.RefinedInterpolation`, `photoflow.models.ifnet.IFNet` or
            `photoflow.models.amt.AMT`; None: DIS interpolation is evaluated as photoflow's method.
        device: device of the network.
        progress: called after every triplet.

    Returns:
        PSNR, SSIM and the interpolation error IE.

    Raises:
        InputError: the folder has no triplets, or one of them cannot be read.
    """
    flow = DIS("medium")
    methods: dict[str, Callable[[Sample], Tensor]] = {
        "repeat": lambda sample: sample["image1"],
        "average": lambda sample: (sample["image1"] + sample["image2"]) / 2,
        "dis_warp": lambda sample: middle_by_flow(sample["image1"], sample["image2"], flow),
    }
    classical = partial(_drawn, FrameMaker(DISInterpolation(), device))
    if network is None:
        methods = {OURS: classical, **methods}
    else:
        methods = {OURS: partial(_drawn, FrameMaker(network, device)), "dis_interpolation": classical, **methods}
    scores, figures = compare(open_triplets(data, device), methods, _measure, _show, progress)
    notes = [f"photoflow is {'DIS interpolation, without weights' if network is None else type(network).__name__}."]
    return Evaluation("interpolation", str(data), scores, METHODS, figures, notes)


def _drawn(make: FrameMaker, sample: Sample) -> Tensor:
    """Draw the middle frame as the commands do, in bytes."""
    frame = make(as_bytes(sample["image1"]), as_bytes(sample["image2"]), 0.5)
    return as_planes(frame, sample["image1"].device)


def _measure(method: str, sample: Sample, frame: Tensor) -> dict[str, float]:
    target = sample["middle"]
    return {
        "psnr": decibels(psnr(frame, target)),
        "ssim": float(ssim(frame, target)),
        "ie": float(interpolation_error(frame, target)),
    }


def _show(name: str, sample: Sample, frames: Mapping[str, Tensor]) -> Sequence[Figure]:
    names = {"image1": "first frame", "middle": "middle frame (truth)", "image2": "last frame"}
    given = [(text, embedded(as_bytes(sample[key]))) for key, text in names.items()]
    panels = []
    for method, frame in frames.items():
        error = difference(frame, sample["middle"])
        panels += [(method, embedded(as_bytes(frame))), (f"error of {method}", embedded(error))]
    caption = "Error: mean absolute difference of the colours, black at 0, white at a quarter of the range."
    return [Figure(f"Truth, prediction, error: {name}", caption, given, columns=4), Figure("", "", panels, columns=4)]
