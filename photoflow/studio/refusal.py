"""Refusals: why a request is not answered, with the status that says so."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP, 400 to 599.
        line: why, in one line that a person reads.
    """

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line
