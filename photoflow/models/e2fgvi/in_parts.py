"""Work on a few items at a time, which bounds the memory that large frames need."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MOST = 1 << 26  # values that a step has in memory at once; those of a few frames of 240 by 432


def at_a_time(values: int) -> int:
    """Return how many items are worked on together, where each needs that many values."""
    return max(1, _MOST // values)


def in_parts(function: Callable[[Tensor], Tensor], items: Tensor, values: int) -> Tensor:
    """Return what a function makes of items, (N, ...), made for as many at a time as memory is meant for.

    Args:
        function: of items that do not depend on each other, (n, ...) -> (n, ...).
        items: at least one.
        values: that the largest tensor within the function has for an item.
    """
    parts = items.split(at_a_time(values))
    return function(items) if len(parts) == 1 else torch.cat([function(part) for part in parts])
