"""Evaluation of animated photos: the subject moves as planned, the background stays, and the loop closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from photoflow.animator import Animator
from photoflow.arrays import Array
from photoflow.clip import Clip
from photoflow.errors import InputError
from photoflow.evaluation.baselines import FlowMethod, filled
from photoflow.evaluation.clip_measures import ClipMeasures
from photoflow.evaluation.comparison import OURS, SHOWN, Evaluation, Figure, Progress, spread
from photoflow.evaluation.errors import ErrorCounts
from photoflow.evaluation.folders import open_photos
from photoflow.evaluation.pictures import as_planes, embedded, heat, wheel
from photoflow.evaluation.plots import lines
from photoflow.evaluation.scores import Scores
from photoflow.io import read_photo
from photoflow.models.dis import DIS
from photoflow.motion import Motion
from photoflow.segment import NoSubjectError
from photoflow.stage.composition import hole_behind, reached, rim
from photoflow.viz import draw_trajectories, flow_to_rgb, grid_points, strip

Frames = Callable[[float], Array]

METHODS = {
    OURS: "the clip that photoflow animate makes",
    "paste": "the subject as it is, moved by the mean of its planned displacements, over the photo without it, filled "
    "by Telea's method",
    "warp": "the whole photo read backwards along the planned flow, which is blurred so that nothing tears",
}
SECONDS, FPS, SIDE = 2.0, 12.0, 640
_BLUR = 0.02  # of the longer side: the standard deviation of the flow's blur in "warp"
_FULL_HEAT = 5.0  # pixels of error that are drawn white


def evaluate_animation(
    data: Path, network: Any, motion: Motion, *, device: str, offline: bool, progress: Progress
) -> Evaluation:
    """Animate photos and compare with simpler ways to move their subjects.

    Every photo is animated as a loop of `SECONDS` at `FPS` frames a second, its longest side at most `SIDE` pixels. The
    flow from the photo to each frame is measured and compared, within the subject, with the planned flow.

    Args:
        data: a photo or a folder of photos; NAME_mask.png beside NAME.* is the mask of its subject.
        network: RAFT, on `device`, which measures the flow; None: OpenCV's DIS (medium).
        motion: motion of the subject.
        device: device for rendering and for measuring the flow.
        offline: never fetch the weights that find subjects.
        progress: called after every photo.

    Returns:
        The scores of `ClipMeasures.metrics`. Photos in which no subject is found are left out, with a note.

    Raises:
        InputError: there is no photo, one cannot be read, or none has a subject.
    """
    photos, animator, scores, counts = open_photos(data), Animator(device, offline=offline), Scores(), ErrorCounts()
    measure: FlowMethod = DIS("medium") if network is None else network
    told = "OpenCV's DIS (medium)" if network is None else "RAFT"
    result = Evaluation("animation", str(data), scores, METHODS)
    result.notes.append(f"Motion is measured by {told}, between the photo and each frame.")
    shown, left_out = spread(len(photos), SHOWN), dict[str, list[str]]()
    for number, (photo, mask) in enumerate(photos):
        try:
            side = min(SIDE, max(read_photo(photo).rgb.shape))  # a small photo is not enlarged
            clip = animator.animate(photo, motion, seconds=SECONDS, fps=FPS, size=side, mask=mask)
        except NoSubjectError as error:
            reason = str(error).partition(";")[0]  # the rest is advice on animating this photo
            left_out.setdefault(reason, []).append(photo.name)
        else:
            touched = swept(clip)
            measured = {
                name: measure_clip(clip, frames, touched, measure, device) for name, frames in methods_of(clip).items()
            }
            for name, measures in measured.items():
                scores.add(name, measures.metrics())
                counts.add(name, measures.errors())
            if number in shown:
                result.figures += _show(photo.name, clip, measured)
        progress(number + 1, len(photos))
    result.notes += [f"Left out, {reason}: {', '.join(names)}" for reason, names in left_out.items()]
    if not scores.samples:
        raise InputError(f"{data}: expected a photo with a subject that can be found; {result.notes[-1]}")
    result.figures = [*counts.figures(), *result.figures]
    return result


def measure_clip(clip: Clip, frames: Frames, touched: Array, measure: FlowMethod, device: str) -> ClipMeasures:
    """Measure the frames that a method draws of a clip's photo and plan.

    Args:
        clip: the clip with its photo, its mask and its planned flow.
        frames: draws the method's frame at a time, seconds.
        touched: bool (H, W), from `swept`.
        measure: measures the flow from the photo to a frame.
        device: device on which the flow is measured.
    """
    measures = ClipMeasures(clip.photo, clip.mask > 0.5, touched)
    with torch.inference_mode():
        still = as_planes(clip.photo, device)
        for number in range(len(clip)):
            t = number / clip.fps
            frame = frames(t)
            found = measure(still, as_planes(frame, device))[0].float().cpu().numpy()
            measures.add(frame, clip.renderer.flow(t), found)
    return measures


def methods_of(clip: Clip) -> dict[str, Frames]:
    """Return the methods that draw a clip's frames, each a function of the time in seconds."""
    return {OURS: clip.renderer.frame, "paste": _pasted(clip), "warp": _warped(clip)}


def swept(clip: Clip) -> Array:
    """Return the pixels that the subject covers at any time, and the rim around its first place; bool (H, W)."""
    # A subject is drawn with what belongs to it of its rim, which the bicubic kernel widens by two pixels.
    sweep, width = hole_behind([clip.mask]), rim(clip.mask.shape) + 2
    for cutout in clip.cutouts():
        sweep |= reached(cutout[..., 3], width)
    return sweep


def _pasted(clip: Clip) -> Frames:
    behind = filled(clip.photo, hole_behind([clip.mask])).astype(np.float32)
    rgba = np.dstack([clip.photo * clip.mask[..., None], clip.mask]).astype(np.float32)
    subject = clip.mask > 0.5

    def frame(t: float) -> Array:
        x, y = clip.renderer.flow(t)[:, subject].mean(axis=1)
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        moved = cv2.warpAffine(rgba, shift, (clip.width, clip.height), flags=cv2.INTER_LINEAR)
        return np.asarray(moved[..., :3] + (1 - moved[..., 3:]) * behind + 0.5, np.uint8)

    return frame


def _warped(clip: Clip) -> Frames:
    y, x = np.mgrid[: clip.height, : clip.width].astype(np.float32)
    deviation = _BLUR * max(clip.photo.shape)

    def frame(t: float) -> Array:
        flow = [cv2.GaussianBlur(channel, (0, 0), deviation) for channel in clip.renderer.flow(t)]
        return np.asarray(
            cv2.remap(clip.photo, x - flow[0], y - flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )

    return frame


def _show(name: str, clip: Clip, measured: Mapping[str, ClipMeasures]) -> Sequence[Figure]:
    times = [number / clip.fps for number in range(len(clip))]
    points = grid_points(clip.mask, 40)
    x, y = points[:, 0].astype(int), points[:, 1].astype(int)
    flows = [clip.renderer.flow(t) for t in [*times, clip.seconds]]
    paths = np.stack([points + flow[:, y, x].T for flow in flows])
    peak = max(range(len(clip)), key=lambda number: float(np.square(flows[number]).sum()))
    full = float(np.sqrt(np.square(flows[peak]).sum(axis=0)).max()) or 1.0
    frames = strip([clip[len(clip) * number // 6] for number in range(6)])
    panels = [
        ("photo", embedded(clip.photo)),
        ("planned flow", embedded(flow_to_rgb(flows[peak], full))),
        (f"flow measured in {OURS}'s frame", embedded(flow_to_rgb(measured[OURS].flow_at(peak), full))),
        wheel(),
    ]
    for method, draw in methods_of(clip).items():
        error = measured[method].error_at(peak)
        panels += [
            (f"{method}, frame {peak + 1}", embedded(draw(times[peak]))),
            (f"{method}: EPE within the subject", embedded(heat(error, _FULL_HEAT))),
        ]
    steps = {method: measures.motion_steps() for method, measures in measured.items()}
    curves = {method: (range(1, len(own) + 1), own) for method, own in steps.items()}
    return [
        Figure(
            f"Six frames: {name}", "From left to right, a sixth of the loop apart.", [("", embedded(frames))], columns=1
        ),
        Figure(
            "Trajectories over the photo",
            "Paths of points of the subject over the whole loop, dark red to yellow. The last step of the curves leads "
            "from the last frame to the first.",
            [
                ("planned paths", embedded(draw_trajectories(clip.photo, paths.astype(np.float32)))),
                ("measured motion from frame to frame", lines(curves, "frame", "pixels to the next frame", low=0)),
            ],
            columns=2,
        ),
        Figure(
            "Planned and measured motion",
            f"At frame {peak + 1}, the farthest from the photo; full colour at {full:.0f} pixels. Heat: black at 0, "
            f"white at {_FULL_HEAT:.0f} pixels and above.",
            panels,
            columns=4,
        ),
    ]
