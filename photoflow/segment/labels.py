"""Masks of several things at once: maps of labels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import MaskFile, read_labels

MOST = 64  # labels: more are no things that anybody tells apart, but a picture that is no mask


def split_labels(mask: Any) -> dict[int, Array]:
    """Return the masks of a map of labels, each bool (H, W), by label in ascending order; 0 is no label.

    Args:
        mask: a path, see `photoflow.io.read_labels`, or what `photoflow.io.read_mask_file` read; or an array or tensor
            (H, W) of whole numbers; uint8 holds labels if no value is above 127: as a mask it would be empty. None, and
            any other mask: no labels.

    Raises:
        InputError: a file that cannot be read, or more than `MOST` labels.
    """
    if isinstance(mask, str | os.PathLike):
        values = read_labels(mask)
    elif isinstance(mask, MaskFile):
        values = mask.labels
    else:
        values = None if mask is None else _whole_numbers(mask)
    if values is None:
        return {}
    labels = [int(label) for label in np.unique(values) if label]
    if len(labels) > MOST:
        raise InputError(f"mask: expected at most {MOST} labels, got {len(labels)}")
    return {label: np.asarray(values == label) for label in labels}


def _whole_numbers(mask: Any) -> Array | None:
    values = np.asarray(mask.detach().cpu().numpy() if hasattr(mask, "detach") else mask)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "iu" or values.size == 0 or values.max() <= 1:
        return None
    return None if values.dtype == np.uint8 and values.max() > 127 else values
