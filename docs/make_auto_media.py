"""Script that makes the README's first pictures, and docs/rose.html, without an option.

python docs/make_auto_media.py PHOTOS
"""

import os
import sys
from pathlib import Path

import skimage.data

from photoflow import Animator

MEDIA = Path(__file__).parent / "media"
ASTRONAUT = Path(os.path.dirname(skimage.data.__file__), "astronaut.png")


def main(photos: Path) -> None:
    animator = Animator(segmenter="u2netp")
    chosen = {
        "auto_lake": photos / "pop-os_sean-afnan-244576.jpg", "auto_rose": photos / "rose.png",
        "auto_astronaut": ASTRONAUT,
    }  # fmt: skip
    for name, photo in chosen.items():
        animator.animate(photo, fps=12, size=(300, 200)).save(MEDIA / f"{name}.gif")
    animator.animate(chosen["auto_rose"], size=960).save(MEDIA.parent / "rose.html")


if len(sys.argv) != 2:
    sys.exit("usage: python docs/make_auto_media.py PHOTOS")
main(Path(sys.argv[1]))
