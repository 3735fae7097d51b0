"""Script that makes the gallery's clips of motions that docs/make_media.py has none of.

python docs/make_motion_media.py PHOTOS SWAY [NAME ...]

PHOTOS has photos of pop-os/wallpapers (public domain), elementary/wallpapers (free, see its debian/copyright) and
generative-dynamics.github.io (CC0), SWAY clips of the latter, whose first frames are animated; the astronaut and
the cat come with scikit-image (public domain, CC0).
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage.data

from photoflow import Animator, motion
from photoflow.io import VideoReader, read_photo
from photoflow.motion.optimised import Handles, optimise

MEDIA = Path(__file__).parent / "media"
SKIMAGE = Path(os.path.dirname(skimage.data.__file__))
CAT = SKIMAGE / "chelsea.png"
WIDTH, SECONDS, FPS = 200, 2.5, 8
Shares = tuple[tuple[float, float], ...]


class Example(NamedTuple):
    """A photo or a clip's first frame, the motion, and where its subject is, as shares of width and height."""

    photo: str
    motion: str
    box: tuple[float, float, float, float] | None = None
    outline: Shares = ()
    seconds: float = SECONDS


LAKE = "pop-os_sean-afnan-244576.jpg"
EXAMPLES = {
    "water": Example(LAKE, "water strength=1", outline=((0, 0.56), (0.45, 0.56), (0.98, 0.58), (1, 1), (0, 1))),
    "sky": Example("pop-os_nasa-89127.jpg", "drift direction=0 speed=0.03"),
    "push": Example("pop-os_tony-webster-97532.jpg", "camera push=0.12"),
    "pull": Example("pop-os_jad-limcaco-183877.jpg", "camera pull=0.12"),
    "pan": Example(LAKE, "camera pan=0.06"),
    "orbit": Example("rose.png", "camera orbit=0.06"),
    "dolly": Example("rose.png", "camera dolly=0.3"),
    "handheld": Example("pop-os_kait-herzog-8242.jpg", "camera handheld=0.015"),
    "foliage": Example("tree2.png", "spectral:foliage wind=0.9", outline=((0.1, 0), (1, 0), (1, 1), (0, 1))),
    "vine": Example("tree_2_loop.mp4", "spectral:vine wind=0.8", box=(0.2, 0.0, 0.6, 0.93)),
    "flag": Example("astronaut.png", "spectral:flag wind=0.7", outline=((0, 0), (0.30, 0), (0.24, 0.44), (0, 0.75))),
    "cloth": Example(
        "cloth_loop.mp4",
        "spectral:cloth wind=0.9",
        outline=((0.05, 0.01), (0.3, 0), (0.6, 0.22), (1, 0.32), (1, 0.62), (0.62, 0.58), (0.27, 0.36), (0.05, 0.25)),
    ),
    "hair": Example("astronaut.png", "spectral:hair wind=0.8"),
    "lantern": Example("elementary_Mr_Lee.jpg", "spectral:lantern wind=0.9", box=(0.15, 0.1, 0.3, 0.58)),
    "clip": Example("flower.png", "spectral:pink-rose_loop.mp4"),
    "poke": Example("rose.png", "poke x=310 y=105 dx=40 dy=-6 at=0.2 hold=0.5", seconds=3),
}


def main(photos: Path, sway: Path, names: list[str]) -> None:
    animator = Animator(segmenter="u2netp")
    for name in [name for name in EXAMPLES if not names or name in names]:
        example = EXAMPLES[name]
        photo = first_frame(sway / example.photo) if example.photo.endswith(".mp4") else picture(photos, example.photo)
        text = example.motion.replace("spectral:pink-rose_loop", f"spectral:{sway / 'pink-rose_loop'}")
        clip = animator.animate(
            photo, motion.parse(text), seconds=example.seconds, fps=FPS, size=WIDTH, **subject(example, photo)
        )
        clip.save(MEDIA / f"motion_{name}.gif")
    if not names or "optimised" in names:
        clip = animator.animate(CAT, optimised(), seconds=SECONDS, fps=FPS, size=WIDTH)
        clip.save(MEDIA / "motion_optimised.gif")


def optimised() -> motion.Motion:
    """Return the flow that pulls the cat's nose, found by optimisation on the photo alone."""
    found = optimise(read_photo(CAT).rgb, Handles([(262, 240, 18, 6)], pins=[(172, 115), (318, 135)]))
    return found.motion


def picture(photos: Path, name: str) -> np.ndarray:
    """Return the photo of that name, which comes with scikit-image or lies in `photos`."""
    return read_photo(SKIMAGE / name if (SKIMAGE / name).exists() else photos / name).rgb


def first_frame(clip: Path) -> np.ndarray:
    """Return the first frame of a clip, without alpha."""
    return next(iter(VideoReader(clip)))[..., :3].copy()


def subject(example: Example, photo: np.ndarray) -> dict[str, Any]:
    """Return how `Animator.animate` is told where the subject is: by a box, by a mask, or not at all."""
    height, width = photo.shape[:2]
    if example.box:
        return {"box": tuple(np.multiply(example.box, (width, height, width, height)))}
    if example.outline:
        mask = np.zeros((height, width), np.uint8)
        points = np.multiply(example.outline, (width, height)).astype(np.int32)
        return {"mask": cv2.fillPoly(mask, [points], 255)}
    return {}


if len(sys.argv) < 3:
    sys.exit("usage: python docs/make_motion_media.py PHOTOS SWAY [NAME ...]")
main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
