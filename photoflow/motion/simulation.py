"""Drag and release: a simulation that uses a spectral volume as the vibration modes of the pictured object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.motion import FARTHEST
from photoflow.motion.spectral import SpectralVolume

if TYPE_CHECKING:
    from torch import Tensor

SILENT = 1e-3  # share of the strongest mode's energy below which a mode is left out: 3 % in amplitude
HOLDABLE = 1e-2  # least mobility of a pixel that can be held; the most mobile pixels have 1
LOCAL = 1 / 16  # mobility that the patch around a held pixel adds there; see `Simulation._patch`
NEIGHBOURHOOD = 0.75  # radius of this patch, in lengths of the object (the root of its area)
VISIBLE = 0.01  # pixels: smaller motion is not drawn


class Simulation:
    """Simulation of the pictured object as damped oscillators, which a hand can pull and let go.

    Every frequency f > 0 of the volume gives two modes, the principal components S_j of the real and the imaginary
    part of S_f, and every mode j has a coordinate u_j of mass 1:

        F(p) = sum_j P_j(p) u_j,    u_j'' + (alpha + beta w_j^2) u_j' + w_j^2 u_j = P_j(held pixel) . force,
        w_j = 2 pi f

    P_j = c w_j^2 S_j, so that the response of a mode to a static force is its share of the recorded kinetic energy.
    With P_j = c S_j the slowest modes would dominate, as wind pushes slowly, below an object's own frequencies, and the
    released object would creep back at the pace of the wind. The factor c, the same for all modes, scales the mobility
    sum_j |P_j(p)|^2 / w_j^2 of the most mobile pixels (the 95th percentile of those that move) to 1: a force of 1 holds
    such a pixel about one pixel away. So all units are pixels and seconds, and the volume's amplitude has no effect.

    Args:
        volume: the volume that gives the modes; or several of one size, whose modes are combined, so that the object
            can also move in directions that one recorded wind did not excite, and moves more naturally.
        mask: (H, W) in [0, 1], the object; None: all pixels that move.
        alpha: damping of all modes, 1/s; natural from 0.4 to 0.8.
        beta: damping that grows with the squared frequency, s; natural from 0.05 to 0.08.
        grip: time constant with which the held pixel follows the hand, seconds: critically damped, 95 % of the way
            after 4.8 grips.
        device: device of the displacements.

    Raises:
        InputError: nothing moves in the volume, the volumes have several sizes, or a number is out of its range.

    Source: Davis et al., "Image-space modal bases for plausible manipulation of objects in video", 2015, as used by Li
        et al., "Generative Image Dynamics", CVPR 2024, section 6, equation (6). Deviations: the scale of the modes,
        the patch around the held pixel, and exact steps of any length, where explicit Euler steps must be short.
    """

    def __init__(
        self, volume: SpectralVolume | Sequence[SpectralVolume], mask: Array | None = None, *, alpha: float = 0.6,
        beta: float = 0.06, grip: float = 0.03, device: str = "cpu",
    ) -> None:  # fmt: skip
        import torch

        for name, value, least in (("alpha", alpha, 0), ("beta", beta, 0), ("grip", grip, 1e-4)):
            if not least <= value < math.inf:
                raise InputError(f"simulation: {name} expects a number of at least {least:g}, got {value!r}")
        volumes = [volume] if isinstance(volume, SpectralVolume) else list(volume)
        thing = None if mask is None else np.asarray(mask) >= 0.5 * np.max(mask)
        if thing is not None and not (np.any(mask) and all(thing.shape == one.size for one in volumes)):
            raise InputError(f"simulation: expected a mask of the volume's size with an area, got one of {thing.shape}")
        shapes, self._omega, self._mobility = _modes(volumes, thing)
        moving = self._mobility >= HOLDABLE if thing is None else thing
        self._extent = math.sqrt(np.count_nonzero(moving))
        self._planes = torch.from_numpy(shapes).to(device)
        self._peaks = np.abs(shapes).max(axis=1)
        self.size, self.alpha, self.beta, self.grip = volumes[0].size, alpha, beta, grip
        self._patches = 0  # number of patches; their modes, two each, come before those of the volume
        self._free = self._oscillators()
        self._state = np.zeros((2, len(self._omega)))  # coordinates, and their velocities
        self._hold: _Hold | None = None
        self._hand = np.zeros((2, 2))  # the held pixel's displacement, and its velocity, in x and y
        self._target = np.zeros(2)

    @property
    def frequencies(self) -> Array:
        """Return the frequencies of the modes in use, hertz, ascending, (J,) float64; each at most twice per volume."""
        return np.asarray(self._omega[2 * self._patches :] / (2 * np.pi))

    @property
    def modes(self) -> tuple[Array, Array, Array, float]:
        """Return what a player needs to run it elsewhere, in pixels of the volume.

        Returns:
            Mode shapes (J, 2, H, W) float32; their angular frequencies (J,), ascending, radians a second; the mobility
            of each pixel (H, W) float32; and the object's extent, pixels. Patches of holds are not among them.
        """
        first = 2 * self._patches
        shapes = self._planes[first:].cpu().numpy().reshape(-1, 2, *self.size)
        return shapes, self._omega[first:], self._mobility, self._extent

    @property
    def held(self) -> tuple[float, float] | None:
        """Return the pixel (x, y) that the hand holds, or None."""
        return None if self._hold is None else (self._hold.x, self._hold.y)

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        """Hold a pixel and pull it to (dx, dy) from its place in the photo.

        In the following steps the held pixel moves to this target, critically damped with the time constant `grip`; the
        rest of the object follows with its own inertia and comes to rest where the elastic energy is least. Further
        calls for the same pixel move the target; a call for another pixel lets go of the first.

        Args:
            x: x of the pixel, 0 to width - 1; fractions are allowed.
            y: y of the pixel, 0 to height - 1; fractions are allowed.
            dx: pixels to the right.
            dy: pixels down.

        Raises:
            InputError: the point is outside the picture or does not move, or the displacement is too large or NaN.
        """
        height, width = self.size
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):  # NaN fails the comparison too
            raise InputError(f"drag: expected a point within {width}x{height} pixels, got {x:g},{y:g}")
        if not (abs(dx) <= FARTHEST and abs(dy) <= FARTHEST):
            raise InputError(f"drag: expected a displacement of at most {FARTHEST:g} pixels, got {dx:g},{dy:g}")
        if self.held != (x, y):
            if _sampled(self._mobility, x, y) < HOLDABLE:
                raise InputError(f"drag: nothing moves at {x:g},{y:g}; expected a point on what moves")
            self._take_hold(x, y)
        self._target = np.array([dx, dy], dtype=np.float64)

    def release(self) -> None:
        """Let go: the object swings on from its present position and velocity."""
        self._hold = None

    def step(self, dt: float) -> None:
        """Advance the simulation by `dt` seconds, exactly: one long step equals many short ones.

        Raises:
            InputError: the time is negative or not finite.
        """
        if not 0 <= dt < math.inf:
            raise InputError(f"step: expected a time of at least 0 seconds, got {dt!r}")
        if self._hold is None:
            self._state = self._free.after(dt, self._state)
            return
        aim = np.stack([self._target, np.zeros(2)])
        away = self._hand - aim
        swing = np.concatenate([self._hold.relative(self._state, self._hand), away @ self._hold.inertia.T])
        self._hand = self._hold.hand.after(dt, away) + aim
        self._state = self._hold.absolute(self._hold.swings.after(dt, swing)[:2], self._hand)

    def displacement(self) -> Tensor:
        """Return the present displacement of every pixel, (2, H, W) float32, pixels."""
        import torch

        # Modes are sorted by frequency, and fast ones die away first. So one product over the first `count` planes is
        # enough: all later ones together move no pixel visibly.
        left = np.cumsum((self._peaks * np.abs(self._state[0]))[::-1])[::-1]
        count = int((left >= VISIBLE).sum())
        state = torch.from_numpy(self._state[0, :count].astype(np.float32))
        amounts = state.to(self._planes.device, non_blocking=True)
        flow: Tensor = torch.mv(self._planes[:count].T, amounts)
        return flow.reshape(2, *self.size)

    def energy(self) -> float:
        """Return the kinetic and elastic energy of all modes, square pixels; it never grows while no pixel is held."""
        return float(0.5 * (self._state[1] ** 2 + (self._omega * self._state[0]) ** 2).sum())

    def _take_hold(self, x: float, y: float) -> None:
        """Hold a pixel with its present displacement and velocity, so that nothing jumps."""
        import torch

        # Patches of earlier holds stay until they are at rest.
        moves = self._peaks * np.abs(self._state[0]) >= VISIBLE
        moves |= self._peaks * np.abs(self._state[1]) >= VISIBLE * self._omega
        first = 2 * self._patches
        kept = np.repeat(moves[:first].reshape(-1, 2).any(axis=1), 2)
        rows = np.concatenate([np.flatnonzero(kept), np.arange(first, len(moves))])
        patch, omega = self._patch(x, y), self._omega.max()
        self._patches = 1 + int(np.count_nonzero(kept)) // 2
        self._planes = torch.cat(
            [patch, *(self._planes[int(i)][None] for i in rows[: kept.sum()]), self._planes[first:]]
        )
        self._peaks = np.concatenate([np.full(2, float(patch.max())), self._peaks[rows]])
        self._omega = np.concatenate([np.full(2, omega), self._omega[rows]])
        self._state = np.concatenate([np.zeros((2, 2)), self._state[:, rows]], axis=1)
        self._free = self._oscillators()
        at_point = self._at(x, y)
        self._hand = self._state @ at_point.T
        self._hold = _Hold.of(x, y, at_point, self._omega, (self.alpha, self.beta, self.grip))

    def _at(self, x: float, y: float) -> Array:
        """Return the displacement of a pixel by each mode, (2, J)."""
        return np.asarray(_sampled(self._planes.reshape(-1, 2, *self.size), x, y).T)

    def _oscillators(self) -> _Linear:
        return _Linear.oscillators(self._omega**2, self.alpha + self.beta * self._omega**2)

    def _patch(self, x: float, y: float) -> Tensor:
        """Build two more modes that move the neighbourhood of a pixel in x and in y, (2, 2 H W) float32.

        They stand for the faster modes that the volume lacks, and limit the effect of a hold on distant parts. As the
        patch has the mobility LOCAL at the held pixel, the volume's modes move a pixel of mobility m at most
        sqrt(m / LOCAL) / 2 times as far as the hand, wherever it holds (by the Cauchy-Schwarz inequality). Without the
        patch, a pull near the foot of a stem would throw its tip.
        """
        import torch

        height, width = self.size
        radius = max(4.0, NEIGHBOURHOOD * self._extent)
        squared = (np.arange(height)[:, None] - y) ** 2 + (np.arange(width)[None] - x) ** 2
        near = torch.from_numpy((np.maximum(1 - squared / radius**2, 0) ** 2).astype(np.float32))
        # Displacement of each pixel when the volume's modes alone move the held one by a pixel: 0 at a stem's foot.
        first = 2 * self._patches
        at_point = self._at(x, y)[:, first:]
        yielding = at_point / self._omega[first:] ** 2
        weights = torch.from_numpy((yielding / (yielding * at_point).sum()).astype(np.float32)).to(self._planes.device)
        along = torch.einsum("aj,jahw->hw", weights, self._planes[first:].reshape(-1, 2, *self.size)).clamp_(0, 1)
        shape = float(self._omega.max()) * math.sqrt(LOCAL) * along * near.to(along.device)
        patch = torch.zeros((2, 2, height, width), device=along.device)
        patch[0, 0], patch[1, 1] = shape, shape
        return patch.reshape(2, -1)


@dataclass(frozen=True)
class _Hold:
    """The oscillators while a pixel is held: the remaining free motion has modes of its own.

    With the held pixel's displacement d given, P u = d, the coordinates are u = static d + basis z: the rest position
    of least elastic energy, plus swings z that do not move the held pixel. As damping is alpha + beta times stiffness,
    it does not couple the swings: z'' + (alpha + beta l) z' + l z = -inertia (d'' + alpha d').

    Args:
        x: x of the held pixel.
        y: y of the held pixel.
        static: (J, 2), rest position per pixel of the hand's displacement.
        basis: (J, J - 2), orthonormal columns, the swings.
        inertia: (J - 2, 2), effect of the hand's acceleration on each swing.
        hand: the linear system of the hand's way to its target.
        swings: the linear systems of (z, z', and the hand's displacement and velocity along the swing).
    """

    x: float
    y: float
    static: Array
    basis: Array
    inertia: Array
    hand: _Linear
    swings: _Linear

    @classmethod
    def of(cls, x: float, y: float, at_point: Array, omega: Array, rates: tuple[float, float, float]) -> _Hold:
        """Build the hold of a pixel that the modes move by `at_point` (2, J).

        Args:
            x: x of the pixel.
            y: y of the pixel.
            at_point: (2, J), displacement of the pixel by each mode.
            omega: (J,), angular frequencies of the modes.
            rates: alpha, beta and grip of the simulation.
        """
        alpha, beta, grip = rates
        yielding = at_point.T / omega[:, None] ** 2
        static = yielding @ np.linalg.inv(at_point @ yielding)
        free = np.linalg.svd(at_point)[2][2:].T
        stiffness, turn = np.linalg.eigh(free.T @ (omega[:, None] ** 2 * free))
        basis = free @ turn
        hand = _Linear.oscillators(np.full(2, grip**-2), np.full(2, 2 / grip))
        # The hand's motion d'' = -d / grip^2 - 2 d' / grip, with d measured from its target, drives the swings.
        swings = np.zeros((len(stiffness), 4, 4))
        swings[:, :2, :2] = _Linear.oscillators(stiffness, alpha + beta * stiffness).rates
        swings[:, 2:, 2:] = hand.rates[:1]
        swings[:, 1, 2:] = [grip**-2, 2 / grip - alpha]
        return cls(x, y, static, basis, basis.T @ static, hand, _Linear(swings))

    def relative(self, state: Array, hand: Array) -> Array:
        """Convert coordinates and their velocities (2, J) to swings and their velocities (2, J - 2)."""
        return np.asarray((state - hand @ self.static.T) @ self.basis)

    def absolute(self, swings: Array, hand: Array) -> Array:
        """Convert swings and their velocities (2, J - 2) back to coordinates (2, J), the inverse of `relative`."""
        return np.asarray(hand @ self.static.T + swings @ self.basis.T)


class _Linear:
    """N linear systems y' = A y, solved exactly by the matrix exponential; A is (N, n, n) float64."""

    def __init__(self, rates: Array) -> None:
        self.rates = rates
        self._last: tuple[float, Array] | None = None  # kept, because the steps of a player all have the same length

    @classmethod
    def oscillators(cls, stiffness: Array, damping: Array) -> _Linear:
        """Build the systems u'' + damping u' + stiffness u = 0 with y = (u, u'); both arguments are (N,)."""
        rates = np.zeros((len(stiffness), 2, 2))
        rates[:, 0, 1], rates[:, 1, 0], rates[:, 1, 1] = 1, -stiffness, -damping
        return cls(rates)

    def after(self, dt: float, states: Array) -> Array:
        """Return the states (n, N) after `dt` seconds."""
        import torch

        if self._last is None or self._last[0] != dt:
            self._last = dt, torch.linalg.matrix_exp(torch.from_numpy(self.rates * dt)).numpy()
        return np.asarray(np.einsum("jab,bj->aj", self._last[1], states))


def _modes(volumes: Sequence[SpectralVolume], thing: Array | None) -> tuple[Array, Array, Array]:
    """Return mode shapes (J, 2 H W) float32, angular frequencies (J,) and each pixel's mobility (H, W) float32."""
    sizes = {volume.size for volume in volumes}
    if len(sizes) != 1:
        raise InputError(f"simulation: expected volumes of one size, got {sorted(sizes) or 'none'}")
    alike: dict[float, list[Array]] = {}
    for volume in volumes:
        for rate, one in zip(2 * np.pi * volume.frequencies[1:], volume.coefficients[1:]):
            alike.setdefault(float(rate), []).append(np.stack([one.real, one.imag]).reshape(2, -1))
    groups = [(rate, _components(np.float32(rate) * np.concatenate(alike[rate]))) for rate in sorted(alike)]
    strongest = max((strengths[-1] for _, (strengths, _) in groups), default=0)
    if strongest <= 0:
        raise InputError("simulation: expected a volume that moves at some frequency above 0; nothing moves in it")
    kept = [(w, shapes[strengths >= SILENT * strongest]) for w, (strengths, shapes) in groups]
    omega = np.repeat([w for w, _ in kept], [len(shapes) for _, shapes in kept])
    velocities = np.concatenate([shapes for _, shapes in kept])
    mobility = np.square(velocities).sum(axis=0).reshape(2, *volumes[0].size).sum(axis=0)
    there = mobility if thing is None else mobility[thing]
    reference = np.percentile(there[there >= 1e-3 * there.max()], 95)
    scale = (omega / math.sqrt(reference)).astype(np.float32)
    return velocities * scale[:, None], omega, np.asarray(mobility / reference, dtype=np.float32)


def _components(planes: Array) -> tuple[Array, Array]:
    """Compute the principal components of planes (n, N) float32: strengths (n,), ascending, and (n, N) float32.

    Every motion at one frequency is a sum of these; if the planes are similar, few of them have much strength.
    """
    strengths, turn = np.linalg.eigh((planes @ planes.T).astype(np.float64))
    return strengths, turn.T.astype(np.float32) @ planes


def _sampled(maps: Array | Tensor, x: float, y: float) -> Array:
    """Sample maps (..., H, W) at one point inside, bilinearly; float64."""
    height, width = maps.shape[-2:]
    left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    corner = np.asarray(maps[..., top : top + 2, left : left + 2].tolist(), dtype=np.float64)
    across = np.array([1 - (x - left), x - left])[: corner.shape[-1]]
    down = np.array([1 - (y - top), y - top])[: corner.shape[-2]]
    return np.asarray(corner @ across @ down)
