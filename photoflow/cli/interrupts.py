"""Signals that end a run: it leaves no unfinished file, prints no traceback, and does not hang."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_IMPORTS = "<frozen importlib."  # how Python names the files of its import system


def end_runs_cleanly() -> None:
    """Handle SIGINT, SIGTERM and SIGHUP from now on; what nohup and the like ignore stays ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End the run as an interrupt does.

    An exception that is raised within Python's import system leaves its locks held: a thread that imports something
    then waits for ever, and the run with it.
    """
    if _is_importing(frame):
        atomic = sys.modules.get("photoflow.io.atomic")  # not imported here, where an import would wait for ever
        if atomic is not None and hasattr(atomic, "remove_unfinished"):
            atomic.remove_unfinished()
        os._exit(128 + number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False
