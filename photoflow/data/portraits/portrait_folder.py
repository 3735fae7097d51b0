"""Portraits of people by identity, with masks and captions, as a source of training batches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.data.portraits.class_words import find_class_words
from photoflow.data.portraits.layout import Record, identities_in, records_of
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.data.texts import texts_as_tensor
from photoflow.errors import InputError
from photoflow.io import read_mask, read_photo
from photoflow.models.photomaker.pixels import MEAN

MOST_PHOTOS = 4  # of the identity beside the target
PHOTO_SIDE = 224  # pixels, as CLIP ViT-L/14 wants it


class Portrait(NamedTuple):
    """A portrait that a person can be trained on.

    Args:
        image: its square picture.
        mask: of the person in it.
        caption: what is seen, with its class words in the singular.
        class_word: which of the caption's words is the person, from 0 on.
    """

    image: Path
    mask: Path
    caption: str
    class_word: int


class PortraitFolder:
    """The pictures that `photoflow portrait-data` made: each with other photos of the same person.

    A sample is a target with its mask and caption, and 1 to 4 other pictures of its identity, how many is drawn, whose
    backgrounds are taken away; of an identity with a single picture that one. Every picture is the target once before
    one is again.

    Args:
        folder: of portraits; see `photoflow.data.portraits.layout`.
        size: (height, width) of the targets, pixels: both the same, as the pictures are square.
        device: where batches are wanted.
        seed: of the order, and of which other pictures are drawn.

    Raises:
        InputError: no such folder, no picture in it that passed all steps, a damaged record, or a size that is not
            square.

    Source: "Task-driven image and video generation", section 5.3.1: 1 to 4 images of the target's ID; Li et al.,
        "PhotoMaker", CVPR 2024. How backgrounds are filled is not said there: here with the mean of CLIP's pictures,
        which is 0 once they are normalised, as `photoflow.portrait.Portraitist` does.
    """

    def __init__(
        self, folder: str | os.PathLike[str], size: tuple[int, int], *, device: str = "cpu", seed: int = 0
    ) -> None:
        self.size, self.device, self.seed = check_size(size), device, check_seed(seed)
        if self.size[0] != self.size[1]:
            raise InputError(f"size: expected a square, as portraits are, got {self.size[0]}x{self.size[1]}")
        groups = [_portraits(records_of(identity)) for identity in identities_in(Path(folder))]
        self._groups = [group for group in groups if group]
        self._targets = [(group, one) for group, found in enumerate(self._groups) for one in range(len(found))]
        if not self._targets:
            raise InputError(f"{folder} holds no portraits; expected a folder that photoflow portrait-data has filled")
        self.name = f"{len(self._targets)} portraits of {len(self._groups)} identities"

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number.

        Returns:
            image, mask, caption, class_word, id_images and id_count, see `Batch`; `photoflow.data.texts.texts_of`
            reads the captions, `photoflow.data.portraits.with_trigger` marks a class word as PhotoMaker wants it.

        Raises:
            InputError: a file that cannot be read, or a mask of another size than its picture.
        """
        drawn = [self._drawn(place) for place in range(number * count, (number + 1) * count)]
        targets = [target for target, _ in drawn]
        pairs = [_pair(target) for target in targets]
        photos = torch.zeros(count, MOST_PHOTOS, 3, PHOTO_SIDE, PHOTO_SIDE)
        for row, (_, others) in enumerate(drawn):
            for column, other in enumerate(others):
                photos[row, column] = _id_photo(*_pair(other))
        batch = {
            "image": torch.stack([_as_tensor(_resized(rgb, self.size[0])) for rgb, _ in pairs]),
            "mask": torch.stack([_as_tensor(_resized(mask, self.size[0])) for _, mask in pairs]),
            "caption": texts_as_tensor([target.caption for target in targets]),
            "class_word": torch.tensor([target.class_word for target in targets]),
            "id_images": photos,
            "id_count": torch.tensor([len(others) for _, others in drawn]),
        }
        return {key: values.to(self.device) for key, values in batch.items()}

    def _drawn(self, place: int) -> tuple[Portrait, list[Portrait]]:
        """Return the target at a place in the endless order, and other pictures of its identity."""
        epoch, index = divmod(place, len(self._targets))
        order = torch.randperm(len(self._targets), generator=generator_of(self.seed, 0, epoch))
        group, one = self._targets[int(order[index])]
        portraits = self._groups[group]
        others = [portrait for number, portrait in enumerate(portraits) if number != one] or [portraits[one]]
        generator = generator_of(self.seed, 1, place)
        wanted = int(torch.randint(1, MOST_PHOTOS + 1, (), generator=generator))
        chosen = torch.randperm(len(others), generator=generator)[:wanted]
        return portraits[one], [others[number] for number in chosen.tolist()]


def _portraits(records: list[Record]) -> list[Portrait]:
    """Return what there is to train on in the records of an identity.

    Raises:
        InputError: a record whose class word is none.
    """
    found = []
    for record in records:
        if not record.has_passed("tag"):
            continue
        caption, index = record.outcomes.get("caption", {}).get("text"), record.outcomes["tag"].get("index")
        if not isinstance(caption, str) or index not in [place.index for place in find_class_words(caption)]:
            raise InputError(f"{record.path}: expected a caption and which of its words is the class word")
        found.append(Portrait(record.image, record.mask, caption, index))
    return found


def _pair(portrait: Portrait) -> tuple[Array, Array]:
    """Return the picture, uint8 (H, W, 3), and its mask, float32 (H, W).

    Raises:
        InputError: one of them cannot be read, or their sizes differ.
    """
    rgb, mask = read_photo(portrait.image).rgb, read_mask(portrait.mask)
    if mask.shape != rgb.shape[:2]:
        wanted, got = (f"{shape[1]}x{shape[0]}" for shape in (rgb.shape, mask.shape))
        raise InputError(f"{portrait.mask}: expected a mask of {wanted} pixels as its picture has, got {got}")
    return rgb, mask


def _id_photo(rgb: Array, mask: Array) -> Tensor:
    """Return a photo of an identity without its background, (3, 224, 224) in [0, 1]."""
    photo, soft = (_as_tensor(_resized(values, PHOTO_SIDE)) for values in (rgb, mask))
    return torch.lerp(torch.tensor(MEAN)[:, None, None], photo, soft)


def _resized(values: Array, side: int) -> Array:
    way = cv2.INTER_AREA if side < max(values.shape[:2]) else cv2.INTER_CUBIC if values.ndim == 3 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (side, side), interpolation=way))


def _as_tensor(values: Array) -> Tensor:
    """Return uint8 (H, W, 3) as (3, H, W) in [0, 1], float32 (H, W) as (1, H, W)."""
    if values.ndim == 2:
        return torch.from_numpy(values)[None]
    return torch.from_numpy(values).permute(2, 0, 1).float().div(255)
