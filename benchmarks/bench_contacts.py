"""What stands on the ground: displacement at its feet before and after contacts hold them; and rigid things.

Before: the same motions without their contacts. The subjects are those of scikit-image's pictures, found automatically,
and DAVIS's masks where its folder is given (a folder for each sequence with NNNNN.jpg and NNNNN_mask.png). Rigid things
move by `auto`: the residual is that of the best similarity transform over the displacement of their pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data

from benchmarks.bench_ops import machine, save_both
from photoflow import Animator, motion
from photoflow.arrays import Array
from photoflow.io import read_mask, read_photo
from photoflow.motion.contact import contacts
from photoflow.motion.field import MotionField
from photoflow.motion.pinned import PinnedField
from photoflow.motion.scene import Scene, moments

RESULTS = Path(__file__).parent / "results"
SECONDS = 4.0
MOVES = {"sway": motion.Sway(strength=1), "breathe": motion.Breathe(strength=1)}
STANDING = ("coffee", "cat", "astronaut")
RIGID = {"rocket": (295, 85, 60, 250)}  # scikit-image's pictures and the box (x, y, width, height) of the thing
CARS = ("car-roundabout", "drift-straight", "scooter-black")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("davis", type=Path, nargs="?", help="folder of DAVIS sequences with their masks")
    parser.add_argument("--json", type=Path, default=RESULTS / "contacts.json")
    options = parser.parse_args()
    animator = Animator(offline=True)
    feet, rigid = [], []
    for name in STANDING:
        feet += standing(name, animator.prepare(getattr(skimage.data, name)()).layers[0].alpha)
    for name, box in RIGID.items():
        rigid.append({"picture": name, **residual(animator, getattr(skimage.data, name)(), {"box": box})})
    for folder in sorted(options.davis.iterdir()) if options.davis else ():
        photo = sorted(folder.glob("*.jpg"))[0]
        mask = photo.with_name(f"{photo.stem}_mask.png")
        feet += standing(folder.name, read_mask(mask))
        if folder.name in CARS:
            rigid.append({"picture": folder.name, **residual(animator, read_photo(photo).rgb, {"mask": mask})})
    document = {"machine": {"seconds": SECONDS, **machine("cpu", None)}, "feet": feet, "rigid": rigid}
    save_both(document, options.json, table(document))
    print(table(document))


def standing(name: str, alpha: Array) -> list[dict[str, Any]]:
    """Measure a subject's feet under each motion: none where the picture does not show what it stands on."""
    scene = Scene(alpha, seconds=SECONDS, picture=(alpha.shape[1], alpha.shape[0]))
    feet = contacts(scene)
    if not feet.any():
        return []
    height = scene.box[3] - scene.box[1] + 1
    rows = []
    for kind, move in MOVES.items():
        held = move.field(scene)
        free = held._field if isinstance(held, PinnedField) else held
        at_feet = {when: largest(field, feet) for when, field in (("before", free), ("after", held))}
        rows.append({"picture": name, "motion": kind, "height": height, **at_feet,
                     "anywhere": largest(held, alpha > 0.5)})  # fmt: skip
    return rows


def largest(field: MotionField, where: Array) -> float:
    """Return the largest displacement in a loop of the pixels `where`, pixels."""
    lengths = (field.flow(float(t)).norm(dim=0).numpy()[where].max() for t in moments(SECONDS, 8, 32))
    return float(max(lengths))


def residual(animator: Animator, photo: Array, selection: dict[str, Any]) -> dict[str, Any]:
    """Animate a rigid thing by `auto`: the largest residual in the clip, and the largest displacement, pixels."""
    stage = animator.prepare(photo, **selection)
    clip = animator.animate(stage, seconds=SECONDS)
    rows, columns = np.nonzero(stage.layers[0].alpha > 0.9)
    worst, farthest = 0.0, 0.0
    for t in moments(SECONDS, 4, 16):
        flow = clip.renderer.flow(float(t))[:, rows, columns]
        worst = max(worst, float(similarity_residual(columns, rows, flow).max()))
        farthest = max(farthest, float(np.hypot(*flow).max()))
    return {"kind": stage.layers[0].kind.name, "residual": worst, "displacement": farthest}


def similarity_residual(x: Array, y: Array, flow: Array) -> Array:
    """Return what the best similarity transform, in the least-squares sense, leaves of displacements.

    Args:
        x, y: (N,) positions, pixels.
        flow: (2, N), pixels.

    Returns:
        (N,) lengths, pixels.
    """
    places = (x - x.mean()) + 1j * (y - y.mean())
    moved = flow[0] + 1j * flow[1]
    basis = np.stack([places, np.ones_like(places)], axis=1)
    solution, *_ = np.linalg.lstsq(basis, moved, rcond=None)
    return np.abs(moved - basis @ solution)


def table(document: dict[str, Any]) -> str:
    """Format the measurements as Markdown."""
    about = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [
        f"`python -m benchmarks contacts [DAVIS]`; {about}", "",
        "Largest displacement in a loop at strength 1: of the feet (contact points of the mask) before and after they "
        "are held, and of any part; shares of the subject's height.", "",
        "| picture | motion | height, px | feet before, px | | feet after, px | anywhere, px |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in document["feet"]:
        lines.append(
            f"| {row['picture']} | {row['motion']} | {row['height']:.0f} | {row['before']:.2f} "
            f"| {row['before'] / row['height']:.1%} | {row['after']:.2f} | {row['anywhere']:.1f} |"
        )
    lines += [
        "", "Rigid things under `auto`: largest residual of the best similarity transform.", "",
        "| picture | taken for | residual, px | displacement, px |", "|---|---|---|---|",
    ]  # fmt: skip
    for row in document["rigid"]:
        lines.append(f"| {row['picture']} | {row['kind']} | {row['residual']:.3f} | {row['displacement']:.1f} |")
    return "\n".join(lines) + "\n"
