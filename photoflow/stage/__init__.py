"""The stage: a photo prepared once, animated many times."""

from photoflow.stage.layer import Layer
from photoflow.stage.stage import Stage

__all__ = ["Layer", "Stage"]
