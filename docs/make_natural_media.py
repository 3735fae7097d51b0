"""Script that makes the README's pictures of natural motion: python docs/make_natural_media.py SWAY.

SWAY is a folder with tree_0_loop.mp4, pink-rose_loop.mp4 and candle_2_loop.mp4 (CC0, generative-dynamics.github.io).
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from photoflow import Animator, motion, viz
from photoflow.io import VideoReader, write_image
from photoflow.motion.trajectories import Footage, measure
from photoflow.motion.wind import wind_volume

MEDIA = Path(__file__).parent / "media"
WIDTH, SECONDS, GAP = 320, 4, 8


class Example(NamedTuple):
    """A clip, the preset that animates its first frame, and the row that is shown, as a share of the height."""

    clip: str
    preset: str
    line: float
    box: tuple[float, float, float, float] | None  # around the subject, as shares; None: the flames


EXAMPLES = {
    "tree": Example("tree_0_loop.mp4", "tree", 0.30, (0.20, 0.02, 0.68, 0.96)),
    "rose": Example("pink-rose_loop.mp4", "plant", 0.30, (0.20, 0.02, 0.56, 0.92)),
    "candle": Example("candle_2_loop.mp4", "candle", 0.40, None),
}


def main(folder: Path) -> None:
    animator, rows, plots = Animator(segmenter="grabcut"), [], []
    for name, example in EXAMPLES.items():
        reader = VideoReader(folder / example.clip)
        clip = [smaller(frame) for frame in reader]
        height, width = clip[0].shape[:2]
        subject: dict[str, Any] = {"mask": flames(clip[0])}
        if example.box:
            subject = {"box": tuple(np.multiply(example.box, (width, height, width, height)))}
        ours = animator.animate(clip[0], motion.Spectral(example.preset), seconds=SECONDS, fps=reader.fps, **subject)
        animator.animate(clip[0], motion.Spectral(example.preset), seconds=SECONDS, fps=12, **subject).save(
            MEDIA / f"{name}.gif"
        )
        row = round(example.line * height)
        slices = [viz.xt_slice(frames, row=row) for frames in (clip[: len(ours)], ours)]
        rows.append(cv2.copyMakeBorder(beside(slices), 0, GAP, 0, 0, cv2.BORDER_CONSTANT, value=(255,) * 3))
        plots.append(spectra(folder / example.clip, example.preset, ours.mask))
    write_image(MEDIA / "natural.png", np.vstack(rows)[:-GAP])
    write_image(MEDIA / "spectra.png", np.hstack(plots))


def spectra(clip: Path, preset: str, mask: np.ndarray) -> np.ndarray:
    """Plot the power of the clip's motion and of the preset's, over the subject, frequency by frequency."""
    found = measure(Footage(clip, WIDTH)).volume
    blown = wind_volume(mask, preset, seconds=found.seconds, count=found.count)
    volumes = {clip.name: found.masked(mask), f"spectral:{preset}": blown.masked(mask)}
    # Frequency 0 is left out: the mean is a position, not a motion.
    curves = {name: (list(one.frequencies[1:]), list(one.power[1:])) for name, one in volumes.items()}
    return viz.spectrum_plot(curves, WIDTH, 220)


def smaller(frame: np.ndarray) -> np.ndarray:
    height = round(frame.shape[0] * WIDTH / frame.shape[1])
    return cv2.resize(frame[..., :3], (WIDTH, height), interpolation=cv2.INTER_AREA)


def flames(photo: np.ndarray) -> np.ndarray:
    """Return the mask of all nearly white pixels and the glow around them; the wax is red."""
    white = (photo.min(axis=2) > 110).astype(np.uint8)
    return 255 * cv2.dilate(white, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))


def beside(pictures: list[np.ndarray]) -> np.ndarray:
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    return np.hstack([pictures[0], gap, pictures[1]])


main(Path(sys.argv[1]))
