"""Response of a subject of a given shape to the wind, by damped oscillators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.wind.presets import Mode, Preset
from photoflow.motion.wind.subject_shape import SubjectShape
from photoflow.motion.wind.turbulence import Turbulence

STEEPEST = 0.3  # largest gradient of the displacement: at 1 neighbours would meet and the picture would fold
NOTHING = 1e-6  # of a subject's length: least motion that is scaled by, so that no motion is not divided by 0


@dataclass(frozen=True, eq=False)
class Pose:
    """The deformation of a subject's paths, cell by cell, at several frequencies or times (the last axis).

    Args:
        turn: (n, T), rotation of the path from its rest direction, radians.
        stretch: (n, T), elongation of the path, as a share of its length.
        shift: (n, 2, T), displacement of a place from its path, cells.
    """

    turn: Array
    stretch: Array
    shift: Array

    @classmethod
    def at_rest(cls, cells: int, count: int) -> Pose:
        """Return a pose without motion, (cells, …, count)."""
        nothing = np.zeros((cells, 2, count), np.complex64)
        return cls(nothing[:, 0], nothing[:, 0], nothing)

    def plus(self, other: Pose, factor: float) -> Pose:
        """Return the sum of this pose and `factor` times another."""
        pairs = ((self.turn, other.turn), (self.stretch, other.stretch), (self.shift, other.shift))
        return Pose(*(mine + np.float32(factor) * its for mine, its in pairs))

    def at(self, times: Array) -> Pose:
        """Convert coefficients to values at given times, in shares of the record."""
        order = np.arange(self.turn.shape[-1])
        turns = np.where(order > 0, 2, 1)[:, None] * np.exp(2j * np.pi * np.outer(order, times))
        cos, sin = turns.real.astype(np.float32), turns.imag.astype(np.float32)
        return Pose(*(part.real @ cos - part.imag @ sin for part in (self.turn, self.stretch, self.shift)))


class Oscillators:
    """The response of one subject to one wind, on the grid of the subject's shape.

    Args:
        build: the shape of the subject.
        preset: the preset of its kind.
        air: the wind.
    """

    def __init__(self, build: SubjectShape, preset: Preset, air: Turbulence) -> None:
        self.build, self.preset, self.air = build, preset, air
        self._height, self._parts = build.height.ravel(), build.parts.ravel()
        self._length = build.length.ravel()
        self._inside = build.mask.ravel() > 0.5
        self._pieces, self._heading = build.pieces.reshape(-1, 2), build.heading.reshape(-1, 2)
        # Places in lengths of the subject; with `strand` below 1, places that hang on one anchor are moved together.
        near = build.roots + preset.strand * (build.places - build.roots)
        self._places = near.reshape(-1, 2) / np.float32(np.median(build.lengths))
        self._places -= self._places[self._inside].mean(axis=0)
        # Short parts swing faster than long ones, as pendulums do.
        self._pace = np.clip(np.sqrt(np.median(build.lengths) / build.lengths), 0.8, 1.25).astype(np.float32)

    def coefficients(self, strength: float) -> Array:
        """Compute the coefficients of the subject's spectral volume, (count, 2, h, w) complex64, cells.

        Every mode is scaled to its share of the preset's reach; together they turn and stretch the paths.

        Args:
            strength: factor of the displacements.
        """
        reach = self.preset.reach * strength * (2 * self.air.wind) ** 1.3
        total = Pose.at_rest(self._height.size, self.air.count)
        for number, mode in enumerate(self.preset.modes):
            answer = self._pose(mode, self._answer(mode, 10 + 10 * number))
            wanted = reach * mode.share * self._grip(mode) * self._kept(mode)
            total = total.plus(answer, wanted / self._reached(answer))
        mode = self.preset.modes[0]  # the mean wind leans the subject like a lasting gust
        leaning = self._pose(mode, self._mean(self._torque(mode, self.air.along)))
        fully = self._pose(mode, self._mean(np.ones_like(self._torque(mode, self.air.along))))
        total = total.plus(leaning, reach * 2 * self.air.wind * self.preset.lean / self._reached(fully))
        # Enough times that the squares of the angles do not alias into the frequencies that are kept.
        times = np.arange(3 * self.air.count) / (3 * self.air.count)
        moved = self._eased(self._continued(self._displaced(total.at(times))))
        order = np.exp(2j * np.pi * np.outer(self._beginning(moved) - times, np.arange(self.air.count))) / len(times)
        rows, columns = self.build.mask.shape
        seen = moved.reshape(rows, columns, 2, -1) @ order.astype(np.complex64)
        return np.asarray(seen.transpose(3, 2, 0, 1))

    def _answer(self, mode: Mode, stream: int) -> Array:
        """Compute the response of the oscillator at every cell, or at every hinge: (n, count) complex64."""
        air, hinged = self.air, mode.kind == "hinge"
        places, pace = (self._hinges[0], self._pace) if hinged else (self._places, self._pace[self._parts])
        waves = air.waves(places, mode.size, stream)
        if mode.kind == "stretch":
            push = air.pressure(waves, stream + 1, 1)[0]
        else:
            along, across = air.pressure(waves, stream + 1, 2)
            lateral = self.preset.lateral * self._torque(mode, air.across)
            push = self._torque(mode, air.along)[:, None] * along + lateral[:, None] * across
        natural = self._natural(mode) * pace * np.exp(mode.spread * air.unevenness(waves, stream + 2))
        push = push * oscillator(air.frequencies, natural[:, None], mode.damping).astype(np.complex64)
        if mode.kind == "wave":  # short waves are steeper: the height of a wave is the swing of its oscillator
            push *= (air.frequencies / self._natural(mode)).astype(np.float32)
        delay = self._downwind(places)
        if not hinged:
            delay = delay + self.preset.lag * self._height / self._haste
        return np.pad(push * air.delayed(delay), ((0, 0), (1, 0)))

    def _pose(self, mode: Mode, answer: Array) -> Pose:
        """Convert the oscillators' responses to a deformation of the paths."""
        pose, shape = Pose.at_rest(self._height.size, answer.shape[-1]), (*self.build.mask.shape, -1)
        if mode.kind == "hinge":
            start = answer[self._parts].reshape(shape)
            turn = self.build.along_paths(np.zeros_like(start), start)
            return Pose(turn.reshape(pose.turn.shape), pose.stretch, pose.shift)
        answer = answer * self._gives(mode)[:, None]
        if mode.kind == "stretch":
            return Pose(pose.turn, answer, pose.shift)
        if mode.kind == "flutter":
            beside = _crosswise(self._heading) * self._length[:, None]
            return Pose(pose.turn, pose.stretch, beside[..., None] * answer[:, None])
        if mode.kind == "wave":
            return Pose(answer, pose.stretch, pose.shift)
        bent = answer * (np.linalg.norm(self._pieces, axis=1) / self._length)[:, None]
        return Pose(self.build.along_paths(bent.reshape(shape)).reshape(bent.shape), pose.stretch, pose.shift)

    def _torque(self, mode: Mode, wind: tuple[float, float]) -> Array:
        """Compute the torque of a wind (x, y) on the path at every cell, or at every hinge, (n,) float32."""
        heading = self._hinges[1] if mode.kind == "hinge" else self._heading
        return np.asarray(heading[:, 0] * np.float32(wind[1]) - heading[:, 1] * np.float32(wind[0]))

    @cached_property
    def _hinges(self) -> tuple[Array, Array]:
        """Return the middle of each separate part's anchors, and the unit vector from there to the part's middle."""
        held, inside = self.build.held.ravel(), self._inside
        middles = [[self._places[where & (self._parts == part)].mean(axis=0) for where in (held, held | inside)]
                   for part in range(len(self.build.lengths))]  # fmt: skip
        anchors, bodies = np.array(middles, np.float32).transpose(1, 0, 2)
        heading = bodies - anchors
        return anchors, heading / np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-6)

    def _gives(self, mode: Mode) -> Array:
        """Return the compliance of every cell, (n,) float32: less for thick parts, 0 outside the subject."""
        near, far = mode.gives
        gives = near + (far - near) * self._height
        thickness = self.build.thickness.ravel()
        slender = 1 / (1 + (2 * thickness / np.median(thickness[self._inside])) ** 2)
        share = 1.0 if mode.kind == "bend" else mode.fine
        return np.asarray(gives * (1 - share + share * slender) * np.minimum(self.build.mask.ravel(), 1))

    def _mean(self, torque: Array) -> Array:
        """Return a constant response, (n, count) complex64, whose mean is the torque."""
        answer = np.zeros((len(torque), self.air.count), np.complex64)
        answer[:, 0] = torque
        return answer

    def _natural(self, mode: Mode) -> float:
        """Return the mode's natural frequency in this wind, hertz; it varies with the seed, as real subjects vary."""
        return mode.frequency * self._haste * float(np.exp(0.12 * self.air.numbers(1).standard_normal()))

    @property
    def _haste(self) -> float:
        """Return the factor by which the subject moves faster than in a wind of 0.5."""
        return float(self.air.vigour**self.preset.quickens)

    def _beginning(self, moved: Array) -> float:
        """Choose the time at which the motion (h, w, 2 T) begins, as a share of the record; not where it is fastest."""
        at_times = moved.reshape(self._height.size, 2, -1)[self._inside]
        count = at_times.shape[-1]
        steps = np.hypot(*np.moveaxis(np.roll(at_times, -1, axis=2) - at_times, 1, 0)).mean(axis=0)
        calm = self._calm()
        here = int(calm * count)
        if max(steps[here - 1], steps[here]) < 0.9 * steps.max():
            return calm
        return float((np.argmin(steps) + 0.5) / count)

    def _calm(self) -> float:
        """Find the time at which the wind moves the subject least, as a share of the record.

        It is estimated with oscillators on a square of the subject's length, so that it does not depend on the mask's
        resolution.
        """
        air = self.air
        places = np.stack(np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 4)]), axis=-1).reshape(-1, 2).astype(np.float32)
        turns = np.exp(2j * np.pi * np.outer(np.arange(1, air.count), np.arange(240) / 240))
        later = air.delayed(self._downwind(places))
        loudness = np.zeros(240)
        for number, mode in enumerate(self.preset.modes):
            stream = 10 + 10 * number
            swing = air.pressure(air.waves(places, mode.size, stream), stream + 1, 2) * later
            swing = swing * oscillator(air.frequencies, self._natural(mode), mode.damping)
            pace = np.mean(np.abs((swing * air.frequencies) @ turns) ** 2, axis=(0, 1))
            loudness += mode.share**2 * pace / np.mean(np.abs(swing) ** 2)
        return float(np.argmin(loudness) / 240)

    def _downwind(self, places: Array) -> Array:
        """Return how much later the wind reaches places than the middle of the subject, (n,) float32, seconds."""
        return np.asarray(places @ np.array(self.air.along, np.float32) / (self.preset.speed * self.air.vigour))

    def _grip(self, mode: Mode) -> float:
        """Return the effect of the wind in this direction, 0 to 1: least if it blows along the paths."""
        if mode.kind == "stretch":
            return 1.0
        square = self._torque(mode, self.air.along) ** 2
        square = square + (self.preset.lateral * self._torque(mode, self.air.across)) ** 2
        return float(np.sqrt(min(np.mean(square if mode.kind == "hinge" else square[self._inside]), 1)))

    def _kept(self, mode: Mode) -> float:
        """Return the share of the mode's amplitude that lies within the frequencies of the record, 0 to 1."""
        f = np.arange(0.005, 16, 0.01)
        power = self.air.power(f) * np.abs(oscillator(f, self._natural(mode), mode.damping)) ** 2
        low, high = 0.5 / self.air.seconds, (self.air.count - 0.5) / self.air.seconds
        return float(np.sqrt(power[(f >= low) & (f <= high)].sum() / power.sum()))

    def _reached(self, pose: Pose) -> float:
        """Measure the free ends' displacement in a pose of small angles, root mean square, lengths of the subject."""
        turn, pieces = pose.turn[:, None], self._pieces[..., None]
        pieces_moved = turn * _crosswise(self._pieces)[..., None] + pose.stretch[:, None] * pieces
        moved = self._added_up(pieces_moved) + pose.shift
        free = self._inside & (self._height >= 0.8)
        square = (np.abs(moved[free] / self._length[free, None, None]) ** 2).sum(axis=1).mean(axis=0)
        return max(float(np.sqrt(square[0] + 2 * square[1:].sum())), NOTHING)

    def _displaced(self, pose: Pose) -> Array:
        """Compute the displacements, (n, 2, T) float32, cells, by turning, stretching and adding up the path's pieces.

        Pieces are turned, not sheared: a bent path keeps its length, so its end comes nearer to the anchor.
        """
        turn, longer = pose.turn[:, None], 1 + pose.stretch[:, None]
        pieces = self._pieces[..., None]
        turned = longer * (np.cos(turn) * pieces + np.sin(turn) * _crosswise(self._pieces)[..., None])
        return np.asarray(self._added_up(turned - pieces) + pose.shift)

    def _continued(self, moved: Array) -> Array:
        """Continue displacements (n, 2, T) from the subject to the cells around it: (h, w, 2 T).

        A cell outside the subject gets the mean of the cells of the subject near it, and of cells farther away only if
        there are none near.
        """
        weight = np.minimum(self.build.mask, 1)[..., None] ** 2
        known = np.concatenate([moved.reshape(*weight.shape[:2], -1) * weight, weight], axis=2)
        total = _by_channels(_filled, known.astype(np.float32))
        return np.asarray(total[..., :-1] / total[..., -1:])

    def _eased(self, moved: Array) -> Array:
        """Limit the gradient of displacements (h, w, 2 T) to `STEEPEST` by local smoothing, then if needed by damping.

        Paths that meet from two sides have different displacements, and the seam between them must not be visible.
        """

        def blurred(part: Array) -> Array:
            return np.asarray(cv2.GaussianBlur(part, (0, 0), radius))

        for radius in (2, 4, 6):
            steep = cv2.dilate(_steepness(moved), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
            share = np.clip(4 * steep / STEEPEST - 2.5, 0, 1)
            if not share.any():
                break
            share = cv2.GaussianBlur(share, (0, 0), radius)[..., None]
            moved = moved + share * (_by_channels(blurred, moved) - moved)
        return np.asarray(moved * min(1, STEEPEST / float(_steepness(moved).max())))

    def _added_up(self, pieces: Array) -> Array:
        total = self.build.along_paths(pieces.reshape(*self.build.mask.shape, -1))
        return np.asarray(total.reshape(pieces.shape))


def oscillator(frequencies: Array, natural: Array | float, damping: float) -> Array:
    """Return the response of a damped oscillator to a push of 1, at frequencies in hertz; 1 for a constant push.

    Args:
        frequencies: hertz.
        natural: natural frequencies, hertz; broadcast against `frequencies`.
        damping: damping ratio.

    Returns:
        Complex response, of the broadcast shape.
    """
    natural = np.asarray(natural)
    return np.asarray(natural**2 / (natural**2 - frequencies**2 + 2j * damping * natural * frequencies))


def _crosswise(vectors: Array) -> Array:
    """Turn vectors (n, 2) by 90 degrees, from x to y."""
    return np.asarray(np.stack([-vectors[:, 1], vectors[:, 0]], axis=1))


def _steepness(moved: Array) -> Array:
    """Compute the largest norm over time of the gradient of displacements (h, w, 2 T): (h, w)."""
    down = np.diff(moved, axis=0, append=moved[-1:]).reshape(*moved.shape[:2], 2, -1)
    right = np.diff(moved, axis=1, append=moved[:, -1:]).reshape(down.shape)
    return np.asarray(np.sqrt((down**2 + right**2).sum(axis=2).max(axis=2)))


def _filled(known: Array) -> Array:
    """Fill a map (h, w, C), which is 0 where unknown, by adding a tenth of its surroundings at every coarser scale."""
    levels: list[Array] = [known]
    while min(levels[-1].shape[:2]) > 4:
        levels.append(cv2.pyrDown(levels[-1]))
    total = levels.pop()
    for finer in levels[::-1]:
        total = finer + np.float32(0.1) * cv2.GaussianBlur(cv2.pyrUp(total, dstsize=finer.shape[1::-1]), (0, 0), 1.0)
    return np.asarray(cv2.GaussianBlur(total, (0, 0), 1.0))


def _by_channels(change: Callable[[Array], Array], planes: Array) -> Array:
    """Apply a filter to maps (h, w, C), some channels at a time, as OpenCV 5 accepts no more than 128."""
    parts = np.array_split(planes, -(-planes.shape[2] // 128), axis=2)
    return np.concatenate([change(np.ascontiguousarray(part)) for part in parts], axis=2)
