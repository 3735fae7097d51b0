"""The motion of a living face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from photoflow.errors import InputError, shown
from photoflow.motion.face import shapes
from photoflow.motion.face.field import FaceField, Move
from photoflow.motion.face.landmarks import ALL, FEW, Features
from photoflow.motion.face.lids import Lids
from photoflow.motion.face.rhythm import BREATHS, SMILES, blinks, bumps, looks, turns
from photoflow.motion.motion import Motion, check_points, check_range
from photoflow.motion.scene import Scene


@dataclass(frozen=True)
class Face(Motion):
    """Lets a face live: it blinks, looks about, turns a little, breathes, and has a hint of a smile.

    All of it is displacement alone: a lid is the skin above it, drawn down over the eye. Blinks and looks come
    irregularly, the same ones with the same seed. An eye that is closed in the photo stays closed, and a head that is
    turned far aside does not blink; nor does any on a page, see `photoflow.player`. The photo is the first moment.

    Args:
        blink: 0 to 2, how often: 1 is about every 3.5 seconds, 0 never.
        turn: 0 to 2, how far the head turns and leans: at 1 by 3 degrees to either side.
        breath: 0 to 2, how far the shoulders rise: at 1 by 3 % of half the face's width.
        smile: 0 to 2, how far the corners of the mouth go up: at 1 by 6 % of half the face's width.
        gaze: 0 to 2, how far the eyes look aside: at 1 by at most 7 % of an eye's width.
        seed: a whole number from 0 on; another seed gives other moments.
        landmarks: (x, y) in pixels of the photo: 43 of them as `landmarks_of` takes them from a face that was found,
            or the 5 of every face, with which neither eyes nor mouth move. By default they are looked for in the photo,
            in the largest face and in those that are more than half as large.
    """

    name: ClassVar[str] = "face"
    inside: ClassVar[bool] = True
    blink: float = 1.0
    turn: float = 1.0
    breath: float = 1.0
    smile: float = 0.5
    gaze: float = 1.0
    seed: int = 0
    landmarks: tuple[tuple[float, ...], ...] = ()

    @property
    def everywhere(self) -> bool:
        """Return True: the face is moved where it is in the picture; it need not be cut out."""
        return True

    def __post_init__(self) -> None:
        for name in ("blink", "turn", "breath", "smile", "gaze"):
            check_range(self.name, name, getattr(self, name), 0, 2)
        check_range(self.name, "seed", self.seed, 0, 2**31)
        if self.seed != int(self.seed):
            raise InputError(f"face: seed expects a whole number, got {shown(self.seed)}")
        object.__setattr__(self, "seed", int(self.seed))
        landmarks = check_points(self.name, "landmarks", self.landmarks, 2, 0)
        if len(landmarks) not in (0, FEW, ALL):
            raise InputError(f"face: landmarks expects {FEW} or {ALL} points, got {len(landmarks)}")
        if landmarks and max(np.ptp(landmarks, axis=0)) < 1:
            raise InputError("face: landmarks expects points that are apart, got one place")
        object.__setattr__(self, "landmarks", landmarks)

    def field(self, scene: Scene) -> FaceField:
        if not self.landmarks:
            raise InputError("face: expected landmarks, or a photo in which they are looked for")
        face = Features(np.array([scene.locate(*point) for point in self.landmarks]))
        size, timing = (scene.mask.shape[0], scene.mask.shape[1]), (scene.seconds, scene.loop)
        aside, down, leaning = turns(*timing, self.seed)
        toward, nod = shapes.turn(face, size)
        head = [
            Move(toward, self.turn, aside), Move(nod, self.turn, down),
            Move(shapes.lean(face, size), self.turn, leaning),
            Move(shapes.breath(face, size), self.breath, bumps(BREATHS, *timing)),
        ]  # fmt: skip
        if face.is_known:
            head.append(Move(shapes.smile(face, size), self.smile, bumps(SMILES, *timing)))
        closed, looking = blinks(self.blink, *timing, self.seed), looks(*timing, self.seed)
        eyes = [Lids.of(face, eye) for eye in face.eyes]
        return FaceField(head, eyes, closed, lambda t: self.gaze * looking(t), size, scene.device)
