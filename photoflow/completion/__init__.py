"""Completion of clips: what is removed from every frame, and what is behind it."""

from photoflow.completion.propagation import propagated

__all__ = ["propagated"]
