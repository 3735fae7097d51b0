"""Make the picture of the README's section on clips without a thing.

python docs/make_inpaint_media.py VIDEO

VIDEO is the folder of intel-iot-devkit/sample-videos (CC BY 4.0).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photoflow import Inpainter
from photoflow.arrays import Array
from photoflow.io import VideoReader, VideoWriter, write_image

MEDIA = Path(__file__).parent / "media"
WIDTH, SHOWN = 300, 4


def main() -> None:
    clips = Path(sys.argv[1])
    person = frames_of(clips / "one-by-one-person-detection.mp4", 166, 208)
    car = frames_of(clips / "car-detection.mp4", 73, 99)
    caption = frames_of(clips / "walk.mkv", 0, 60)
    mark = np.zeros(caption[0].shape[:2], np.uint8)
    cv2.putText(mark, "photoflow", (150, 330), cv2.FONT_HERSHEY_DUPLEX, 2, 255, 6, cv2.LINE_AA)
    for frame in caption:
        frame[mark > 0] = 255
    wide = np.float32(cv2.dilate(mark, np.ones((3, 3), np.uint8)) > 0)
    inpainter = Inpainter()
    rows = [
        *before_and_after(inpainter, person, points=[(430, 150), (440, 250)], margin=16),
        *before_and_after(inpainter, car, points=[(430, 300)], margin=20),
        *before_and_after(inpainter, caption, mask=wide, still=True, margin=2),
    ]
    write_image(MEDIA / "inpaint.jpg", np.vstack(rows))


def frames_of(clip: Path, start: int, stop: int) -> list[Array]:
    """Return some frames of a clip."""
    return list(islice(VideoReader(clip), start, stop))


def before_and_after(inpainter: Inpainter, frames: Sequence[Array], **said: Any) -> list[Array]:
    """Remove what is said, and show some frames with and without it, a row each."""
    with tempfile.TemporaryDirectory() as folder:
        clip, target = Path(folder) / "clip.apng", Path(folder) / "out.apng"
        with VideoWriter(clip, frames[0].shape[1], frames[0].shape[0], 10) as writer:
            for frame in frames:
                writer.write(frame)
        inpainter.inpaint(clip, target, **said)
        result = list(VideoReader(target))
    shown = [round(number * (len(frames) - 1) / (SHOWN - 1)) for number in range(SHOWN)]
    return [np.hstack([reduced(of[number]) for number in shown]) for of in (frames, result)]


def reduced(frame: Array) -> Array:
    """Return a frame at the width at which it is shown."""
    height = round(WIDTH * 9 / 16)
    scale = max(WIDTH / frame.shape[1], height / frame.shape[0])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small[:height, :WIDTH])


if __name__ == "__main__":
    main()
