"""Clips of a folder, with the masks of their subjects where there are any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.data.video_folder import VIDEOS
from photoflow.errors import InputError
from photoflow.evaluation.folders import MASK, check_folder, pictures_in, with_inner
from photoflow.io import VideoReader, natural_order, read_mask, read_photo

MOST = 100  # frames of a clip: about what the longest of DAVIS has
_DAVIS = ("JPEGImages", "Annotations")  # folders of DAVIS as it is published: frames, and masks of the same names


@dataclass(frozen=True)
class ClipFiles:
    """A clip's files.

    Args:
        name: of the clip, wherever its folder lies.
        frames: a picture for each frame, or a video alone.
        masks: a mask for each picture; empty where any is missing.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...] = ()

    def read(self, size: tuple[int, int]) -> list[Array]:
        """Read the frames, at most `MOST`.

        Args:
            size: (width, height) to which they are resized.

        Returns:
            uint8 (height, width, 3) each.

        Raises:
            InputError: a file cannot be read, pictures differ in size, or there is but one frame.
        """
        frames = [_resized(frame[..., :3], size) for frame in islice(self._whole(), MOST)]
        if len(frames) < 2:
            raise InputError(f"{self.frames[0]}: expected at least 2 frames, got {len(frames)}")
        return frames

    def read_masks(self, size: tuple[int, int]) -> list[Array]:
        """Read the masks, at most `MOST`, bool (height, width) each.

        Raises:
            InputError: a mask cannot be read.
        """
        levels = (read_mask(file) for file in self.masks[:MOST])
        return [cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0.5 for mask in levels]

    def _whole(self) -> Iterator[Array]:
        if self.frames[0].suffix.lower() in VIDEOS:
            yield from VideoReader(self.frames[0])
            return
        shape: tuple[int, ...] = ()
        for file in self.frames:
            rgb = read_photo(file).rgb
            shape = shape or rgb.shape
            if rgb.shape != shape:
                sizes = [f"{one[1]}x{one[0]}" for one in (shape, rgb.shape)]
                raise InputError(f"{file}: expected {sizes[0]} pixels, as the frames before have, got {sizes[1]}")
            yield rgb


def open_clips(folder: Path) -> list[ClipFiles]:
    """List the clips in a folder and the folders below it: video files, and folders of at least two pictures.

    The mask of NAME.* is NAME_mask.png beside it, or the picture of that name in the folder `Annotations`, where the
    frames' is below `JPEGImages`, as in DAVIS.

    Raises:
        InputError: the folder is missing or holds no clip.
    """
    check_folder(folder, "clips: videos, or folders of frames")
    clips: list[ClipFiles] = []
    for inner in with_inner(folder):
        videos = (file for file in inner.iterdir() if file.suffix.lower() in VIDEOS and file.name[0] != ".")
        clips += [ClipFiles(file.stem, (file,)) for file in sorted(videos, key=natural_order)]
        if _DAVIS[1] not in inner.relative_to(folder).parts and len(frames := pictures_in(inner)) > 1:
            masks = [_mask_of(file) for file in frames]
            clips.append(ClipFiles(inner.resolve().name, tuple(frames), tuple(filter(os.path.isfile, masks))))
    if not clips:
        raise InputError(f"{folder}: expected videos ({', '.join(VIDEOS)}) or folders of two frames; found none")
    return [clip if len(clip.masks) == len(clip.frames) else ClipFiles(clip.name, clip.frames) for clip in clips]


def _mask_of(frame: Path) -> Path:
    """Return where the mask of a frame is to be."""
    if _DAVIS[0] in frame.parts:
        return Path(*(_DAVIS[1] if part == _DAVIS[0] else part for part in frame.parts)).with_suffix(".png")
    return frame.with_name(f"{frame.stem}{MASK}.png")


def _resized(frame: Array, size: tuple[int, int]) -> Array:
    smaller = size[0] < frame.shape[1] or size[1] < frame.shape[0]
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))
