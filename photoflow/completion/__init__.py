"""Completion of clips: what is removed from every frame, and what is behind it."""

from photoflow.completion.inpainter import Inpainted, Inpainter
from photoflow.completion.propagation import propagated

__all__ = ["Inpainted", "Inpainter", "propagated"]
