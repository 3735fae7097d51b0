"""Frame interpolation for videos: a network draws frames between those of a video, except across scene cuts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from typing import TypeVar

import cv2
import numpy as np
from torch import nn

from photoflow.arrays import Array
from photoflow.device import settled_device
from photoflow.errors import InputError
from photoflow.io import FolderReader, VideoReader, VideoWriter, check_output
from photoflow.io.sound import has_sound, keeps_sound
from photoflow.io.video import MAX_FPS
from photoflow.render.fetching import fetched
from photoflow.render.interpolated import FrameMaker

Reader = VideoReader | FolderReader
Drawn = TypeVar("Drawn")

# A picture that is shown longer than this many frame times, longer ones than its neighbours' too, or longer than so
# many seconds, stands still, and only its last frame time is interpolated.
MOST_HELD = 4
MOST_SECONDS = 1.0
_PALETTE_SAMPLES = 8


@dataclass(frozen=True)
class Done:
    """Result of an interpolation.

    Args:
        frames: number of frames written.
        fps: frames a second of the output.
        cuts: number of scene cuts found.
        silenced: whether the video's sound was left out because the output's format cannot hold it.
        notes: what a person should know of the input, a sentence each.
    """

    frames: int
    fps: Fraction
    cuts: int
    silenced: bool
    notes: tuple[str, ...] = ()


def open_frames(source: str | os.PathLike[str], fps: float = 30.0) -> Reader:
    """Open a video file, or a folder of pictures, which are shown at `fps` a second.

    Raises:
        InputError: the source is neither, or holds nothing that can be read.
    """
    return FolderReader(source, fps) if os.path.isdir(source) else VideoReader(source)


def check_target(frames: Reader, target: str | os.PathLike[str]) -> None:
    """Check before any work that the output can be written, keeps transparency, and does not replace the input.

    Raises:
        InputError: one of these does not hold.
    """
    if os.path.realpath(check_output(target, frames.alpha)) == os.path.realpath(frames.path):
        raise InputError(f"{frames.path}: the output would replace the input; expected another name")


def interpolate(
    frames: Reader,
    target: str | os.PathLike[str],
    network: nn.Module,
    *,
    factor: int = 2,
    quality: int = 80,
    device: str = "auto",
    progress: Callable[[], None] = lambda: None,
) -> Done:
    """Write a video with `factor` times the frames a second.

    Frames are read, drawn and written one after the other: memory does not grow with the length. Frames of the input
    are written unchanged, each at the time of the new rate that is nearest to its own; the last one is repeated, so
    that the video lasts as long as before. Of a video whose frames come at uneven times, the rate is that of the part
    where they come fastest, so that none is lost. Across a scene cut nothing is drawn: the frame before it is repeated.
    Transparency is kept, and so is the first sound track of a video if the output is .mp4 or .webm.

    Args:
        frames: from `open_frames`.
        target: see `photoflow.io.check_output`.
        network: an interpolation network with its weights, called (img0, img1, t, details=...) like `IFNet` and `AMT`.
        factor: 2 or more.
        quality: 0 to 100.
        device: "auto", "cpu", "cuda" or "cuda:1".
        progress: called after every frame.

    Returns:
        The number of frames written, their rate, the number of scene cuts, and whether sound was left out.

    Raises:
        InputError: an argument is out of its range, the input is damaged, or the output cannot be written.
    """
    if not isinstance(factor, int) or factor < 2:
        raise InputError(f"factor: expected a whole number of at least 2, got {factor!r}")
    check_target(frames, target)
    rate = _rate(frames.fps, factor)
    device = settled_device(device)
    drawn, cuts = FrameMaker(network, device), CutDetector()
    palette = list(palette_samples(frames)) if str(target).lower().endswith(".gif") else None
    sound = frames.path if isinstance(frames, VideoReader) else None
    with VideoWriter(
        target, frames.width, frames.height, rate, quality=quality, alpha=frames.alpha, palette=palette, sound=sound,
        gpu=device != "cpu",
    ) as writer:  # fmt: skip
        shown = frames.seconds - frames.times[-1]
        for frame in fetched(between(frames.timed(), rate, factor, drawn.planes, cuts, shown)):
            writer.write(frame)
            progress()
    silenced = sound is not None and not keeps_sound(target) and has_sound(sound)
    return Done(writer.frames_written, rate, cuts.found, silenced, (*frames.notes, *_crowded(frames, rate)))


def _rate(fps: Fraction, factor: int) -> Fraction:
    """Return frames a second of the output; where even twice those of the input are too many, as many as there can be.

    Raises:
        InputError: a smaller factor is possible.
    """
    if fps * factor <= MAX_FPS or 2 * fps > MAX_FPS:
        return min(fps * factor, Fraction(MAX_FPS))
    most = int(MAX_FPS / fps)
    raise InputError(
        f"factor: expected at most {most} for {float(fps):.4g} frames a second, as a video has at most {MAX_FPS}, "
        f"got {factor}"
    )


def _crowded(frames: Reader, rate: Fraction) -> list[str]:
    """Say how many frames lie closer to another than the frames of the output do, and are lost."""
    lost = frames.count - len({round(time * rate) for time in frames.times})
    some = "1 frame is" if lost == 1 else f"{lost} frames are"
    return [f"{some} less than 1/{float(rate):.4g} s from another one, and left out"] if lost else []


def between(
    frames: Iterable[tuple[float, Array]],
    rate: Fraction,
    factor: int,
    make: Callable[[Array, Array, float], Drawn],
    is_cut: Callable[[Array, Array], bool],
    shown: float | None = None,
) -> Iterator[Array | Drawn]:
    """Yield the frames of a video at a higher rate, one by one while the input is read.

    Args:
        frames: (seconds, picture), the first at 0. Each is moved to the nearest time of the new rate, so that a video
            of uneven frame times becomes even and stays in time.
        rate: frames a second of the result.
        factor: output frames per frame of an even video.
        make: draws the picture at t in (0, 1) between two pictures.
        is_cut: tells whether two frames belong to different scenes.
        shown: seconds for which the last frame is shown; None: `factor` frames of the result.

    Yields:
        Pictures: those of the input, and what `make` returns.
    """
    before: Array | None = None
    place, earlier = 0, 0
    for (at, after), following in _with_next(_placed(frames, rate)):
        if before is not None:
            steps = at - place
            usual = max(factor, earlier, following[0] - at if following else 0)
            yield before
            still = np.array_equal(before, after) or is_cut(before, after)
            moving = factor if _is_held(steps, usual, factor, rate) else steps
            for step in range(1, steps):
                t = (step - (steps - moving)) / moving
                yield before if still or t <= 0 else make(before, after, t)
            earlier = steps
        before, place = after, at
    if before is not None:
        yield from repeat(before, factor if shown is None else max(1, round(shown * rate)))


def _is_held(steps: int, usual: int, factor: int, rate: Fraction) -> bool:
    """Return whether a picture that is shown for so many steps stands still, beside neighbours that move."""
    return steps > MOST_HELD * factor and (steps > MOST_HELD * usual or steps > MOST_SECONDS * rate)


def _placed(frames: Iterable[tuple[float, Array]], rate: Fraction) -> Iterator[tuple[int, Array]]:
    """Yield pictures with their places, numbers of frames of the result; of several in one place the last."""
    pending: tuple[int, Array] | None = None
    for seconds, picture in frames:
        place = round(seconds * rate)
        if pending is not None and place > pending[0]:
            yield pending
        pending = place, picture
    if pending is not None:
        yield pending


def _with_next(placed: Iterable[tuple[int, Array]]) -> Iterator[tuple[tuple[int, Array], tuple[int, Array] | None]]:
    """Yield each picture with the one after it; None after the last."""
    pending: tuple[int, Array] | None = None
    for one in placed:
        if pending is not None:
            yield pending, one
        pending = one
    if pending is not None:
        yield pending, None


class CutDetector:
    """Detector of scene cuts in a video, called for each pair of neighbouring frames.

    Each small block of one frame is searched for in the other, near its own place. After a cut most blocks are not
    found; within a scene they are, even if the camera or the subject is quick. Brightness and contrast are equalised
    first, so that a flash or a fade does not count as a cut. The threshold also depends on the changes that the scene
    has shown so far.

    On ten DAVIS sequences the change is at most 0.16 from frame to frame and 0.32 if every second frame is left out,
    and at least 0.45 between sequences.
    """

    SIDE = 80  # pixels of the longer side that is looked at
    BLOCK = 8
    REACH = 8  # pixels that a block may have moved
    LEAST = 0.35
    UNUSUAL = 2.0  # times the scene's median

    def __init__(self) -> None:
        self.found = 0
        self._usual: deque[float] = deque(maxlen=9)

    def __call__(self, before: Array, after: Array) -> bool:
        """Return whether two consecutive frames, uint8 (H, W, 3 or 4), belong to different scenes."""
        change = self.change(before, after)
        usual = float(np.median(self._usual)) if self._usual else 0.0
        cut = change > max(self.LEAST, self.UNUSUAL * usual)
        if cut:
            self.found += 1
            self._usual.clear()
        else:
            self._usual.append(change)
        return cut

    def change(self, before: Array, after: Array) -> float:
        """Measure the share of the frames' contrast, 0 to 1, that one frame does not explain of the other."""
        old, new = self._small(before), self._small(after)
        gain = np.clip((old.std() + 1e-3) / (new.std() + 1e-3), 0.5, 2)
        new = (new - new.mean()) * gain + old.mean()
        colours = [picture.reshape(-1, 3) for picture in (old, new)]
        contrast = sum(colour.var(axis=0).sum() for colour in colours) / 2
        contrast += np.square(colours[0].mean(axis=0) - colours[1].mean(axis=0)).sum()
        contrast = max(contrast, 3 * 12**2)  # a floor, so that small changes of nearly plain pictures are no cut
        # The smaller of both directions: things that enter or leave the picture are unexplained in only one of them.
        return min(self._unexplained(old, new, contrast), self._unexplained(new, old, contrast))

    def _unexplained(self, known: Array, picture: Array, contrast: float) -> float:
        reach, block = self.REACH, self.BLOCK
        around = cv2.copyMakeBorder(known, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        shares = []
        for y in range(0, picture.shape[0], block):
            for x in range(0, picture.shape[1], block):
                wanted = picture[y : y + block, x : x + block]
                height, width = wanted.shape[:2]
                window = around[y : y + height + 2 * reach, x : x + width + 2 * reach]
                least = cv2.matchTemplate(window, wanted, cv2.TM_SQDIFF).min() / (height * width)
                shares.append(min(1.0, least / contrast))
        return float(np.mean(shares))

    def _small(self, picture: Array) -> Array:
        scale = self.SIDE / max(picture.shape[:2])
        size = [max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0])]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return small[..., :3] * (small[..., 3:] / 255) if small.shape[2] == 4 else small


def palette_samples(reader: Reader) -> Iterator[Array]:
    """Yield a few frames, evenly spaced over the video, from which a GIF's colours are chosen."""
    every = max(1, reader.count // _PALETTE_SAMPLES)
    for index, frame in enumerate(reader):
        if index % every == 0 and index < _PALETTE_SAMPLES * every:
            yield frame
