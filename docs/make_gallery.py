"""Script that animates every photo of a folder without any option, and shows what came of it.

python docs/make_gallery.py PHOTOS      writes docs/gallery/NAME.jpg for each, and docs/gallery.md

A strip holds the photo, the frame halfway through the clip, and the displacements there as colours (direction as hue,
length as saturation, the longest of that photo full). Verdicts, given by eyes that watched the clips, are kept in
docs/gallery/verdicts.json: {"NAME": [1 to 5, "remark"]}.
"""

import json
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np

from photoflow import Animator, viz
from photoflow.clip import Clip
from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.motion import words
from photoflow.motion.motion import summands

HERE = Path(__file__).parent
STRIPS = HERE / "gallery"
VERDICTS = STRIPS / "verdicts.json"
WIDTH = 300  # pixels of each of a strip's three pictures

HEAD = """# Gallery

Every photo of a folder, animated by `photoflow animate PHOTO` without an option: its motion as it was chosen, a strip
(the photo, the frame halfway through the clip, the displacements there), and a verdict from 1 to 5 (5 = I would post
it) by eyes that did not write the code. Made by `python docs/make_gallery.py PHOTOS`.

{summary}

The strips show photos of Debian's mate-, lomiri-, ukui- and plasma-wallpapers (CC-BY, CC-BY-SA, CC0, GPL-2+; each
author is named in the copyright file of its package), of pop-os/wallpapers (public domain), of elementary/wallpapers
(free, see its debian/copyright) and of generative-dynamics.github.io (CC0): they keep the licences of those photos.

| photo | motion chosen | | verdict |
|---|---|---|---|
"""


def main(folder: Path) -> None:
    STRIPS.mkdir(exist_ok=True)
    animator, rows = Animator(segmenter="u2netp"), []
    verdicts = json.loads(VERDICTS.read_text()) if VERDICTS.exists() else {}
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for path in photos:
        try:
            clip = animator.animate(path)
        except InputError as error:
            rows.append(f"| {path.stem} | error: {error} | | |")
            continue
        write_image(STRIPS / f"{path.stem}.jpg", strip(clip))
        motion = "<br>".join(f"`{words(one)}`" for one in summands(clip.motion))
        score, remark = verdicts.get(path.stem, ("", ""))
        rows.append(f"| {path.stem} | {motion} | ![](gallery/{path.stem}.jpg) | {score} {remark}".rstrip() + " |")
        print(path.name, shlex.join(words(one) for one in summands(clip.motion)), flush=True)
    scores = [score for name, (score, _) in verdicts.items() if (folder / name).stem in {path.stem for path in photos}]
    summary = f"{len(photos)} photos; mean verdict {np.mean(scores):.2f}, least {min(scores)}." if scores else ""
    (HERE / "gallery.md").write_text(HEAD.format(summary=summary) + "\n".join(rows) + "\n")


def strip(clip: Clip) -> np.ndarray:
    """Return the photo, the frame halfway, and the displacements there, side by side."""
    middle = len(clip) // 2
    flow = viz.flow_to_rgb(clip.renderer.flow(clip.seconds * middle / len(clip)))
    size = (WIDTH, max(1, round(WIDTH * clip.height / clip.width)))
    return np.hstack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (clip.photo, clip[middle], flow)])


if len(sys.argv) != 2:
    sys.exit("usage: python docs/make_gallery.py PHOTOS")
main(Path(sys.argv[1]))
