"""Triplets of frames from real videos: the middle one is what an interpolator has to find."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.arrays import Array
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.errors import InputError
from photoflow.io import PICTURES, natural_order, read_photo
from photoflow.io.frame_pixels import shown_pixels
from photoflow.io.video_file import open_container, pixel_aspect, rates_of, video_stream

VIDEOS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".gif")
# Decoding is what costs: so many samples share so many short pieces of video, each decoded once and kept.
SAMPLES, PIECES = 128, 16
FRAMES = 9  # of a piece
STEPS = 4  # frames from one of a triplet to the next, at most
TRIES = 8  # triplets that are looked at for one with motion and without a cut
LEAST_CHANGE, MOST_CHANGE = 0.012, 0.25  # from the first to the last, mean of blocks of 8 x 8 pixels


class VideoFolder:
    """Triplets from the videos, and the folders of at least three pictures, that a folder holds at any depth.

    Places, crops, distances in time and directions are random; a triplet depends on the settings, the seed and its
    number alone. To keep decoding cheap, 128 samples in a row come from 16 short pieces of video, which are decoded
    from the key frame before them, made smaller and kept: at most 32 pieces of 9 frames are in memory. Of 8 triplets
    that are looked at, the first is taken that has motion and no scene cut; failing that, the one with most motion.

    Args:
        folder: with videos (.mp4, .mkv, .webm, .mov, .avi, .m4v, .gif) or folders of frames. Pictures whose names end
            in `_mask` are no frames.
        size: (height, width) of the crops. Smaller videos are enlarged.
        device: where batches are wanted.
        seed: another one gives other triplets.

    Raises:
        InputError: no such folder, or nothing in it that can be read.
    """

    def __init__(
        self, folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.folder, self.size = Path(folder), check_size(size)
        self.device, self.seed = device, check_seed(seed)
        self._clips = videos_in(self.folder, 3)
        self.name = f"{len(self._clips)} videos of {self.folder.name}"
        self._pieces: dict[tuple[int, int], Tensor] = {}

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number.

        Returns:
            image1, middle, image2 (B, 3, H, W) in [0, 1], and t (B,), which is 0.5.

        Raises:
            InputError: a video that cannot be decoded.
        """
        triplets = torch.stack([self._triplet(sample) for sample in range(number * count, (number + 1) * count)])
        frames = triplets.to(self.device).float().div_(255)
        time = torch.full((count,), 0.5, device=self.device)
        return {"image1": frames[:, 0], "middle": frames[:, 1], "image2": frames[:, 2], "t": time}

    def _triplet(self, sample: int) -> Tensor:
        """Choose three crops, uint8 (3, 3, H, W)."""
        generator = generator_of(self.seed, 1, sample)
        best, most = None, -1.0
        for draw in torch.rand((TRIES, 7), generator=generator).tolist():
            triplet = self._cut(sample // SAMPLES, draw)
            motion, usable = _motion(triplet)
            if usable:
                best = triplet
                break
            if motion > most:
                best, most = triplet, motion
        assert best is not None
        across, backwards = (torch.rand(2, generator=generator) < 0.5).tolist()
        best = best.flip(3) if across else best
        return best.flip(0) if backwards else best

    def _cut(self, block: int, draw: list[float]) -> Tensor:
        """Cut the triplet given by seven numbers in [0, 1)."""
        piece = self._piece(block, int(draw[0] * PIECES))
        step = 1 + int(draw[1] * min(STEPS, (len(piece) - 1) // 2))
        first = int(draw[2] * (len(piece) - 2 * step))
        top = int(draw[3] * (piece.shape[2] - self.size[0] + 1))
        left = int(draw[4] * (piece.shape[3] - self.size[1] + 1))
        frames = piece[first : first + 2 * step + 1 : step]
        return frames[:, :, top : top + self.size[0], left : left + self.size[1]]

    def _piece(self, block: int, index: int) -> Tensor:
        """Return frames that follow each other, uint8 (n, 3, h, w), at least as large as the crops."""
        key = (block, index)
        if key not in self._pieces:
            while len(self._pieces) >= 2 * PIECES:
                del self._pieces[next(iter(self._pieces))]
            which, start, enlarge = torch.rand(3, generator=generator_of(self.seed, 0, block, index)).tolist()
            clip = self._clips[int(which * len(self._clips))]
            first = int(start * max(1, clip.count - FRAMES + 1))
            frames = list(clip.frames(first, self.size, 1 + 1.2 * enlarge))
            if len(frames) < 3:  # a file may promise more frames than it holds
                frames = list(clip.frames(0, self.size, 1 + 1.2 * enlarge))
            if len(frames) < 3:
                raise InputError(f"{clip.path} is truncated: expected at least 3 frames, got {len(frames)}")
            self._pieces[key] = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()
        return self._pieces[key]


@dataclass(frozen=True)
class _Video:
    """A video file of about `count` frames."""

    path: Path
    count: int

    def frames(self, first: int, size: tuple[int, int], room: float) -> Iterator[Array]:
        """Yield up to FRAMES frames from one on, uint8 (h, w, 3); decoded from the key frame before it."""
        try:
            with open_container(self.path) as container:
                yield from self._decoded(container, first, size, room)
        except av.FFmpegError as error:
            raise InputError(f"{self.path} is damaged: {error.strerror or error}") from error

    def _decoded(self, container: Any, first: int, size: tuple[int, int], room: float) -> Iterator[Array]:
        stream = video_stream(container)
        rate = next(iter(rates_of(stream)), 25)
        seconds, origin = float(first / rate), stream.start_time or 0
        if first:
            container.seek(origin + int(seconds / stream.time_base), stream=stream)
        found = 0
        for frame in container.decode(stream):
            if frame.pts is not None and float((frame.pts - origin) * stream.time_base) < seconds - 0.5 / float(rate):
                continue
            whole = shown_pixels(frame, pixel_aspect(stream), alpha=False)
            height, width = _fitted((whole.shape[0], whole.shape[1]), size, room)
            way = cv2.INTER_AREA if height < whole.shape[0] else cv2.INTER_LINEAR
            yield np.asarray(cv2.resize(whole, (width, height), interpolation=way))
            found += 1
            if found == FRAMES:
                return


@dataclass(frozen=True)
class _Pictures:
    """A folder of frames."""

    path: Path
    files: tuple[Path, ...]

    @property
    def count(self) -> int:
        return len(self.files)

    def frames(self, first: int, size: tuple[int, int], room: float) -> Iterator[Array]:
        """Yield up to FRAMES frames from one on, uint8 (h, w, 3)."""
        shape: tuple[int, ...] = ()
        for file in self.files[first : first + FRAMES]:
            rgb = read_photo(file).rgb
            shape = shape or rgb.shape
            if rgb.shape != shape:
                raise InputError(f"{file}: expected {shape[1]}x{shape[0]} pixels as in the frames before it, "
                                 f"got {rgb.shape[1]}x{rgb.shape[0]}")  # fmt: skip
            height, width = _fitted((shape[0], shape[1]), size, room)
            way = cv2.INTER_AREA if height < shape[0] else cv2.INTER_LINEAR
            yield np.asarray(cv2.resize(rgb, (width, height), interpolation=way))


def _fitted(have: tuple[int, int], size: tuple[int, int], room: float) -> tuple[int, int]:
    """Return the (height, width) of a frame made smaller: `room` times the crop, if it has as much."""
    least = max(want / side for want, side in zip(size, have))
    scale = max(least, min(1.0, least * room))
    return max(size[0], round(have[0] * scale)), max(size[1], round(have[1] * scale))


def _motion(triplet: Tensor) -> tuple[float, bool]:
    """Measure the change, and tell whether it looks like motion: neither standing still nor a cut."""
    blocks = F.avg_pool2d(triplet.float().mean(1, keepdim=True) / 255, 8)
    before, after, whole = (float((blocks[i] - blocks[j]).abs().mean()) for i, j in ((0, 1), (1, 2), (0, 2)))
    even = max(before, after) < 0.02 + 2.5 * min(before, after)  # at a cut all of the change is on one side
    return whole * even, even and LEAST_CHANGE < whole < MOST_CHANGE


def videos_in(folder: Path, least: int) -> list[_Video | _Pictures]:
    """Find the videos, and the folders of frames, of at least `least` frames that a folder holds at any depth.

    Raises:
        InputError: no such folder, or nothing in it that can be read.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    found = [clip for clip in _clips(folder) if clip.count >= least]
    if not found:
        raise InputError(f"{folder} holds no video of at least {least} frames ({', '.join(VIDEOS)}) "
                         f"and no folder of at least {least} pictures")  # fmt: skip
    return found


def _clips(folder: Path) -> Iterator[_Video | _Pictures]:
    """Find the videos and the folders of frames below a folder, always in the same order."""
    for path, folders, names in os.walk(folder):
        folders.sort()
        files = sorted((Path(path, name) for name in names if not name.startswith(".")), key=natural_order)
        for file in files:
            if file.suffix.lower() in VIDEOS:
                yield _Video(file, _length(file))
        frames = [file for file in files if file.suffix.lower() in PICTURES and not file.stem.endswith("_mask")]
        if len(frames) >= 3:
            yield _Pictures(Path(path), tuple(frames))


def _length(path: Path) -> int:
    """Return about how many frames a video has."""
    try:
        with open_container(path) as container:
            try:
                stream = video_stream(container)
            except InputError:  # sound alone, or a single picture
                return 0
            seconds = (container.duration or 0) / av.time_base
            return int(stream.frames or seconds * float(next(iter(rates_of(stream)), 25)))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path} is not a video file: {error}") from error
