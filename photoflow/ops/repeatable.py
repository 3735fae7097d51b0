"""repeatable: a context in which what is computed on CUDA repeats to the bit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_inside = 0  # blocks that are entered, of all threads
_asked = _cudnn_before = False


def is_repeatable() -> bool:
    """Return whether results shall repeat to the bit: within `repeatable`, or by torch's own setting."""
    return _asked or torch.are_deterministic_algorithms_enabled()


@contextmanager
def repeatable() -> Iterator[None]:
    """Let the same inputs give the same bits on CUDA each time, within a `with` block or a function that it decorates.

    `forward_splat` then adds in a fixed order, and cuDNN takes none of its convolutions that add in any order. Unlike
    `torch.use_deterministic_algorithms`, this refuses no operation. Threads may enter and leave at any time; as long as
    one is inside, the others compute so, too. Nothing changes on the CPU.
    """
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _inside, _asked, _cudnn_before
    with _lock:
        if _inside == 0:
            _cudnn_before = torch.backends.cudnn.deterministic
        _inside += change
        _asked = _inside > 0
        torch.backends.cudnn.deterministic = _asked or _cudnn_before
