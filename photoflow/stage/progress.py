"""Steps of longer work: each is reported, and between two of them the work can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from photoflow.errors import Cancelled


def silent(line: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Progress:
    """Reports of each step, and a way to cancel the next ones.

    Args:
        report: receives one line after every step.
        cancel: set from another thread, it ends the work after the present step.
    """

    report: Callable[[str], None] = silent
    cancel: threading.Event | None = None

    def done(self, line: str) -> None:
        """Report a step that is done.

        Raises:
            Cancelled: the work was cancelled meanwhile.
        """
        self.report(line)
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` if the work was cancelled."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("cancelled")
