"""The motion that is chosen, not said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from photoflow.errors import InputError
from photoflow.motion.field import MotionField
from photoflow.motion.motion import Motion
from photoflow.motion.scene import Scene


@dataclass(frozen=True)
class Auto(Motion):
    """Chooses for every layer, by what it is, how it moves, and whether the camera does.

    `photoflow.stage.judgement.chosen` says what it chooses. For one layer alone (`Auto().on("sky")`) the camera rests.
    """

    name: ClassVar[str] = "auto"

    def field(self, scene: Scene) -> MotionField:
        """Raise an InputError: a motion is chosen for the layers of a stage, before there is a scene of one."""
        raise InputError("auto: expected a photo or a stage, for whose layers it chooses a motion")
