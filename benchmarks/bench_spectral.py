"""Fidelity of spectral volumes to real motion, and seams of their loops.

The motion of each video of DATA, a loop, is measured, turned into its volume and back, and the video's first frame is
animated with that volume. The first frames of some videos are also animated by every preset. Motion is in pixels of the
measured size, intensity on a scale of 0 to 255.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.bench_ops import machine
from photoflow.animator import Animator
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io.atomic import write_bytes
from photoflow.metrics import intensity_steps, motion_steps, seam, seam_to_median
from photoflow.motion import Spectral, SpectralVolume
from photoflow.motion.looped import closes, with_closed_end
from photoflow.motion.trajectories import Footage, fidelity, trajectories
from photoflow.motion.wind import PRESETS
from photoflow.render.layered import LayeredRenderer, SubjectLayer

Record = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
COMPARED = ("flower_0_loop", "candle_2_loop", "cloth_loop", "tree_0_loop")  # clips on which methods are compared
# Clips whose first frames are animated by presets: left, top, width and height of the ellipse used as the subject.
SUBJECTS = {
    "pink-rose_loop": (0.26, 0.05, 0.48, 0.85), "tree_0_loop": (0.22, 0.05, 0.62, 0.8),
    "cloth_loop": (0.5, 0.05, 0.3, 0.4), "candle_2_loop": (0.45, 0.28, 0.06, 0.2),
}  # fmt: skip
SECONDS, FPS = 4.0, 15.0  # of the presets' loops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=320, help="longest side, pixels")
    parser.add_argument("--frequencies", type=int, default=16)
    parser.add_argument("--json", type=Path, default=RESULTS / "spectral.json", help=".md is written beside")
    options = parser.parse_args()
    clips = sorted(options.data.glob("*.mp4"))
    if not clips:
        parser.error(f"{options.data}: expected videos (.mp4)")
    records, methods, presets = {}, {}, {}
    for path in clips:
        footage = Footage(path, options.size)
        try:
            records[path.stem] = clip_record(footage, options.frequencies)
        except InputError as fault:
            parser.error(str(fault))
        print(path.stem, json.dumps(records[path.stem]), flush=True)
        if path.stem in COMPARED:
            methods[path.stem] = method_errors(list(footage))
            print(path.stem, json.dumps(methods[path.stem]), flush=True)
        if path.stem in SUBJECTS:
            presets[path.stem] = preset_seams(next(iter(footage)), SUBJECTS[path.stem])
            print(path.stem, json.dumps(presets[path.stem]), flush=True)
    document = {
        "machine": machine("cpu", None), "size": options.size, "frequencies": options.frequencies, "clips": records,
        "methods": methods, "presets": presets,
    }  # fmt: skip
    write_bytes(options.json, (json.dumps(document, indent=1) + "\n").encode())
    write_bytes(options.json.with_suffix(".md"), page(document).encode())


def clip_record(footage: Footage, count: int) -> Record:
    """Measure how much of a clip's motion its volume keeps, and the seams of the clip and of our loop."""
    measured = trajectories(footage)
    is_loop = closes(measured)
    kept = measured if is_loop else with_closed_end(measured)
    volume = SpectralVolume.from_trajectories(kept, len(kept) / footage.fps, count)
    error, energy = fidelity(volume, kept)
    moved, drawn = our_loop(next(iter(footage)), volume, len(kept))
    return {
        "frames": len(kept), "loops": is_loop, "displacement": float(np.hypot(*kept.swapaxes(0, 1)).mean()),
        "error": error, "kept": energy, "power": volume.power.tolist(), "seconds": volume.seconds,
        "published": {"motion": seams(motion_steps(measured)), "intensity": seams(intensity_steps(footage))},
        "ours": {"motion": seams(motion_steps(moved)), "intensity": seams(intensity_steps(drawn))},
    }  # fmt: skip


def seams(steps: list[float]) -> Record:
    return {"to_largest": seam(steps), "to_median": seam_to_median(steps), "last": steps[-1]}


def our_loop(photo: Array, volume: SpectralVolume, frames: int) -> tuple[Iterator[Array], Iterator[Array]]:
    """Return the displacements and the frames of a photo that is moved as a whole by a volume."""
    with tempfile.TemporaryDirectory() as folder:
        volume.save(Path(folder, "volume.safetensors"))
        everything = np.ones(photo.shape[:2], np.float32)
        motion = Spectral(str(Path(folder, "volume.safetensors")))
        timing: Record = {"scale": 1.0, "seconds": volume.seconds, "loop": True, "device": "cpu"}
        renderer = LayeredRenderer(photo, [SubjectLayer(photo, everything, motion, **timing)])
    times = [number * volume.seconds / frames for number in range(frames)]
    return (renderer.flow(t) for t in times), (renderer.frame(t) for t in times)


def preset_seams(photo: Array, place: tuple[float, float, float, float]) -> Record:
    """Measure the seams of a photo's loops by every preset; the subject is an ellipse, in shares of the photo."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width]
    left, top, wide, high = place
    mask = np.hypot((x / width - left) / wide * 2 - 1, (y / height - top) / high * 2 - 1) < 1
    animator, found = Animator("cpu", offline=True), {}
    for name in PRESETS:
        clip = animator.animate(photo, Spectral(name), seconds=SECONDS, fps=FPS, mask=mask)
        flows = (clip.renderer.flow(number / FPS) for number in range(len(clip)))
        found[name] = {"motion": seams(motion_steps(flows)), "intensity": seams(intensity_steps(clip))}
    return found


def method_errors(frames: list[Array]) -> Record:
    """Compare methods by the photometric error of their trajectories.

    Each frame is read at the places where a method finds the first frame's pixels, and compared with the first frame:
    mean difference of grey levels, on a scale of 0 to 255. "still" assumes no motion.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    methods: dict[str, Callable[[], Array]] = {
        "still": lambda: np.zeros((len(grey), *grey[0].shape, 2), np.float32),
        "fast": lambda: direct(grey, flow_method("fast")),
        "medium": lambda: direct(grey, flow_method("medium")),
        "medium, joined": lambda: joined(grey, flow_method("medium")),
        "full resolution, joined": lambda: joined(grey, flow_method("medium", finest=0)),
        "full resolution, not started": lambda: direct(grey, flow_method("medium", finest=0), started=False),
        "photoflow": lambda: direct(grey, flow_method("medium", finest=0)),
    }
    return {name: photometric_error(grey, make()) for name, make in methods.items()}


def flow_method(preset: str, finest: int | None = None) -> Any:
    method = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
    if finest is not None:
        method.setFinestScale(finest)
    return method


def direct(grey: list[Array], method: Any, started: bool = True) -> Array:
    """Measure flows from the first frame to each frame, started from the flow to the frame before or from zero."""
    flows = [np.zeros((*grey[0].shape, 2), np.float32)]
    for frame in grey[1:]:
        flows.append(method.calc(grey[0], frame, flows[-1].copy() if started else None))
    return np.stack(flows)


def joined(grey: list[Array], method: Any) -> Array:
    """Measure flows from frame to frame and join them to flows from the first frame."""
    flows = [np.zeros((*grey[0].shape, 2), np.float32)]
    for before, after in pairwise(grey):
        flows.append(flows[-1] + looked_up(method.calc(before, after, None), flows[-1]))
    return np.stack(flows)


def looked_up(picture: Array, flow: Array) -> Array:
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.asarray(
        cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def photometric_error(grey: list[Array], flows: Array) -> float:
    first = grey[0].astype(np.float32)
    errors = [np.abs(looked_up(frame.astype(np.float32), flow) - first).mean() for frame, flow in zip(grey, flows)]
    return float(np.mean(errors[1:]))


def page(document: Record) -> str:
    """Format the records as tables in Markdown."""
    about = document["machine"]
    lines = [
        f"`python -m benchmarks spectral DATA`, longest side {document['size']} px, {document['frequencies']} "
        f"frequencies; commit {about['commit']}, date {about['date']}",
        "",
        "Error: mean distance between measured and volume's trajectories. Seams: the step from the last frame to the "
        "first, against the largest / the median of the other steps.",
        "",
        "| clip | frames | mean displacement | error | energy kept | clip's seam, motion | ours "
        "| clip's seam, intensity | ours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, clip in document["clips"].items():
        both = [
            f"{clip[whose][what]['to_largest']:.2f} / {clip[whose][what]['to_median']:.1f}"
            for what in ("motion", "intensity") for whose in ("published", "ours")
        ]  # fmt: skip
        lines.append(
            f"| {name} | {clip['frames']} | {clip['displacement']:.2f} px | {clip['error']:.3f} px "
            f"| {clip['kept']:.1%} | {' | '.join(both)} |"
        )
    names = list(next(iter(document["methods"].values()), {}))
    if names:
        lines += ["", "Grey levels by which frames differ from the first where a method says that its pixels are:", ""]
        lines += [f"| clip | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
        for clip, errors in document["methods"].items():
            lines.append(f"| {clip} | {' | '.join(f'{errors[name]:.2f}' for name in names)} |")
        lines += [
            "",
            "Seams of loops by presets from those clips' first frames, motion and intensity, of the largest:",
            "",
        ]
        lines += [f"| photo | {' | '.join(PRESETS)} |", "|---|" + "---|" * len(PRESETS)]
        for photo, found in document["presets"].items():
            both = [
                " ".join(f"{found[name][what]['to_largest']:.2f}" for what in ("motion", "intensity"))
                for name in PRESETS
            ]
            lines.append(f"| {photo} | {' | '.join(both)} |")
    return "\n".join(lines) + "\n"
