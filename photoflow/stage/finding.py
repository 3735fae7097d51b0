"""Layers of what is found in a photo by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photoflow.arrays import Array
from photoflow.segment import Segmentation
from photoflow.segment.kinds import Kind, find_regions
from photoflow.stage.layer import Layer, as_levels
from photoflow.stage.working_size import resize_mask

LOOKS = "colour, texture and place"  # by which regions are found


def found_things(photo: Array, found: Segmentation) -> list[Layer]:
    """Return what stands out as layers `subject-1`, `subject-2`, ..., with its flames, or the cord it hangs from.

    Args:
        photo: uint8 (H, W, 3), at its working size.
        found: what a segmenter found in it, at any size.
    """
    layers = []
    for number, subject in enumerate(found.subjects, 1):
        mask = as_levels(resize_mask(subject.mask, photo.shape[:2]))
        label = None if subject.label == "subject" else subject.label
        layer = Layer(f"subject-{number}", photo, mask, found.method, label=label)
        if label is None:
            layer = layer.with_flames()
            layer = layer.with_cord() if layer.kind.name == "hanging" else layer
        layers.append(layer)
    return layers


def found_regions(photo: Array, others: Sequence[Layer]) -> list[Layer]:
    """Return the places in which material flows or leaves stir as regions named by their kinds.

    Args:
        photo: uint8 (H, W, 3), at its working size.
        others: the layers that there are already: no region covers them, and none has their names.
    """
    occupied = np.maximum.reduce([layer.mask for layer in others]) / np.float32(255) if others else None
    taken, regions = {layer.name for layer in others}, []
    for region in find_regions(photo, occupied):
        names = (region.kind, *(f"{region.kind}-{number}" for number in range(2, len(taken) + 3)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        regions.append(
            Layer(
                name,
                photo,
                as_levels(region.mask),
                f"found by {LOOKS}",
                Kind(region.kind, region.sure, LOOKS),
                region=True,
                direction=None if region.still else region.direction,
            )
        )
    return regions
