"""Photos, one at a time."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import torch
from torch import Tensor

from photoflow.data.picture_bank import photos_in
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.io import read_photo


class PhotoFolder:
    """The photos of a folder, each resized as a whole.

    Args:
        folder: where they are.
        size: (height, width) that they get, pixels.
        device: where batches are wanted.
        seed: of the order.

    Raises:
        InputError: no such folder, or no photo in it.
    """

    def __init__(
        self, folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.size, self.device, self.seed = check_size(size), device, check_seed(seed)
        self._files = photos_in(Path(folder))
        self.name = f"{len(self._files)} photographs"

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number, image1 alone: every photo comes once before one comes again.

        Raises:
            InputError: a photo that cannot be read.
        """
        places = range(number * count, (number + 1) * count)
        return {"image1": torch.stack([self._photo(place) for place in places]).to(self.device)}

    def _photo(self, place: int) -> Tensor:
        epoch, index = divmod(place, len(self._files))
        order = torch.randperm(len(self._files), generator=generator_of(self.seed, 0, epoch))
        rgb = read_photo(self._files[int(order[index])]).rgb
        height, width = self.size
        way = cv2.INTER_AREA if height * width < rgb.shape[0] * rgb.shape[1] else cv2.INTER_CUBIC
        resized = cv2.resize(rgb, (width, height), interpolation=way)
        return torch.from_numpy(resized).permute(2, 0, 1).float().div(255)
