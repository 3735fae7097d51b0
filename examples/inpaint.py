"""How do I take a thing out of a clip?"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from photoflow import Inpainter
from photoflow.io import VideoReader, VideoWriter

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(exist_ok=True)

# A clip in which a ball rolls past a cat: behind it, and before and after it, the cat is seen.
cat = cv2.resize(skimage.data.chelsea(), (180, 120), interpolation=cv2.INTER_AREA)
with VideoWriter(folder / "ball.mp4", cat.shape[1], cat.shape[0], 10) as writer:
    for step in range(7):
        writer.write(cv2.circle(cat.copy(), (40 + 15 * step, 70), 11, (40, 90, 230), -1, cv2.LINE_AA))

# What it is in the first frame: a box, points or a mask. It is carried through the clip.
done = Inpainter(offline=True, device="cpu").inpaint(
    folder / "ball.mp4", folder / "cat.mp4", points=[(40, 70)], margin=4
)
without = np.stack(list(VideoReader(folder / "cat.mp4"))).astype(float)
print(f"{folder}: cat.mp4, {done.frames} frames; {done.source}")
print(f"the cat differs by {np.abs(without - cat).mean():.1f} levels of 255 from what it was without the ball")
