"""Pictures with the masks of the things in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.errors import InputError
from photoflow.io import read_photo

MOST = 100  # things of a picture; of more the largest are taken


@dataclass(frozen=True)
class Labelled:
    """A picture, and what is in it.

    Args:
        picture: its file.
        things: given its (height, width), yields the class, from 1 on, and the mask, bool (H, W), of every thing.
    """

    picture: Path
    things: Callable[[tuple[int, int]], Iterator[tuple[int, Array]]]


class Things:
    """Pictures with the masks of the things in them, scaled to fit a size; what is left of it is black.

    Half of the samples are mirrored from left to right.

    Args:
        name: for a log or a weight's card.
        classes: names of the classes, that of the number 1 first.
        pictures: at least one.
        size: (height, width) of the samples, pixels.
        device: where batches are wanted.
        seed: of order and mirroring.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        pictures: Sequence[Labelled],
        size: tuple[int, int],
        *,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.name, self.classes, self._pictures = name, tuple(classes), tuple(pictures)
        self.size, self.device, self.seed = check_size(size), device, check_seed(seed)

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number: every picture comes once before one comes again.

        Returns:
            image, things and classes, see `Batch`.

        Raises:
            InputError: a file that cannot be read, or masks of another size than their picture.
        """
        samples = [self._sample(place) for place in range(number * count, (number + 1) * count)]
        most = max(len(classes) for _, _, classes in samples)
        things = torch.zeros(count, most, *self.size, dtype=torch.uint8)
        numbers = torch.zeros(count, most, dtype=torch.int64)
        for row, (_, masks, classes) in enumerate(samples):
            things[row, : len(classes)], numbers[row, : len(classes)] = masks, classes
        batch = {"image": torch.stack([image for image, _, _ in samples]), "things": things, "classes": numbers}
        return {key: values.to(self.device) for key, values in batch.items()}

    def _sample(self, place: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the picture, the masks (N, H, W) and the classes (N,) at a place in the endless order."""
        epoch, index = divmod(place, len(self._pictures))
        order = torch.randperm(len(self._pictures), generator=generator_of(self.seed, 0, epoch))
        labelled = self._pictures[int(order[index])]
        rgb = read_photo(labelled.picture).rgb
        found = [(kind, self._fitted(mask)) for kind, mask in labelled.things(rgb.shape[:2])]
        found = sorted(((k, mask) for k, mask in found if mask.any()), key=lambda one: -one[1].sum())[:MOST]
        masks = np.stack([mask for _, mask in found]) if found else np.zeros((0, *self.size), bool)
        image = torch.from_numpy(self._fitted(rgb)).permute(2, 0, 1).float().div(255)
        things = torch.from_numpy(masks.astype(np.uint8))
        if torch.rand((), generator=generator_of(self.seed, 1, place)) < 0.5:
            image, things = image.flip(-1), things.flip(-1)
        return image, things, torch.tensor([kind for kind, _ in found], dtype=torch.int64)

    def _fitted(self, picture: Array) -> Array:
        """Scale a picture (h, w, 3) uint8, or a mask (h, w) bool, to fit the size, and put it at the top left."""
        is_mask = picture.ndim == 2
        height, width = picture.shape[:2]
        scale = min(self.size[0] / height, self.size[1] / width)
        shape = tuple(max(1, min(side, round(scale * s))) for side, s in zip(self.size, (height, width)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(picture.astype(np.float32) if is_mask else picture, shape[::-1], interpolation=way)
        canvas = np.zeros((*self.size, *picture.shape[2:]), picture.dtype)
        canvas[: shape[0], : shape[1]] = scaled > 0.5 if is_mask else scaled
        return canvas


def check_shape(got: tuple[int, ...], expected: tuple[int, int], path: Path) -> None:
    """Check that a mask has the (height, width) of its picture.

    Raises:
        InputError: it has another one.
    """
    if tuple(got) != expected:
        wanted, found = ("x".join(str(side) for side in reversed(tuple(shape))) for shape in (expected, got))
        raise InputError(f"{path}: expected a mask of {wanted} pixels as its picture has, got {found}")
