"""Script that makes the README's pictures from photos that come with scikit-image: python docs/make_media.py."""

import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from photoflow import Animator, motion
from photoflow.io import read_photo, write_image

MEDIA = Path(__file__).parent / "media"
PHOTOS = Path(os.path.dirname(skimage.data.__file__))
COFFEE = {"centre": (298, 187), "axes": (76, 46)}  # the surface of the coffee, pixels of coffee.png

GALLERY = {
    "sway": ("rocket.jpg", "sway strength=0.6", {"box": (295, 85, 60, 250)}),
    "float": ("astronaut.png", "float strength=0.8", {}),
    "breathe": ("chelsea.png", "breathe strength=1.5 period=2", {}),
    "swing": ("rocket.jpg", "swing angle=10 pivot=bottom", {"box": (295, 85, 60, 250)}),
    "bounce": ("coffee.png", "bounce height=0.12", {}),
    "translate": ("coffee.png", "translate dx=60 dy=-10", {}),
    "path": ("astronaut.png", "path points=0,0;30,-16;0,-32;-30,-16 closed=true", {}),
    "drift": ("coffee.png", "drift arrows={} anchors=298,187 period=2", {}),
}


def main() -> None:
    MEDIA.mkdir(exist_ok=True)
    animator = Animator(segmenter="u2netp")
    for name, (photo, text, selection) in GALLERY.items():
        if name == "drift":
            selection, text = {"mask": surface()}, text.format(ring())
        clip = animator.animate(PHOTOS / photo, motion.parse(text), seconds=2, fps=15, size=240, **selection)
        clip.save(MEDIA / f"{name}.gif")
    face = animator.animate(PHOTOS / "astronaut.png", motion.Face(), seconds=4, fps=12.5, size=256)  # one blink in it
    face.save(MEDIA / "face.gif")
    cat = animator.animate(PHOTOS / "chelsea.png", motion.Sway(strength=0.6), seconds=2, fps=20, size=400)
    cat.save(MEDIA / "cat.gif")
    explain(animator)


def surface() -> np.ndarray:
    """Return the mask of the coffee in its cup."""
    mask = np.zeros(cv2.imread(str(PHOTOS / "coffee.png")).shape[:2], np.uint8)
    return cv2.ellipse(mask, COFFEE["centre"], COFFEE["axes"], 0, 0, 360, 255, -1)


def ring() -> str:
    """Return arrows that go round the cup, in the notation of the command line."""
    (x, y), (a, b) = COFFEE["centre"], np.multiply(COFFEE["axes"], 0.6)
    turns = [(2 * np.pi * i / 8, 2 * np.pi * i / 8 + 0.5) for i in range(8)]
    ends = [(x + a * np.cos(s), y + b * np.sin(s), x + a * np.cos(e), y + b * np.sin(e)) for s, e in turns]
    return ";".join(",".join(f"{v:.0f}" for v in arrow) for arrow in ends)


def explain(animator: Animator) -> None:
    """Write the pictures of --explain, side by side."""
    folder = Path(tempfile.mkdtemp())
    animator.animate(PHOTOS / "astronaut.png", motion.Sway(), size=320).explain(folder)
    names = ("mask", "flow", "trajectories", "xt")
    tiles = [cv2.resize(read_photo(folder / f"{name}.png").rgb, (240, 240)) for name in names]
    write_image(MEDIA / "explain.png", np.hstack(tiles))
    shutil.rmtree(folder)


main()
