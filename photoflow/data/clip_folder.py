"""Clips from real videos: some frames in a row, and some from elsewhere in the same video."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.data.video_folder import FRAMES, PIECES, SAMPLES, videos_in
from photoflow.errors import InputError

LOCAL, REFERENCES = 5, 3
"""Frames of a sample that follow each other, and those from elsewhere after them."""
_FAR = 6  # frames from elsewhere that are kept of each video, of which samples draw
_PACE = 0.03  # of the crop's sides that it goes on from frame to frame, at most
_ASIDE = 0.3  # of the crop's sides that references lie beside it, at most


class ClipFolder:
    """Clips from the videos and folders of pictures that a folder holds at any depth.

    As from `VideoFolder`, 128 samples in a row come from 16 short pieces of video, decoded once. The crop goes across
    the frames as a camera that pans does, so that those of a camera that stands still show motion, too.

    Args:
        folder: with videos or folders of frames, as `VideoFolder` takes it.
        size: (height, width) of the crops. Smaller videos are enlarged.
        device: where batches are wanted.
        seed: another one gives other clips.

    Raises:
        InputError: no such folder, or nothing in it that can be read.
    """

    def __init__(
        self, folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.folder, self.size = Path(folder), check_size(size)
        self.device, self.seed = device, check_seed(seed)
        self._videos = videos_in(self.folder, LOCAL)
        self.name = f"clips of {len(self._videos)} videos of {self.folder.name}"
        self._pieces: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number.

        Returns:
            frames (B, 8, 3, H, W) in [0, 1]: five in a row, then three from elsewhere.

        Raises:
            InputError: a video that cannot be decoded.
        """
        clips = torch.stack([self._clip(sample) for sample in range(number * count, (number + 1) * count)])
        return {"frames": clips.to(self.device).float().div_(255)}

    def _clip(self, sample: int) -> Tensor:
        """Cut eight crops, uint8 (8, 3, H, W)."""
        generator = generator_of(self.seed, 5, sample)
        which, start, across, backwards = torch.rand(4, generator=generator).tolist()
        row, far = self._piece(sample // SAMPLES, int(which * PIECES))
        first = int(start * (len(row) - LOCAL + 1))
        row = row[first : first + LOCAL]
        row = row.flip(0) if backwards < 0.5 else row
        chosen = torch.randperm(len(far), generator=generator)[:REFERENCES]
        clip = torch.cat([row, far[chosen]])
        places = self._places((row.shape[2], row.shape[3]), generator)
        clip = torch.stack([
            frame[:, top : top + self.size[0], left : left + self.size[1]] for frame, (top, left) in zip(clip, places)
        ])  # fmt: skip
        return clip.flip(3) if across < 0.5 else clip

    def _places(self, have: tuple[int, int], generator: torch.Generator) -> list[list[int]]:
        """Draw where the crop of each frame begins, (top, left), in frames of the size there is."""
        size, room = torch.tensor(self.size), torch.tensor(have) - torch.tensor(self.size)
        start = torch.rand(2, generator=generator) * room
        pace = (2 * torch.rand(2, generator=generator) - 1) * _PACE * size
        aside = (2 * torch.rand(REFERENCES, 2, generator=generator) - 1) * _ASIDE * size
        places = torch.cat([start + torch.arange(LOCAL)[:, None] * pace, start + aside])
        places = torch.minimum(places.round().long().clamp(min=0), room)
        return places.tolist()

    def _piece(self, block: int, index: int) -> tuple[Tensor, Tensor]:
        """Return frames that follow each other, and others of the video, each uint8 (n, 3, h, w)."""
        key = (block, index)
        if key not in self._pieces:
            while len(self._pieces) >= 2 * PIECES:
                del self._pieces[next(iter(self._pieces))]
            which, start, enlarge, *far = torch.rand(3 + _FAR, generator=generator_of(self.seed, 4, *key)).tolist()
            video = self._videos[int(which * len(self._videos))]
            room = 1.2 + enlarge
            row = list(video.frames(int(start * max(1, video.count - FRAMES + 1)), self.size, room))
            if len(row) < LOCAL:  # a file may promise more frames than it holds
                row = list(video.frames(0, self.size, room))
            if len(row) < LOCAL:
                raise InputError(f"{video.path} is truncated: expected at least {LOCAL} frames, got {len(row)}")
            others = [next(video.frames(int(one * video.count), self.size, room), row[0]) for one in far]
            # Where a promised frame is not there, or of another size, one of the row stands for it.
            others = [frame if frame.shape == row[0].shape else row[0] for frame in others]
            self._pieces[key] = _planes(row), _planes(others)
        return self._pieces[key]


def _planes(frames: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()
