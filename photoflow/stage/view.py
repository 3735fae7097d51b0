"""View of a stage through a moving camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion import Camera, Motion
from photoflow.motion.camera import CameraPath
from photoflow.segment.depth import DepthAnything, at_hand, read_depth
from photoflow.stage.layer import Layer
from photoflow.stage.layout import depths_of
from photoflow.stage.plan import STILL, stands
from photoflow.stage.progress import Progress
from photoflow.stage.stage import Stage

if TYPE_CHECKING:
    from photoflow.render.camera import CameraRenderer
    from photoflow.render.layered import Layer as DrawnLayer
    from photoflow.render.layered import SubjectLayer


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


def camera_renderer(
    stage: Stage, cameras: Sequence[tuple[float, Camera]], background: Array, regions: Sequence[DrawnLayer],
    subjects: Sequence[tuple[Layer, Motion]], drawn: Sequence[SubjectLayer], *, seconds: float, loop: bool, device: str,
) -> CameraRenderer:  # fmt: skip
    """Return the renderer of what a camera sees of a stage.

    Args:
        stage: the photo, and its depth.
        cameras: (factor, camera), whose movements add up.
        background: uint8 (H, W, 3), the picture behind the subjects.
        regions: what flows in it, from the back to the front.
        subjects: what stands in front of it, from the front to the back, with its own motions.
        drawn: the same from the back to the front, as it is drawn without a camera.
        seconds, loop, device: see `photoflow.motion.Scene`.

    Raises:
        InputError: the camera would go too far.
    """
    from photoflow.render.camera import CameraRenderer, Card

    size = stage.photo.shape[:2]
    skies = [layer for layer in stage.layers if layer.kind.name == "sky"]
    standing = [layer for layer, _ in subjects]
    uncut = [layer for layer in stage.layers if stands(layer) and layer not in standing]
    depths = depths_of(size, standing, skies, stage.depth, uncut)
    path = CameraPath(cameras, (stage.width, stage.height), seconds, loop, depths.span)
    cards = [
        Card(subject, plane, motion != STILL, size)
        for subject, plane, (_, motion) in zip(drawn, depths.cards[::-1], subjects[::-1])
    ]
    return CameraRenderer(background, regions, cards, path, depths.background, depths.measured, seconds, device)
