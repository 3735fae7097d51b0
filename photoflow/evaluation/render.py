"""Evaluation of methods that draw the second image of a pair from the first one and the flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photoflow.device import fast_inference
from photoflow.evaluation.baselines import splatted, warped
from photoflow.evaluation.comparison import OURS, Evaluation, Figure, Progress, compare
from photoflow.evaluation.folders import open_pairs_or_frames
from photoflow.evaluation.pictures import as_bytes, difference, embedded, flow_picture, wheel
from photoflow.evaluation.scores import decibels
from photoflow.metrics import l1, psnr, ssim
from photoflow.models.splat_generator import SplatGenerator
from photoflow.render.generated import draw, moving, thrown

Sample = dict[str, Tensor]

METHODS = {
    OURS: "the generator draws image 2 from image 1 and the flow",
    "repeat": "image 1 as it is",
    "backward_warp": "image 1 read backwards along the inverse of the flow, which is approximated by splatting the "
    "flow along itself; in its holes the flow of the same place is turned round",
    "splat": "image 1 splatted along the flow (softmax, larger motion in front), holes filled by Telea's method",
}


def evaluate_render(data: Path, network: Any, *, device: str, progress: Progress) -> Evaluation:
    """Compare ways of drawing image 2 from image 1 and the flow.

    Args:
        data: a folder in the format of FlyingChairs, with true flow, or one with frames of sequences, whose flow is
            measured.
        network: the generator, on `device`, or None.
        device: device of the network.
        progress: called after every pair.

    Returns:
        PSNR, SSIM, L1 on the scale 0…1 and on the paper's −1…1, and the PSNR of the pixels where something of image 1
        arrives (`psnr_visible`) and where nothing does (`psnr_holes`).

    Raises:
        InputError: the folder has no pairs, or one of them cannot be read.
    """
    methods: dict[str, Callable[[Sample], Tensor]] = {
        "repeat": lambda sample: sample["image1"],
        "backward_warp": lambda sample: warped(sample["image1"], sample["flow"]),
        "splat": lambda sample: splatted(sample["image1"], sample["flow"]),
    }
    if network is not None:
        methods = {OURS: lambda sample: drawn(network, sample["image1"], sample["flow"]), **methods}
    notes: list[str] = []
    scores, figures = compare(open_pairs_or_frames(data, notes, device), methods, _measure, _show, progress)
    ours = {OURS: f"{METHODS[OURS]} ({type(network).__name__})"}
    return Evaluation("render", str(data), scores, METHODS | ours, figures, notes)


def drawn(network: Any, image: Tensor, flow: Tensor) -> Tensor:
    """Draw the image after a motion by a generator.

    Args:
        network: see `photoflow.render.generated.draw`.
        image: (1, 3, H, W) in [0, 1].
        flow: (1, 2, H, W), pixels.

    Returns:
        (1, 3, H, W), float32, in [0, 1]. The splat generator gets a mask that is 1 everywhere, the pyramid generator
        takes no mask; for others the mask is all that moves, as in training on such pairs.
    """
    mask = torch.ones_like(flow[:, :1]) if isinstance(network, SplatGenerator) else moving(flow)
    moved = thrown(image, flow)
    with fast_inference(image.device.type):
        return draw(network, image, mask, flow, *moved).clamp(0, 1)


def _measure(method: str, sample: Sample, image: Tensor) -> dict[str, float]:
    target, (_, hole) = sample["image2"], thrown(sample["flow"], sample["flow"])
    return {
        "psnr": decibels(psnr(image, target)),
        "ssim": float(ssim(image, target)),
        "l1": float(l1(image, target)),
        "l1_paper": float(l1(image, target, span=2)),
        "psnr_visible": decibels(psnr(image, target, 1 - hole)),
        "psnr_holes": decibels(psnr(image, target, hole)),
    }


def _show(name: str, sample: Sample, images: Mapping[str, Tensor]) -> Sequence[Figure]:
    flow, target = sample["flow"], sample["image2"]
    full = float(flow.square().sum(1).sqrt().max())
    given = [
        ("image 1 (original)", embedded(as_bytes(sample["image1"]))),
        ("image 2 (truth)", embedded(as_bytes(target))),
        (f"flow, full colour at {full:.0f} px", embedded(flow_picture(flow, full))),
        wheel(),
    ]
    made = [(method, embedded(as_bytes(image))) for method, image in images.items()]
    errors = [(f"error of {method}", embedded(difference(image, target))) for method, image in images.items()]
    caption = "Error: mean absolute difference of the colours, black at 0, white at a quarter of the range."
    return [
        Figure(f"Original, prediction, error: {name}", caption, given, columns=4),
        Figure("", "", [panel for pair in zip(made, errors) for panel in pair], columns=4),
    ]
