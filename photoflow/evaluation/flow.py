"""Evaluation of methods that measure the flow between two images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from photoflow import ops
from photoflow.evaluation.baselines import FlowMethod, farneback, inverse, zero_flow
from photoflow.evaluation.comparison import OURS, Evaluation, Figure, Progress, compare
from photoflow.evaluation.errors import ErrorCounts
from photoflow.evaluation.folders import open_pairs
from photoflow.evaluation.pictures import as_bytes, embedded, flow_picture, heat, wheel
from photoflow.metrics import endpoint_error, epe, outlier_rate
from photoflow.models.dis import DIS, PRESETS
from photoflow.models.networks import load_network

Sample = dict[str, Tensor]

METHODS = {
    OURS: "what `photoflow flow` measures by: a network",
    "zero": "nothing moves",
    **{f"dis_{preset}": f"OpenCV's DIS, preset {preset}" for preset in PRESETS},
    "farneback": "OpenCV's Farnebäck flow",
}
THRESHOLDS = (1, 3, 5)
_FULL_HEAT = 10.0  # pixels of error that are drawn white


def evaluate_flow(data: Path, network: Any, *, device: str, progress: Progress) -> Evaluation:
    """Compare ways of measuring the flow of a pair.

    Args:
        data: a folder in the format of FlyingChairs.
        network: RAFT or `photoflow.models.dis.RefinedDIS`, on `device`; None: the one whose weights come with
            photoflow.
        device: device of the network.
        progress: called after every pair.

    Returns:
        EPE of all pixels, of those that are visible in image 2 and of those that are occluded, and the shares of
        pixels whose error is above 1, 3 and 5 pixels.

    Raises:
        InputError: the folder has no pairs, or one of them cannot be read.
    """
    network = load_network("flow", None).to(device) if network is None else network
    measured: dict[str, FlowMethod] = {
        OURS: network,
        "zero": zero_flow,
        **{f"dis_{preset}": DIS(preset) for preset in PRESETS},
        "farneback": farneback,
    }
    methods: dict[str, Callable[[Sample], Tensor]] = {
        name: partial(_of_pair, method) for name, method in measured.items()
    }
    counts = ErrorCounts()

    def measure(method: str, sample: Sample, flow: Tensor) -> dict[str, float]:
        error, seen = endpoint_error(flow, sample["flow"]), visible(sample["flow"])
        counts.add(method, error)
        return {
            "epe": float(epe(error)),
            "epe_visible": float(epe(error, seen)),
            "epe_occluded": float(epe(error, 1 - seen)),
            **{f"above_{pixels}px": float(outlier_rate(error, pixels)) for pixels in THRESHOLDS},
        }

    notes = [f"photoflow is {type(network).__name__}."]
    scores, figures = compare(open_pairs(data, notes, device), methods, measure, _show, progress)
    return Evaluation("flow", str(data), scores, METHODS, [*counts.figures(), *figures], notes)


def visible(flow: Tensor) -> Tensor:
    """Find the pixels of image 1 that are visible in image 2, from the flow alone.

    The inverse flow is approximated by splatting the flow along itself, larger motion in front. A pixel that the
    inverse does not lead back to is hidden by another one, or has left the picture.

    Args:
        flow: (B, 2, H, W), the true flow, pixels.

    Returns:
        (B, 1, H, W), 1 = visible.
    """
    return ops.occlusion(flow, inverse(flow)[0])[0]


def _of_pair(method: FlowMethod, sample: Sample) -> Tensor:
    return method(sample["image1"], sample["image2"])


def _show(name: str, sample: Sample, flows: Mapping[str, Tensor]) -> Sequence[Figure]:
    truth = sample["flow"]
    full = float(truth.nan_to_num().square().sum(1).sqrt().max())
    given = [
        ("image 1", embedded(as_bytes(sample["image1"]))),
        ("image 2", embedded(as_bytes(sample["image2"]))),
        (f"true flow, full colour at {full:.0f} px", embedded(flow_picture(truth, full))),
        wheel(),
    ]
    panels = []
    for method, flow in flows.items():
        error = endpoint_error(flow, truth)[0, 0].cpu().numpy()
        panels += [
            (method, embedded(flow_picture(flow, full))),
            (f"error of {method}", embedded(heat(error, _FULL_HEAT))),
        ]
    caption = f"Error: EPE as a heat map, black at 0, white at {_FULL_HEAT:.0f} pixels and above."
    return [Figure(f"Flow and its error: {name}", caption, given, columns=4), Figure("", "", panels, columns=4)]
