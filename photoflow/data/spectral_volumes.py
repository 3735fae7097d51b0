"""Photos with the spectral volume of their motion: measured in clips, or blown by the wind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.arrays import Array
from photoflow.data.picture_bank import PictureBank
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.silhouettes import SILHOUETTES, silhouette
from photoflow.data.source import Batch
from photoflow.data.video_folder import VIDEOS
from photoflow.errors import InputError
from photoflow.io import VideoReader, natural_order
from photoflow.io.frame_times import evenly
from photoflow.models.spectral.prior import RECORD
from photoflow.motion.spectral import SpectralVolume
from photoflow.motion.trajectories import trajectories
from photoflow.motion.wind import wind_volume

# Measuring a record is what costs: so many samples share so many records, which are kept.
SAMPLES, RECORDS = 2048, 32
STARTS = 4  # of the records of a clip
ROOM = (1.0, 1.6)  # how much larger than its crops a record is
MAGNIFIED = (0.7, 1.4)
TRACKED = 192  # pixels: the longer side of the frames whose motion is measured
MEASURED = 75  # frames of a record, about: 15 a second, for frequencies to 3 hertz
HELD_OUT = 10  # one clip of so many is kept for evaluations, as in the paper
CUTS = 4  # of each record, where all records are gone through
_NAMED = 3  # clips that a source's name has the names of
_FEWEST = 32  # frames of a record: 16 frequencies need as many


class Record(NamedTuple):
    """A photo and the motion that follows it.

    Args:
        image: uint8 (3, H, W).
        volume: (K, 4, H, W) float32, pixels: real and imaginary part of x, then of y.
    """

    image: Tensor
    volume: Tensor


def videos_of(folder: Path) -> list[Path]:
    """List the videos of a folder at any depth, in their natural order."""
    return sorted((f for f in folder.rglob("*") if f.suffix.lower() in VIDEOS), key=natural_order)


def held_out(folder: Path) -> list[Path]:
    """List the videos of a folder that no training sees: the last of every ten, in their natural order.

    A folder of fewer than ten has none.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 7: "10 % of the videos for testing".
    """
    return videos_of(folder)[HELD_OUT - 1 :: HELD_OUT]


class ClipVolumes:
    """Frames of clips and the motion that follows them, over `RECORD` seconds.

    A record begins at one of four frames of each clip that lasts as long, and goes on to the clip's first frame where
    it would end before the record does: as Fourier's series reads it anyway, and without a jump in a loop. Crops,
    their size, flips and the motion's size are random; a sample depends on the settings, the seed and its number
    alone. 2048 samples in a row come from 32 records. Clips that are `held_out` are never seen.

    Args:
        folder: with videos at any depth; those that are shorter than a record are left out.
        size: (height, width) of the samples, pixels.
        device: where batches are wanted.
        seed: another one gives other samples.

    Raises:
        InputError: no such folder, no video in it that is long enough, or one that cannot be read.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 7, "Data".
    """

    def __init__(
        self, folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.folder, self.size = Path(folder), check_size(size)
        self.device, self.seed = device, check_seed(seed)
        if not os.path.isdir(self.folder):
            raise InputError(f"{self.folder}: no such folder")
        kept = held_out(self.folder)
        clips = [VideoReader(file) for file in videos_of(self.folder) if file not in kept]
        self._clips = [clip for clip in clips if _count(clip) >= _length(clip)]
        if not self._clips:
            raise InputError(f"{self.folder} holds no video of at least {RECORD:g} seconds ({', '.join(VIDEOS)})")
        self.name = f"motion of {len(self._clips)} clips of {self.folder.name}{_without(kept)}"
        self._kept: dict[tuple[int, int], Record] = {}

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number: image (B, 3, H, W) and volume (B, 16, 4, H, W).

        Raises:
            InputError: a video that cannot be decoded.
        """
        return _batch([self._sample(index) for index in range(number * count, (number + 1) * count)], self.device)

    def volumes(self) -> Iterator[Tensor]:
        """Yield the motion of every record of every clip, cut as samples are: `CUTS` of each, (CUTS, 16, 4, H, W)."""
        for which in range(len(self._clips)):
            for start in range(STARTS):
                record = self._record(which, start)
                draws = torch.rand((CUTS, 6), generator=generator_of(self.seed, 4, which, start)).tolist()
                yield torch.stack([_cut(record, self.size, row).volume for row in draws]).to(self.device)

    def _sample(self, index: int) -> Record:
        draws = torch.rand(7, generator=generator_of(self.seed, 1, index)).tolist()
        key = index // SAMPLES, int(draws[0] * RECORDS)
        which, start = torch.rand(2, generator=generator_of(self.seed, 0, *key)).tolist()
        photo = self._record(int(which * len(self._clips)), int(start * STARTS))
        return _cut(photo, self.size, draws[1:])

    def _record(self, which: int, start: int) -> Record:
        if (which, start) not in self._kept:
            while len(self._kept) >= 3 * RECORDS:
                del self._kept[next(iter(self._kept))]
            self._kept[which, start] = self._measured(self._clips[which], start)
        return self._kept[which, start]

    def _measured(self, clip: VideoReader, start: int) -> Record:
        scale = max(*(least * ROOM[1] / side for least, side in zip(self.size, (clip.height, clip.width))),
                    min(1.0, TRACKED / max(clip.height, clip.width)))  # fmt: skip
        wanted = round(clip.width * scale), round(clip.height * scale)
        first, length = start * _count(clip) // STARTS, _length(clip)
        base = min(first, _count(clip) - length)  # of the frames that are gone through
        frames = [cv2.resize(frame[..., :3], wanted, interpolation=cv2.INTER_AREA)
                  for frame in islice(evenly(clip.timed(), float(clip.fps)), base, base + length)]  # fmt: skip
        if len(frames) < _FEWEST:
            raise InputError(f"{clip.path}: expected at least {_FEWEST} frames from {base} on, got {len(frames)}")
        turned = min(first - base, len(frames) - 1)
        ordered = frames[turned:] + frames[:turned]
        every = max(1, round(length / MEASURED))
        try:
            volume = SpectralVolume.from_trajectories(trajectories(ordered[::every]), RECORD)
        except InputError as fault:
            raise InputError(f"{clip.path}: {fault}") from fault
        return Record(torch.from_numpy(ordered[0]).permute(2, 0, 1), torch.from_numpy(_parts(volume)))


class WindVolumes:
    """Silhouettes of plants, flags, flames and the like in front of photos, and the wind that moves them.

    Args:
        photos: a folder with photographs, for what is seen; None: those that come with scikit-image, where it is
            installed, and procedural textures.
        size: (height, width) of the samples, pixels.
        device: where batches are wanted.
        seed: another one gives other samples.

    Raises:
        InputError: no such folder, no picture in it, or one that cannot be read.
    """

    name = "silhouettes in the wind"

    def __init__(
        self, photos: str | os.PathLike[str] | None, size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.size, self.device, self.seed = check_size(size), device, check_seed(seed)
        self._pictures = PictureBank(photos, self.size, "cpu", generator_of(seed, 2))
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number: image (B, 3, H, W) and volume (B, 16, 4, H, W)."""
        return _batch([self._sample(index) for index in range(number * count, (number + 1) * count)], self.device)

    def volumes(self) -> Iterator[Tensor]:
        """Yield the motion of the first 32 silhouettes, cut as samples are: (CUTS, 16, 4, H, W) of each.

        There is no end of them; more differ by less than a percentile's own chance.
        """
        for index in range(RECORDS):
            mask, volume = self._blown(0, index)
            record = Record((255 * mask).byte().expand(3, -1, -1), volume)
            draws = torch.rand((CUTS, 2), generator=generator_of(self.seed, 4, index)).tolist()
            cuts = [_cut(record, self.size, [0.0, 0.0, 0.0, *row]).volume for row in draws]
            yield torch.stack(cuts).to(self.device)

    def _sample(self, index: int) -> Record:
        generator = generator_of(self.seed, 1, index)
        draws = torch.rand(7, generator=generator).tolist()
        mask, volume = self._blown(index // SAMPLES, int(draws[0] * RECORDS))
        behind, front = self._pictures.crops(torch.rand((2, 5), generator=generator), *self.size, textures=0.5)
        # The same colours in front and behind would hide what moves: one is darker, the other brighter.
        share = 0.35 + 0.3 * draws[1]
        behind, front = (behind * share, 1 - share * (1 - front)) if draws[2] < 0.5 else (
            1 - share * (1 - behind), front * share)  # fmt: skip
        image = (255 * torch.lerp(behind, front, mask)).byte()
        return _cut(Record(image, volume), self.size, [0.0, 0.0, 0.0, *draws[4:]])

    def _blown(self, block: int, index: int) -> tuple[Tensor, Tensor]:
        """Make a mask (H, W) in [0, 1] and its volume (K, 4, H, W)."""
        key = block, index
        if key not in self._kept:
            while len(self._kept) >= 2 * RECORDS:
                del self._kept[next(iter(self._kept))]
            draws = torch.rand(6, generator=generator_of(self.seed, 0, *key)).tolist()
            kind = [*SILHOUETTES][int(draws[0] * len(SILHOUETTES))]
            seed = int(draws[1] * 2**24)
            mask = silhouette(kind, self.size, seed)
            volume = wind_volume(
                mask, kind, seconds=RECORD, strength=0.6 + 0.8 * draws[2], wind=0.3 + 0.6 * draws[3],
                direction=180.0 * (draws[4] < 0.5), gustiness=draws[5], seed=seed,
            ).masked(mask)  # fmt: skip
            self._kept[key] = torch.from_numpy(mask), torch.from_numpy(_parts(volume))
        return self._kept[key]


def _batch(photos: list[Record], device: str) -> Batch:
    image = torch.stack([photo.image for photo in photos]).to(device).float().div_(255)
    return {"image": image, "volume": torch.stack([photo.volume for photo in photos]).to(device)}


def _cut(photo: Record, size: tuple[int, int], draws: list[float]) -> Record:
    """Cut a crop, made smaller, flipped and magnified, by six numbers in [0, 1): room, place, amount, flip."""
    least = min(side / want for side, want in zip(photo.image.shape[1:], size))
    scale = min(least, ROOM[0] + draws[0] * (min(least, ROOM[1]) - ROOM[0])) if least > 1 else least
    height, width = (min(side, round(scale * want)) for side, want in zip(photo.image.shape[1:], size))
    top = int(draws[1] * (photo.image.shape[1] - height + 1))
    left = int(draws[2] * (photo.image.shape[2] - width + 1))
    image, volume = (planes[..., top : top + height, left : left + width] for planes in photo)
    amount = MAGNIFIED[0] * (MAGNIFIED[1] / MAGNIFIED[0]) ** draws[3]
    smaller = torch.tensor([size[1] / width] * 2 + [size[0] / height] * 2)[:, None, None]
    image, volume = _resized(image[None].float(), size)[0].round().byte(), _resized(volume, size) * smaller * amount
    if draws[4] < 0.5:  # to the right becomes to the left
        image, volume = image.flip(2), volume.flip(3) * torch.tensor([-1.0, -1.0, 1.0, 1.0])[:, None, None]
    return Record(image, volume)


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    if planes.shape[2:] == size:
        return planes
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=True)


def _parts(volume: SpectralVolume) -> Array:
    """Return real and imaginary parts of x, then of y: (K, 4, H, W) float32."""
    given = volume.coefficients
    return np.stack([given[:, 0].real, given[:, 0].imag, given[:, 1].real, given[:, 1].imag], 1).astype(np.float32)


def _without(clips: list[Path]) -> str:
    """Name the clips that are left out, at the end of a source's name."""
    if not clips:
        return ""
    more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
    return f" without {', '.join(clip.name for clip in clips[:_NAMED])}{more}"


def _count(clip: VideoReader) -> int:
    """Return the number of frames, were they evenly spaced."""
    return round(clip.times[-1] * clip.fps) + 1


def _length(clip: VideoReader) -> int:
    """Return the number of frames of a record."""
    return round(RECORD * float(clip.fps))
