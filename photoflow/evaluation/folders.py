"""Readers of the folders that evaluations use, with checks of their content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from photoflow.data.flying_chairs import SPLIT_FILE, FlyingChairs
from photoflow.errors import InputError
from photoflow.evaluation.pictures import as_planes
from photoflow.io import PICTURES, natural_order, read_photo
from photoflow.metrics.ssim import SIDE
from photoflow.models.dis import DIS

MASK = "_mask"  # end of the names of pictures that are masks of others
_MIDDLEBURY = ("frame10.png", "frame10i11.png", "frame11.png")
_PAIR = "NNNNN_img1.ppm (or .png), NNNNN_img2.ppm and NNNNN_flow.flo"
_STEP = 4  # frames from one pair to the next, as neighbouring pairs are very similar


@dataclass(frozen=True)
class Triplets:
    """Samples of three consecutive frames, for drawing the middle one from the others.

    Args:
        files: the three files of each sample.
        device: device of the samples.
    """

    files: list[tuple[Path, Path, Path]]
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Read `image1`, `middle` and `image2`, each (1, 3, H, W) in [0, 1].

        Raises:
            InputError: a picture cannot be read, or their sizes differ.
        """
        return dict(zip(("image1", "middle", "image2"), _read(self.files[number], self.device)))


@dataclass(frozen=True)
class Neighbours:
    """Samples of two consecutive frames, for drawing the second from the first and the measured flow.

    Args:
        files: the two files of each sample.
        device: device of the samples.
    """

    files: list[tuple[Path, Path]]
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Read `image1` and `image2`, each (1, 3, H, W) in [0, 1], and measure `flow` (1, 2, H, W), by DIS (medium).

        Raises:
            InputError: a picture cannot be read, or their sizes differ.
        """
        image1, image2 = _read(self.files[number], self.device)
        return {"image1": image1, "image2": image2, "flow": DIS("medium")(image1, image2)}


def open_pairs_or_frames(folder: Path, notes: list[str], device: str = "cpu") -> FlyingChairs | Neighbours:
    """Open the pairs of a folder in the format of FlyingChairs, or else neighbouring frames of the folders in it.

    Frames are used if the folder has no flow files. Every folder of pictures counts as one sequence; every fourth frame
    and the one after it form a pair.

    Args:
        folder: folder of the pairs or of the sequences.
        notes: see `open_pairs`; if frames are used, a note is added that their flow is measured.
        device: device of the samples.

    Raises:
        InputError: the folder is missing or holds neither.
    """
    check_folder(folder, f"{_PAIR}, or frames of sequences")
    files: list[tuple[Path, Path]] = []
    if not any(folder.glob("*_flow.flo")):
        for frames in map(pictures_in, with_inner(folder)):
            files += [(frames[at], frames[at + 1]) for at in range(0, len(frames) - 1, _STEP)]
    if not files:
        return open_pairs(folder, notes, device)
    notes.append(
        f"No flow is known of these frames: {len(files)} pairs (each {_STEP}th frame of a folder and the next one), "
        "measured by OpenCV's DIS (medium) between the two. Its errors are in the scores of every method but repeat; "
        "visible and holes are what this flow takes for such."
    )
    return Neighbours(files, device)


def open_pairs(folder: Path, notes: list[str], device: str = "cpu") -> FlyingChairs:
    """Open the pairs of a folder in the format of FlyingChairs: its test part if it has a split file, else all pairs.

    Each pair is a batch of one: `image1`, `image2` (1, 3, H, W) in [0, 1] and `flow` (1, 2, H, W), pixels.

    Args:
        folder: folder of the pairs.
        notes: if there is no split file, a note is added that a network may have been trained on these pairs.
        device: device of the samples.

    Raises:
        InputError: the folder is missing or holds no pair.
    """
    check_folder(folder, _PAIR)
    split = any((place / SPLIT_FILE).is_file() for place in (folder, folder.parent))
    pairs = FlyingChairs(folder, "test" if split else "all", device=device)
    if not split:
        notes.append(
            f"No {SPLIT_FILE}: all {len(pairs)} pairs are measured, also those that photoflow train "
            "--data chairs: learns from in the same folder."
        )
    return pairs


def open_triplets(folder: Path, device: str = "cpu") -> Triplets:
    """Open the triplets in a folder and the folders below it.

    A folder with `frame10.png`, `frame10i11.png` and `frame11.png`, as in Middlebury, is one triplet. In any other
    folder every second picture is the middle of a triplet: pictures 1 2 3, 3 4 5, …

    Args:
        folder: the folder.
        device: device of the samples.

    Raises:
        InputError: the folder is missing or holds no triplet.
    """
    check_folder(folder, "three pictures that follow each other in a folder")
    files: list[tuple[Path, Path, Path]] = []
    for inner in with_inner(folder):
        first, middle, last = (inner / name for name in _MIDDLEBURY)
        if first.is_file() and middle.is_file() and last.is_file():
            files.append((first, middle, last))
            continue
        frames = pictures_in(inner)
        files += [(frames[at - 1], frames[at], frames[at + 1]) for at in range(1, len(frames) - 1, 2)]
    if not files:
        raise InputError(
            f"{folder}: expected folders with {', '.join(_MIDDLEBURY)}, or with three pictures that follow each other; "
            "found none"
        )
    return Triplets(files, device)


def open_photos(path: Path) -> list[tuple[Path, Path | None]]:
    """List photos, each with its mask if there is a picture NAME_mask.png beside it.

    Args:
        path: a photo, or a folder of photos.

    Returns:
        Pairs of a photo and its mask or None.

    Raises:
        InputError: the path is neither, or the folder holds no photos.
    """
    if os.path.isfile(path):
        photos = [path]
    else:
        check_folder(path, "a photo or a folder of photos")
        photos = pictures_in(path)
    if not photos:
        raise InputError(f"{path}: expected photos ({', '.join(PICTURES)}), found none")
    masks = [photo.with_name(f"{photo.stem}{MASK}.png") for photo in photos]
    return [(photo, mask if mask.is_file() else None) for photo, mask in zip(photos, masks)]


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder that are not masks, frame2 before frame10."""
    return sorted(_pictures(folder), key=natural_order)


def check_folder(path: Path, expected: str) -> None:
    """Check that a path is a folder.

    Args:
        path: the path.
        expected: description of the expected content, for the error.

    Raises:
        InputError: the path is not a folder.
    """
    if not os.path.isdir(path):
        found = "a file" if os.path.exists(path) else "nothing"
        raise InputError(f"{path}: expected a folder with {expected}, found {found}")


def with_inner(folder: Path) -> list[Path]:
    """List a folder and all folders below it, in a fixed order."""
    return sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())])


def _read(files: Sequence[Path], device: str) -> list[Tensor]:
    """Read frames of one size, (1, 3, H, W) in [0, 1] each.

    Raises:
        InputError: a frame cannot be read or is too small to be compared, or their sizes differ.
    """
    frames = [as_planes(read_photo(file).rgb, device) for file in files]
    for file, frame in zip(files, frames):
        if min(frame.shape[2:]) < SIDE:
            raise InputError(f"{file}: expected at least {SIDE} pixels a side, got {frame.shape[3]}x{frame.shape[2]}")
        if frame.shape != frames[0].shape:
            sizes = [f"{one.shape[3]}x{one.shape[2]}" for one in (frames[0], frame)]
            raise InputError(f"{file}: expected {sizes[0]} pixels, as the frame before has, got {sizes[1]}")
    return frames


def _pictures(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.suffix.lower() in PICTURES and not file.stem.endswith(MASK) and file.name[0] != ".":
            yield file
