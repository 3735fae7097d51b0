"""Evaluation of methods that fill the holes of clips: like the truth, and without flicker.

Of the measures that papers have, VFID is missing: it compares features of an I3D network, of which there is none here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.completion import propagated
from photoflow.completion.windows import networked
from photoflow.evaluation.baselines import filled
from photoflow.evaluation.clips import MOST, ClipFiles, open_clips
from photoflow.evaluation.comparison import SHOWN, Evaluation, Figure, Progress, spread
from photoflow.evaluation.holes import KINDS, OBJECTS, SPOTS, STROKES, lasting, spots, strokes
from photoflow.evaluation.memory import peak_mb
from photoflow.evaluation.pictures import as_planes, embedded
from photoflow.evaluation.scores import Scores, decibels
from photoflow.metrics import psnr, ssim, warping_error
from photoflow.models.dis import DIS
from photoflow.render.background import fill_background
from photoflow.viz import strip

Method = Callable[[Sequence[Array], Sequence[Array]], Iterable[Array]]
Flows = Sequence[tuple[Tensor, Tensor]]

METHODS = {
    "network": "the network whose weights are given, in windows of 10 frames with every tenth frame for reference",
    "propagation": "what other frames show, brought along the completed flow; the patch search for what none shows",
    "telea": "each frame by itself, by Telea's method with a radius of 5 pixels",
    "patches": "each frame by itself, by the patch search that fills what is behind the subject of a photo",
}
SIZE = (432, 240)  # width and height of the papers' frames
_TELEA = 5  # pixels from which Telea's method takes a colour
_COLUMNS = 4  # frames of a strip
_RIM = 4  # pixels by which a subject's mask is widened before the subject is removed: its edges are soft
_HOLE = (214, 50, 130)  # colour of holes in the page
_CAPTIONS = {
    STROKES: "The holes stand still.",
    SPOTS: "The holes stand still.",
    OBJECTS: "The holes are the masks of another clip's subject.",
}


def evaluate_completion(
    data: Path, network: Any, *, device: str, progress: Progress, size: tuple[int, int] = SIZE
) -> Evaluation:
    """Compare ways of filling the holes of clips.

    Each clip is filled three times, where the truth is known: in strokes and in spots, which stand still and depend on
    the clip's name alone, and in the masks of another clip's subject, which move. For the page alone, each method also
    removes the clip's own subject.

    Args:
        data: see `photoflow.evaluation.clips.open_clips`.
        network: `photoflow.models.e2fgvi.E2FGVI`, on `device`, or None.
        device: device of the network and of the measures.
        progress: called after every clip.
        size: (width, height) to which frames are resized.

    Returns:
        For each kind of holes: PSNR and SSIM of whole frames; the PSNR of all pixels in the clip's holes; and 100 times
        the warping error there, along the flow of the true clip. Seconds a frame are the mean over the kinds, the peak
        of additional memory the largest.

    Raises:
        InputError: the folder has no clips, or one of them cannot be read.
    """
    methods: dict[str, Method] = {"propagation": propagated, "telea": _telea, "patches": _patches}
    if network is not None:
        fixed = getattr(network, "frame_size", None)
        methods = {"network": partial(networked, network=network, size=fixed, device=device), **methods}
    clips, truth = open_clips(data), Scores()
    result = Evaluation("completion", str(data), Scores(), METHODS)
    shown = spread(len(clips), SHOWN)
    with torch.inference_mode():
        for number, clip in enumerate(clips):
            frames = clip.read(size)
            flows, holes = _flows(frames, device), _holes(clips, number, size, len(frames))
            strips: dict[str, dict[str, Array]] = {}
            for name, method in methods.items():
                values, strips[name] = _score(method, frames, holes, flows, device)
                result.scores.add(name, values)
            truth.add("truth", {kind: _flicker(frames, holes.get(kind), flows, device) for kind in KINDS})
            if number in shown:
                result.figures += _show(clip.name, frames, holes, strips)
                result.figures += _removal(clip, frames, methods, size)
            progress(number + 1, len(clips))
    result.notes += _notes(clips, size, truth.means()["truth"])
    return result


def _telea(frames: Sequence[Array], masks: Sequence[Array]) -> Iterable[Array]:
    return (filled(frame, mask, _TELEA) for frame, mask in zip(frames, masks))


def _patches(frames: Sequence[Array], masks: Sequence[Array]) -> Iterable[Array]:
    return (fill_background(frame, mask) for frame, mask in zip(frames, masks))


def _score(
    method: Method, frames: Sequence[Array], holes: Mapping[str, Sequence[Array]], flows: Flows, device: str
) -> tuple[dict[str, float], dict[str, Array]]:
    """Run a method on each kind of holes; return its scores, NaN for kinds that are not there, and strips of frames."""
    values, costs, strips = dict[str, float](), [], dict[str, Array]()
    for kind in KINDS:
        if kind not in holes:
            values |= {f"{kind}_{name}": math.nan for name in ("psnr", "ssim", "hole", "warp")}
            continue
        made, *cost = _run(method, frames, holes[kind], device)
        costs.append(cost)
        strips[kind] = _strip(made)
        own = _likeness(frames, made, holes[kind], device)
        own["warp"] = _flicker(made, holes[kind], flows, device)
        values |= {f"{kind}_{name}": value for name, value in own.items()}
    seconds, memory = zip(*costs)
    return values | {"seconds_frame": sum(seconds) / len(seconds), "memory": max(memory)}, strips


def _run(
    method: Method, frames: Sequence[Array], masks: Sequence[Array], device: str
) -> tuple[list[Array], float, float]:
    """Fill a clip; return its frames, seconds a frame, and the peak of additional memory, MiB."""
    made, seconds = list[Array](), list[float]()

    def fill() -> None:
        begun = time.perf_counter()
        made.extend(method(frames, masks))
        seconds.append(time.perf_counter() - begun)

    memory = peak_mb(fill, device)
    return made, seconds[0] / len(frames), memory


def _likeness(frames: Sequence[Array], made: Sequence[Array], masks: Sequence[Array], device: str) -> dict[str, float]:
    """Compare filled frames with the true ones."""
    pairs = [(as_planes(one, device), as_planes(true, device)) for one, true in zip(made, frames)]
    inside = [np.concatenate([frame[mask] for frame, mask in zip(own, masks)])[None] for own in (made, frames)]
    hole, truth = (as_planes(pixels, device) for pixels in inside)
    return {
        "psnr": sum(decibels(psnr(one, true)) for one, true in pairs) / len(pairs),
        "ssim": sum(float(ssim(one, true)) for one, true in pairs) / len(pairs),
        "hole": decibels(psnr(hole, truth)),
    }


def _flicker(frames: Sequence[Array], masks: Sequence[Array] | None, flows: Flows, device: str) -> float:
    """Measure 100 times the warping error of a clip within its masks; NaN where nothing is to be seen there."""
    if masks is None:
        return math.nan
    errors = []
    for (frame, following), mask, (there, back) in zip(pairwise(frames), masks, flows):
        pair = as_planes(frame, device), as_planes(following, device)
        errors.append(float(warping_error(*pair, there, back, torch.from_numpy(mask).to(device)[None, None])))
    known = [error for error in errors if not math.isnan(error)]
    return 100 * sum(known) / len(known) if known else math.nan


def _flows(frames: Sequence[Array], device: str) -> Flows:
    """Measure the flow from each frame to the next one and back, (1, 2, H, W), pixels."""
    measure, planes = DIS(whole=True), [as_planes(frame, device) for frame in frames]
    return [(measure(one, other), measure(other, one)) for one, other in pairwise(planes)]


def _holes(clips: Sequence[ClipFiles], number: int, size: tuple[int, int], count: int) -> dict[str, list[Array]]:
    """Draw the masks of `count` frames of a clip by their kind, those of objects where another clip has some."""
    shape, name = (size[1], size[0]), clips[number].name
    holes = {STROKES: [strokes(shape, name)] * count, SPOTS: [spots(shape, name)] * count}
    others = [clip for clip in (*clips[number + 1 :], *clips[:number]) if clip.masks]
    return {**holes, OBJECTS: lasting(others[0].read_masks(size), count)} if others else holes


def _show(
    name: str,
    frames: Sequence[Array],
    holes: Mapping[str, Sequence[Array]],
    strips: Mapping[str, Mapping[str, Array]],
) -> Iterator[Figure]:
    """Draw a clip with each kind of holes, as each method fills it, and as it is."""
    for kind, masks in holes.items():
        made = {method: own[kind] for method, own in strips.items()}
        rows = {"input": _strip(_cut(frames, masks)), **made, "truth": _strip(frames)}
        yield _figure(f"{name}, {kind}", _CAPTIONS[kind], rows)


def _removal(
    clip: ClipFiles, frames: Sequence[Array], methods: Mapping[str, Method], size: tuple[int, int]
) -> list[Figure]:
    """Draw how each method removes the clip's own subject, if its masks are known."""
    if not clip.masks:
        return []
    brush = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
    masks = [cv2.dilate(mask.astype(np.uint8), brush) > 0 for mask in lasting(clip.read_masks(size), len(frames))]
    rows = {"input": _strip(_cut(frames, masks)), "clip": _strip(frames)}
    rows |= {name: _strip(list(method(frames, masks))) for name, method in methods.items()}
    return [_figure(f"{clip.name} without its subject", "What is behind it is not known.", rows)]


def _cut(frames: Sequence[Array], masks: Sequence[Array]) -> list[Array]:
    """Return frames with their holes in one colour."""
    return [np.where(mask[..., None], np.array(_HOLE, np.uint8), frame) for frame, mask in zip(frames, masks)]


def _strip(frames: Sequence[Array]) -> Array:
    """Lay a few frames of a clip, evenly spaced, side by side."""
    return strip([frames[at] for at in sorted(spread(len(frames), _COLUMNS))], _COLUMNS)


def _figure(title: str, caption: str, rows: Mapping[str, Array]) -> Figure:
    return Figure(title, caption, [(name, embedded(row)) for name, row in rows.items()], columns=1)


def _notes(clips: Sequence[ClipFiles], size: tuple[int, int], truth: Mapping[str, float | None]) -> list[str]:
    """Say how the scores came about."""
    notes = [f"At most {MOST} frames of each clip, resized to {size[0]}x{size[1]}."]
    if sum(bool(clip.masks) for clip in clips) > 1:
        notes.append("Objects: the masks of another clip's subject laid on the clip, so that what is behind is known.")
    else:
        notes.append("Objects are left out: expected two clips with masks, as each takes those of another one.")
    flicker = ", ".join(f"{kind} {value:.3f}" for kind, value in truth.items() if value is not None)
    return [*notes, f"E_warp of the true clips in the same holes: {flicker}."]
