"""Threads within torch: one for what a hand waits for, all of them for what is rendered."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_usual: int | None = None


def work_alone() -> None:
    """Let torch do what this thread asks for in this thread.

    A preview is made of many small steps, in which several threads wait for each other longer than they work, and for
    ever where other programs are busy, too.
    """
    _take(1)


def work_together() -> None:
    """Let torch do what this thread asks for in as many threads as it usually takes."""
    _take(None)


def _take(count: int | None) -> None:
    global _usual
    import torch

    with _lock:
        # OpenMP keeps the number by thread. A thread in which torch was never asked for it would still take the one
        # that was set last anywhere, and forget its own.
        found = torch.get_num_threads()
        _usual = found if _usual is None else _usual
        torch.set_num_threads(_usual if count is None else count)
