"""How do I write a kind of motion that photoflow does not have?"""

import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import skimage.data

from photoflow import Animator, motion
from photoflow.motion.field import AffineField, MotionField, affine
from photoflow.motion.motion import Motion, check_range
from photoflow.motion.scene import Scene

output = sys.argv[1] if len(sys.argv) > 1 else "beat.gif"


@dataclass(frozen=True)
class Heartbeat(Motion):
    """Grows twice in quick succession, then rests.

    Args:
        strength: share by which it grows, 0 to 0.5.
        period: seconds of a beat; in a loop, the nearest that divides it.
    """

    name: ClassVar[str] = "heartbeat"  # so `--motion "heartbeat strength=0.1"` and motion files know it, too
    strength: float = 0.06
    period: float = 1.0

    def __post_init__(self) -> None:
        check_range(self.name, "strength", self.strength, 0, 0.5)
        check_range(self.name, "period", self.period, 0.1, 600)

    def field(self, scene: Scene) -> MotionField:
        left, top, right, bottom = scene.box  # of the subject, in pixels of the region that is rendered
        phase = scene.phase(self.period)  # time -> angle, so that the loop closes

        def matrix(t: float) -> np.ndarray:
            share = phase(t) / (2 * np.pi) % 1
            beat = np.exp(-(((share - 0.15) / 0.05) ** 2)) + 0.6 * np.exp(-(((share - 0.35) / 0.05) ** 2))
            return affine(((left + right) / 2, (top + bottom) / 2), scale=(1 + self.strength * beat,) * 2)

        return AffineField(scene, matrix)


animator = Animator(offline=True, segmenter="grabcut")
together = Heartbeat(strength=0.1) + 0.3 * motion.Float()  # it adds up with the others
clip = animator.animate(skimage.data.coffee(), together, box=(150, 60, 280, 260), seconds=2, fps=12, size=240)
clip.save(output)
print(f"{output}: {clip.motion}")
