"""Source of the depth of a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from photoflow.errors import InputError
from photoflow.segment.depth import DepthAnything, at_hand, read_depth
from photoflow.stage.progress import Progress
from photoflow.stage.stage import Stage


class DepthFinder:
    """Source of the depth of stages; holds the network that measures it, once it was asked for.

    Args:
        device: returns where it runs.
    """

    def __init__(self, device: Callable[[], str]) -> None:
        self._device = device
        self._network: DepthAnything | None = None

    def __call__(self, stage: Stage, depth: Any, far_bright: bool, progress: Progress) -> None:
        """Give a stage the depth that is said, or where it has none, the one that a network at hand measures.

        Args:
            stage: receives it.
            depth, far_bright: see `photoflow.segment.depth.read_depth`; None: none is said.
            progress: is told.

        Raises:
            InputError: it is no depth of this photo.
        """
        if far_bright and depth is None:
            raise InputError("depth-far-bright: expected a depth with it, got none")
        if depth is not None:
            stage.know_depth(read_depth(depth, stage.photo_size, far_bright))
        elif stage.depth is None and at_hand():
            progress.check()
            self._network = self._network or DepthAnything(self._device())
            stage.know_depth(self._network(stage.look))
            progress.done("depth: Depth Anything V2")
