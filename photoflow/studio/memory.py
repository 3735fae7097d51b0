"""Memory of a process that runs for days."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Give memory that is free back to the system, where the C library can.

    Many threads that take and free large arrays leave it in pieces, which glibc keeps otherwise.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
