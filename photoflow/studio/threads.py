"""Threads within torch: one for what a hand waits for, all of them for what is rendered."""

from __future__ import annotations

import os
import sys
import threading

MODESTY = 10  # by which the priority of renders is lower

_lock = threading.Lock()
_usual: int | None = None


def work_alone() -> None:
    """Let torch do what this thread asks for in this thread.

    A preview is made of many small steps, in which several threads wait for each other longer than they work, and for
    ever where other programs are busy, too.
    """
    _take(1)


def work_together() -> None:
    """Let torch do what this thread asks for in as many threads as it usually takes, behind all that a hand waits for.

    What this thread starts from now on is as modest as it is.
    """
    _take(None)
    if sys.platform == "linux":  # where a thread has a priority of its own
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, min(19, os.getpriority(os.PRIO_PROCESS, own) + MODESTY))


def _take(count: int | None) -> None:
    global _usual
    import torch

    with _lock:
        # OpenMP keeps the number by thread. A thread in which torch was never asked for it would still take the one
        # that was set last anywhere, and forget its own.
        found = torch.get_num_threads()
        _usual = found if _usual is None else _usual
        torch.set_num_threads(_usual if count is None else count)
