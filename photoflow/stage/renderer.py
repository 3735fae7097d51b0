"""The renderer of a stage whose layers and camera move as planned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from photoflow.arrays import Array
from photoflow.motion import Camera, Motion
from photoflow.motion.camera import CameraPath
from photoflow.stage.judgement import pulled_like
from photoflow.stage.layer import Layer
from photoflow.stage.layout import depths_of
from photoflow.stage.plan import STILL, standing_still, stands, turns_at_border, with_cards
from photoflow.stage.progress import Progress
from photoflow.stage.stage import Stage

if TYPE_CHECKING:
    from photoflow.render.camera import Card
    from photoflow.render.layered import Layer as DrawnLayer
    from photoflow.render.renderer import Renderer

Plan = tuple[Layer, Motion]


@dataclass(frozen=True)
class Staging:
    """The choices with which a stage becomes a renderer.

    Args:
        stage: the photo, its layers and its depth.
        scale, seconds, loop: see `photoflow.motion.Scene`.
        border_pins: a subject that the picture's border cuts off is held there.
        device: returns where frames are drawn, once what loads it is done.
        blueprint: returns the network that measures the flow, None: the planned flow is taken.
        progress: is told of each step.
        draft: what is uncovered is filled in quickly and roughly.
    """

    stage: Stage
    scale: float
    seconds: float
    loop: bool
    border_pins: bool
    device: Callable[[], str]
    blueprint: Callable[[], Any]
    progress: Progress
    draft: bool = False

    def renderer(
        self, plans: Sequence[Plan], cameras: Sequence[tuple[float, Camera]], loose: bool = False
    ) -> tuple[Renderer, Array]:
        """Return the renderer of planned motions, and the soft mask of all that moves, float32 (H, W).

        Args:
            plans: which layer moves how, in the order of the stage.
            cameras: (factor, camera), whose movements add up; none: the camera rests.
            loose: what stays where it is, is cut out, too, so that a hand can pull it.

        Raises:
            InputError: something cannot be cut out, or the camera would go too far.
            Cancelled: between two steps.
        """
        regions = [(layer.as_region(True), motion) for layer, motion in plans if _flows(layer, motion)]
        subjects, staying = self._standing(plans, cameras)
        resting = standing_still(staying) if loose else []
        others = [layer for layer in staying if layer not in dict(resting)]
        background, standing = self._cut_out([*subjects, *resting], others)
        # What rests moves with what is behind it where there is a camera: it is a part of the picture that is seen.
        resting_drawn, standing = standing[: len(resting)], standing[len(resting) :]
        behind = [*self._flowing(regions, background, staying), *resting_drawn]
        self.progress.check()
        if cameras:
            return self._seen(cameras, background, behind, subjects, standing), np.ones(
                background.shape[:2], np.float32
            )
        from photoflow.render.layered import LayeredRenderer

        moving = np.maximum.reduce([layer.alpha for layer, _ in (*subjects, *resting, *regions)])
        return LayeredRenderer(background, [*behind, *standing], self.device()), moving

    def rests(self, plans: Sequence[Plan], cameras: Sequence[tuple[float, Camera]]) -> bool:
        """Return whether something stays where it is that `renderer` cuts out where it is to be loose."""
        return bool(standing_still(self._standing(plans, cameras)[1]))

    def _standing(
        self, plans: Sequence[Plan], cameras: Sequence[tuple[float, Camera]]
    ) -> tuple[list[Plan], list[Layer]]:
        """Return the subjects that are drawn, and the layers that stay in the picture."""
        subjects = [(layer, motion) for layer, motion in plans if not _flows(layer, motion)]
        if cameras:
            subjects = with_cards(subjects, self.stage, cameras)
        planned = {layer for layer, _ in (*plans, *subjects)}
        return subjects, [layer for layer in self.stage.layers if layer not in planned and not layer.region]

    def _cut_out(self, subjects: Sequence[Plan], staying: Sequence[Layer]) -> tuple[Array, list[Any]]:
        """Return the picture behind subjects, uint8 (H, W, 3), and those as they are drawn, the one in front last."""
        whole = self.stage.compose([layer for layer, _ in subjects], staying, self.progress, self.draft)
        device = self.device()
        from photoflow.render.layered import SubjectLayer

        return whole.background, [
            SubjectLayer(
                layer.colours, layer.alpha, motion, drawn=cutout, extend=layer.continued,
                border_pins=self.border_pins and not turns_at_border(layer, motion), weights=layer.weights,
                part=layer.part, device=device, blueprint=self.blueprint(), name=layer.name,
                like=pulled_like(layer, motion), **self._timing,
            )
            for (layer, motion), cutout in reversed(list(zip(subjects, whole.cutouts)))
        ]  # fmt: skip

    def _flowing(self, regions: Sequence[Plan], background: Array, staying: Sequence[Layer]) -> list[DrawnLayer]:
        """Return regions as they are drawn, the one in front last.

        They flow behind what moves, so their own colours are those of the filled background; what stays stands in them.
        """
        device = self.device()
        from photoflow.render.flowing import FlowingLayer

        stays = None
        if regions and staying:
            stays = np.maximum.reduce([layer.mask for layer in staying]) / np.float32(255)
        return [
            FlowingLayer(
                background, layer.alpha, motion, standing=None if motion.inside else stays, device=device,
                name=layer.name, **self._timing,
            )
            for layer, motion in reversed(regions)
        ]  # fmt: skip

    def _seen(
        self, cameras: Sequence[tuple[float, Camera]], background: Array, flowing: Sequence[DrawnLayer],
        subjects: Sequence[Plan], standing: Sequence[Any],
    ) -> Renderer:  # fmt: skip
        """Return the renderer of what a camera sees."""
        from photoflow.render.camera import CameraRenderer

        stage, cards = self.stage, [layer for layer, _ in subjects]
        skies = [layer for layer in stage.layers if layer.kind.name == "sky"]
        uncut = [layer for layer in stage.layers if stands(layer) and layer not in cards]
        size = background.shape[:2]
        depths = depths_of(size, cards, skies, stage.depth, uncut)
        path = CameraPath(cameras, (stage.width, stage.height), self.seconds, self.loop, depths.span)

        @functools.cache
        def alone() -> list[Card]:
            """Return what stands in the picture uncut as cards: nobody waits for them but who wants them alone."""
            still = standing_still(uncut)
            planes = depths_of(size, [layer for layer, _ in still], skies, stage.depth).cards
            return self._cards(still, planes, self._cut_out(still, [])[1])

        return CameraRenderer(
            background, flowing, self._cards(subjects, depths.cards, standing), path, depths.background,
            depths.measured, self.seconds, self.device(), alone,
        )  # fmt: skip

    def _cards(
        self, subjects: Sequence[Plan], planes: Sequence[tuple[float, float]], standing: Sequence[Any]
    ) -> list[Card]:
        """Return subjects as cards in their planes, the one in front last."""
        from photoflow.render.camera import Card

        size = self.stage.photo.shape[:2]
        behind_first = zip(standing, reversed(planes), reversed(subjects))
        return [Card(drawn, plane, motion != STILL, size) for drawn, plane, (_, motion) in behind_first]

    @property
    def _timing(self) -> dict[str, Any]:
        return {"scale": self.scale, "seconds": self.seconds, "loop": self.loop}


def _flows(layer: Layer, motion: Motion) -> bool:
    """Return whether a layer stays in place while something flows in it."""
    return motion.in_place or layer.region
