"""FlyingChairs: pairs of pictures with the true flow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.errors import InputError
from photoflow.io import read_flow, read_photo

PARTS = {"train": (1,), "test": (2,), "all": (1, 2)}
SPLIT_FILE = "FlyingChairs_train_val.txt"
_SUFFIXES = (".ppm", ".png")
_SPLIT_SEED = 1912  # of the 8:2 split where there is no file of one: the same for everybody


class FlyingChairs:
    """Pairs of pictures with the true flow, in the data set's own layout, `NNNNN_img1.ppm` (or .png), `NNNNN_img2.ppm`
    and `NNNNN_flow.flo`.

    `FlyingChairs_train_val.txt`, a line for each pair with 1 (training) or 2 (test), splits it, where that file lies
    in the folder or beside it; else 8:2 at random, always in the same way.

    Args:
        folder: where the files are.
        part: "train", "test" or "all".
        size: (height, width) of random crops in `batch`; None: whole pictures.
        whole: whether whole pictures are resized to that size instead.
        flip: how often `batch` flips a pair from left to right, 0 to 1. The flow's x changes its sign too.
        device: where batches are wanted.
        seed: of order, crops and flips.

    Raises:
        InputError: a folder without pairs, a pair without one of its files, a split file of another length or content,
            a part without pairs, or crops larger than the pictures.

    Source: Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        part: str = "train",
        size: tuple[int, int] | None = None,
        *,
        whole: bool = False,
        flip: float = 0.5,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        if part not in PARTS:
            raise InputError(f"part: expected {', '.join(PARTS)}, got {part!r}")
        if not 0 <= flip <= 1:
            raise InputError(f"flip: expected a number from 0 to 1, got {flip}")
        self.folder = Path(folder)
        self.size = None if size is None else check_size(size)
        self.whole, self.flip, self.device, self.seed = whole, flip, device, check_seed(seed)
        self.name = f"FlyingChairs, {part}"
        pairs = _pairs(self.folder)
        self._pairs = [pair for pair, which in zip(pairs, _split(self.folder, len(pairs))) if which in PARTS[part]]
        if not self._pairs:
            raise InputError(f"{self.folder}: none of its {len(pairs)} pairs is in the part {part!r}")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> Batch:
        """Return a whole pair, neither cropped nor flipped, as a batch of one: image1, image2 and flow."""
        return {name: value.to(self.device)[None] for name, value in _read(self._pairs[index]).items()}

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number: every pair comes once before one comes again.

        Returns:
            image1, image2 (B, 3, H, W) in [0, 1] and flow (B, 2, H, W), pixels.

        Raises:
            InputError: a file that cannot be read, or whole pictures of different sizes.
        """
        samples = [self._sample(place) for place in range(number * count, (number + 1) * count)]
        shapes = sorted({tuple(sample["flow"].shape[1:]) for sample in samples})
        if len(shapes) > 1:
            raise InputError(f"{self.folder}: expected pictures of one size in a batch, got {shapes}; give a size")
        return {name: torch.stack([sample[name] for sample in samples]).to(self.device) for name in samples[0]}

    def _sample(self, place: int) -> Batch:
        """Return the sample at a place in the endless order."""
        epoch, index = divmod(place, len(self._pairs))
        order = torch.randperm(len(self._pairs), generator=generator_of(self.seed, 0, epoch))
        pair = self._pairs[int(order[index])]
        sample = _read(pair)
        across, down, coin = torch.rand(3, generator=generator_of(self.seed, 1, place)).tolist()
        if self.size is not None and self.whole:
            sample = _resized(sample, self.size)
        elif self.size is not None:
            sample = _crop(sample, self.size, down, across, pair)
        return flipped(sample) if coin < self.flip else sample


def flipped(sample: Batch) -> Batch:
    """Flip a sample (..., C, H, W) from left to right; the flow's x changes its sign."""
    turned = {name: value.flip(-1) for name, value in sample.items()}
    turned["flow"] = turned["flow"] * turned["flow"].new_tensor([-1.0, 1.0]).reshape(2, 1, 1)
    return turned


def _crop(sample: Batch, size: tuple[int, int], down: float, across: float, pair: tuple[Path, ...]) -> Batch:
    """Cut a crop at a place given by two numbers in [0, 1)."""
    room = [have - want for have, want in zip(sample["flow"].shape[1:], size)]
    if min(room) < 0:
        have = "x".join(str(side) for side in sample["flow"].shape[1:])
        raise InputError(f"{pair[0]}: expected at least {size[0]}x{size[1]} pixels (height x width), got {have}")
    top, left = int(down * (room[0] + 1)), int(across * (room[1] + 1))
    return {name: value[:, top : top + size[0], left : left + size[1]] for name, value in sample.items()}


def _resized(sample: Batch, size: tuple[int, int]) -> Batch:
    """Resize whole pictures, and the flow with them."""
    height, width = sample["flow"].shape[1:]
    resized = {
        name: functional.interpolate(value[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
        for name, value in sample.items()
    }
    resized["flow"] *= torch.tensor([size[1] / width, size[0] / height])[:, None, None]
    return resized


def _pairs(folder: Path) -> list[tuple[Path, ...]]:
    """Return the files of each pair (first picture, second, flow), by number."""
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    flows = sorted(folder.glob("*_flow.flo"))
    if not flows:
        raise InputError(f"{folder} holds no NNNNN_flow.flo with its NNNNN_img1.ppm and NNNNN_img2.ppm (or .png)")
    return [(*(_picture(flow, which) for which in ("img1", "img2")), flow) for flow in flows]


def _picture(flow: Path, which: str) -> Path:
    stem = flow.name.removesuffix("flow.flo") + which
    for suffix in _SUFFIXES:
        if (path := flow.with_name(stem + suffix)).exists():
            return path
    raise InputError(f"{flow}: expected {stem}.ppm or {stem}.png beside it")


def _split(folder: Path, count: int) -> list[int]:
    """Return 1 (training) or 2 (test) for each pair."""
    for path in (folder / SPLIT_FILE, folder.parent / SPLIT_FILE):
        if not path.is_file():
            continue
        marks = path.read_text().split()
        if len(marks) != count or not set(marks) <= {"1", "2"}:
            raise InputError(f"{path}: expected {count} lines of 1 or 2, one for each pair, got {len(marks)}")
        return [int(mark) for mark in marks]
    order = torch.randperm(count, generator=generator_of(_SPLIT_SEED))
    training = set(order[: round(0.8 * count)].tolist())
    return [1 if index in training else 2 for index in range(count)]


def _read(pair: tuple[Path, ...]) -> Batch:
    first, second, flow = _read_picture(pair[0]), _read_picture(pair[1]), torch.from_numpy(read_flow(pair[2]))
    if not first.shape[1:] == second.shape[1:] == flow.shape[1:]:
        raise InputError(f"{pair[2]}: expected a flow and two pictures of one size, "
                         f"got {[tuple(x.shape[1:]) for x in (flow, first, second)]}")  # fmt: skip
    return {"image1": first, "image2": second, "flow": flow}


def _read_picture(path: Path) -> Tensor:
    """Read a picture, (3, H, W) in [0, 1]."""
    rgb: Any
    if path.suffix == ".ppm":  # a format that photos never come in, so `read_photo` leaves it out
        data = np.fromfile(path, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if bgr is None:
            raise InputError(f"{path} is no PPM picture, or is truncated")
        rgb = bgr[..., ::-1].copy()
    else:
        rgb = read_photo(path).rgb
    return torch.from_numpy(rgb).permute(2, 0, 1).float().div(255)
