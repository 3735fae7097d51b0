"""Replayed drag and release: the subject is pulled by one point, held, let go, and swings until it rests."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from photoflow.errors import InputError, shown
from photoflow.motion.field import MotionField
from photoflow.motion.motion import FARTHEST, Motion, check_range
from photoflow.motion.parametric import smoothstep
from photoflow.motion.scene import Scene
from photoflow.motion.simulation import Simulation
from photoflow.motion.spectral import SpectralVolume
from photoflow.motion.spectral_motion import Spectral
from photoflow.motion.wind import PRESETS, wind_volume

if TYPE_CHECKING:
    from torch import Tensor

HIGHEST = 3.0  # hertz: faster modes of a preset hardly move
GUSTS = 3  # winds from each direction
SMOOTH = 0.02  # of the subject's extent: blur of a preset's modes
NODES = 128  # least number of nodes along the subject: enough for its modes, and few nodes are fast
NEAR = 0.03  # of the subject's extent: a point this close to the subject still counts as on it


@dataclass(frozen=True)
class Poke(Motion):
    """Pulls the subject by one point, holds it, and lets it go: it swings back and comes to rest.

    The subject's vibration modes come from a wind preset applied to its shape, or from a recorded volume. The clip
    stands still until the pull begins. In a loop, the last swings are faded out before the clip ends.

    Args:
        x: x of the point, pixels of the photo.
        y: y of the point, pixels of the photo.
        dx: pull to the right, pixels of the photo.
        dy: pull down, pixels of the photo.
        at: time at which the pull begins, seconds.
        hold: seconds from there to the release; the hand has moved 95 % of its way after 60 % of this time.
        like: source of the modes: a preset of `photoflow.motion.wind`, or a volume (.safetensors) or a video, which are
            laid on the photo as for `photoflow.motion.Spectral`.

    Source: Generative Image Dynamics (Li et al. 2024), section 6, "Interactive dynamics"; see
        `photoflow.motion.simulation.Simulation`.
    """

    name: ClassVar[str] = "poke"
    leaves: ClassVar[bool] = True  # what is pulled is where the hand is
    x: float
    y: float
    dx: float
    dy: float
    at: float = 0.5
    hold: float = 0.8
    like: str = "plant"

    def __post_init__(self) -> None:
        for name, least, most in (
            ("x", -FARTHEST, FARTHEST), ("y", -FARTHEST, FARTHEST), ("dx", -FARTHEST, FARTHEST),
            ("dy", -FARTHEST, FARTHEST), ("at", 0, 3600), ("hold", 0.05, 60),
        ):  # fmt: skip
            check_range(self.name, name, getattr(self, name), least, most)
        if not isinstance(self.like, str) or not (self.like in PRESETS or Path(self.like).suffix):
            known = ", ".join(PRESETS)
            raise InputError(f"poke: like expects {known}, a .safetensors volume or a video, got {shown(self.like)}")

    @property
    def file(self) -> Path | None:
        return None if self.like in PRESETS else Path(self.like)

    def field(self, scene: Scene) -> MotionField:
        if scene.loop and self.at + self.hold >= scene.seconds:
            raise InputError(
                f"poke: the point is let go after {self.at + self.hold:g} s; expected a loop longer than that, "
                f"got {scene.seconds:g} s"
            )
        self._check_on_subject(scene)
        step = max(1, int(max(np.ptp(scene.box[0::2]), np.ptp(scene.box[1::2])) // NODES))
        nodes = coarser(scene, step)
        x, y = (min(max(v, 0), side - 1) for v, side in zip(nodes.locate(self.x, self.y), nodes.mask.shape[::-1]))
        modes = Simulation(pulled_volumes(nodes, self.like), nodes.mask, grip=self.hold / 8, device=scene.device)
        try:
            modes.drag(x, y, self.dx * nodes.scale, self.dy * nodes.scale)
        except InputError as error:
            said = (
                f"poke: nothing moves at {self.x:g},{self.y:g}; expected a point that is not where the subject is held"
            )
            raise InputError(said) from error
        seconds = scene.seconds if scene.loop else None
        return PokeField(modes, self.at, self.hold, seconds, step, (scene.mask.shape[0], scene.mask.shape[1]))

    def _check_on_subject(self, scene: Scene) -> None:
        x, y = (round(v) for v in scene.locate(self.x, self.y))
        reach = max(1, round(NEAR * scene.extent))
        rows, columns = (slice(max(0, v - reach), max(0, v + reach + 1)) for v in (y, x))
        if not np.any(scene.mask[rows, columns] >= 0.5 * scene.mask.max()):
            raise InputError(f"poke: expected a point on the subject, got {self.x:g},{self.y:g}")


def pulled_volumes(scene: Scene, like: str) -> list[SpectralVolume]:
    """Return the volumes that give the modes of what is pulled: the recorded one, or those of a preset.

    Args:
        scene: has the subject.
        like: see `Poke`.
    """
    if like not in PRESETS:
        return [Spectral(like).fitted(scene)]
    return list(_blown(scene.mask.tobytes(), scene.mask.shape, like))


@functools.lru_cache(maxsize=8)
def _blown(mask: bytes, size: tuple[int, int], like: str) -> tuple[SpectralVolume, ...]:
    """Return the volumes of a preset in several winds; kept, as a subject is pulled many times.

    One wind is not enough: a wind from the side does not excite motion that only a wind from below causes, and each
    gust bends every twig differently. Together they show which parts move together. A few gusts leave noise, which is
    smoothed.

    Args:
        mask: of the subject, the bytes of a float32 array.
        size: (h, w) of it.
        like: the preset.
    """
    subject, preset = np.frombuffer(mask, np.float32).reshape(size), PRESETS[like]
    swings = preset.modes[0].frequency  # the volumes hold its multiples, which are near the preset's resonances
    directions = (0.0,) if preset.hold == "upwind" else (0.0, 90.0)  # the wind decides on which side a flag is held
    blown = [
        wind_volume(
            subject, like, seconds=1 / swings, direction=direction, seed=seed,
            count=max(2, round(HIGHEST / swings) + 1),
        )
        for direction in directions for seed in range(GUSTS)
    ]  # fmt: skip
    return tuple(pliant(volume, SMOOTH * Scene(subject).extent) for volume in blown)


def coarser(scene: Scene, step: int) -> Scene:
    """Reduce a scene to every `step`th pixel, plus one more row or column if these do not reach the end."""
    rows, columns = (-(-(side - 1) // step) * step + 1 for side in scene.mask.shape)
    (height, width), around = scene.mask.shape, cv2.blur(scene.mask, (step, step)) if step > 1 else scene.mask
    mask = cv2.copyMakeBorder(around, 0, rows - height, 0, columns - width, cv2.BORDER_REPLICATE)[::step, ::step]
    return replace(
        scene, mask=np.ascontiguousarray(mask), origin=(scene.origin[0] / step, scene.origin[1] / step),
        scale=scene.scale / step,
        picture=scene.picture and (scene.picture[0] / step, scene.picture[1] / step),
    )  # fmt: skip


def pliant(volume: SpectralVolume, sigma: float) -> SpectralVolume:
    """Convert a preset's wind volume for use as modes of `Simulation`, and smooth it.

    A preset gives the displacement of its modes, but `Simulation` reads their strength from kinetic energy. Frequency
    k (a multiple of the lowest one) has the k-fold velocity at the same displacement, so it is divided by k. The
    volume is blurred by a Gaussian of `sigma` pixels, at least 0.3.
    """
    multiples = np.maximum(np.arange(volume.count), 1)[:, None, None, None]
    planes = np.ascontiguousarray(volume.planes.reshape(-1, *volume.size))
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), max(sigma, 0.3)) for plane in planes])
    real, imaginary = smooth.reshape(2, *volume.coefficients.shape) / multiples
    return replace(volume, coefficients=real + 1j * imaginary)


class PokeField(MotionField):
    """The displacements of a pull and a release, at any time.

    Args:
        modes: a simulation at the moment when the pull begins.
        at: time of this moment, seconds.
        hold: seconds from there to the release.
        seconds: length of the loop that the motion has to fit into; None: no loop.
        step: spacing of the simulation's pixels, in pixels of the region.
        size: (height, width) of the region.
    """

    def __init__(
        self, modes: Simulation, at: float, hold: float, seconds: float | None, step: int, size: tuple[int, int]
    ) -> None:
        self._step, self._size = step, size
        self.at, self.released_at, self.seconds, self.factor = at, at + hold, seconds, 1.0
        self._pulled, self._released = modes, copy.copy(modes)
        self._released.step(hold)
        self._released.release()

    def flow(self, t: float) -> Tensor:
        if self.seconds is not None:
            t %= self.seconds
        # A step of any length is exact, so every time is one step away from the pull's beginning or the release.
        begun, since = (self._pulled, self.at) if t < self.released_at else (self._released, self.released_at)
        modes = copy.copy(begun)
        modes.step(max(0.0, t - since))
        return self._dense(modes.displacement().mul_(self._step * self.factor * self._share(t)))

    def _dense(self, flow: Tensor) -> Tensor:
        from torch import nn

        if self._step == 1:
            return flow
        sides = [self._step * (side - 1) + 1 for side in flow.shape[1:]]
        dense = nn.functional.interpolate(flow[None], sides, mode="bilinear", align_corners=True)[0]
        return dense[:, : self._size[0], : self._size[1]].contiguous()

    def _share(self, t: float) -> float:
        """Return the fading factor: 1, and in a loop falling to 0 in the second half of the time after the release."""
        if self.seconds is None:
            return 1.0
        fading = (self.seconds - self.released_at) / 2
        return 1 - smoothstep((t - self.seconds + fading) / fading)

    def scaled(self, factor: float) -> MotionField:
        field = copy.copy(self)
        field.factor = factor * self.factor
        return field
