"""Drag and release: a spectral volume read as the vibration modes of what is in the picture."""

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
HOLDABLE = 1e-2  # mobility below which there is nothing to hold, where the most mobile pixels have 1
LOCAL = 1 / 16  # mobility of a held pixel's neighbourhood by itself; see `Simulation._patch`
NEIGHBOURHOOD = 0.75  # its radius, in lengths of the thing (the root of its area)
VISIBLE = 0.01  # pixels: what moves less than this is not drawn


class Simulation:
    """What is in the picture as a set of damped oscillators that a hand can pull at and let go.

    Every frequency f > 0 of the volume gives two modes, the principal components S_j of the real and the imaginary
    part of S_f, and every mode j has a coordinate u_j of mass 1:

        F(p) = sum_j P_j(p) u_j,    u_j'' + (alpha + beta w_j^2) u_j' + w_j^2 u_j = P_j(held pixel) . force,
        w_j = 2 pi f

    P_j = c w_j^2 S_j, so that a mode gives way to a static force by its share of the kinetic energy that the volume
    records. Wind pushes slowly, below the frequencies at which a thing swings by itself, and with S_j itself the thing
    would creep back at the pace of the wind. The one factor c makes the mobility sum_j |P_j(p)|^2 / w_j^2 of the most
    mobile pixels (the 95th percentile of those that move) 1: a force of 1 holds such a pixel about one pixel away.
    So all units are pixels and seconds, and nothing depends on the volume's amplitude.

    Args:
        volume: the modes; or several of one size, whose modes are put together, so that a thing can move in
            directions in which one recorded wind did not blow, and ever more like itself.
        mask: (H, W) in [0, 1], where the thing is; without it, wherever something moves.
        alpha: damping of all modes, 1/s; natural from 0.4 to 0.8.
        beta: damping that grows with the squared frequency, s; natural from 0.05 to 0.08.
        grip: seconds, how soon the held pixel follows the hand: critically damped, 95 % of the way after 4.8 grips.
        device: where displacements are wanted.

    Raises:
        InputError: nothing moves in the volume, volumes of several sizes, or a number out of its range.

    Source: Davis et al., "Image-space modal bases for plausible manipulation of objects in video", 2015, as used by Li
        et al., "Generative Image Dynamics", CVPR 2024, section 6, equation (6). Deviations: the scale of the modes,
        the patch around the held pixel, and steps that are exact, where explicit Euler steps must be short.
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
        self._patches = 0  # how many patches there are: their modes, two each, stand before the volume's
        self._free = self._oscillators()
        self._state = np.zeros((2, len(self._omega)))  # coordinates, and their velocities
        self._hold: _Hold | None = None
        self._hand = np.zeros((2, 2))  # the held pixel's displacement, and its velocity, in x and y
        self._target = np.zeros(2)

    @property
    def frequencies(self) -> Array:
        """Hertz of the modes that take part, ascending, (J,) float64; one at most twice for every volume."""
        return np.asarray(self._omega[2 * self._patches :] / (2 * np.pi))

    @property
    def held(self) -> tuple[float, float] | None:
        """The pixel (x, y) that the hand holds; None where it holds none."""
        return None if self._hold is None else (self._hold.x, self._hold.y)

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        """Hold a pixel and pull it to (dx, dy) from its place in the photo.

        In the steps to come the held pixel follows this target, critically damped with the time constant `grip`; the
        rest follows with its own inertia and comes to rest where the elastic energy is least. Further calls for the
        same pixel move the target; one for another pixel lets go of the first.

        Args:
            x: of the pixel, 0 to width - 1; it may lie between pixels.
            y: of the pixel, 0 to height - 1.
            dx: pixels to the right.
            dy: pixels down.

        Raises:
            InputError: a point outside, or where nothing moves, or a displacement that is no number.
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
        """Let go: everything swings on from where it is, with the speed that it has."""
        self._hold = None

    def step(self, dt: float) -> None:
        """Let `dt` seconds pass; exact for any length: one long step is the same as many short ones.

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
        """The displacement of every pixel now: (2, H, W) float32, pixels."""
        import torch

        # The modes stand in the order of their frequencies, and the fast ones die away first: one product, and no more
        # planes in it than move.
        left = np.cumsum((self._peaks * np.abs(self._state[0]))[::-1])[::-1]
        count = int((left >= VISIBLE).sum())
        amounts = torch.from_numpy(self._state[0, :count].astype(np.float32)).to(self._planes.device)
        flow: Tensor = torch.mv(self._planes[:count].T, amounts)
        return flow.reshape(2, *self.size)

    def energy(self) -> float:
        """Kinetic and elastic energy of all modes, square pixels; it never grows while nothing is held."""
        return float(0.5 * (self._state[1] ** 2 + (self._omega * self._state[0]) ** 2).sum())

    def _take_hold(self, x: float, y: float) -> None:
        """Hold a pixel as it moves now: nothing jumps."""
        import torch

        # Patches of earlier holds go on until they are at rest.
        moves = self._peaks * np.abs(self._state[0]) >= VISIBLE
        moves |= self._peaks * np.abs(self._state[1]) >= VISIBLE * self._omega
        first = 2 * self._patches
        kept = np.repeat(moves[:first].reshape(-1, 2).any(axis=1), 2)
        rows = np.concatenate([np.flatnonzero(kept), np.arange(first, len(moves))])
        patch, omega = self._patch(x, y), self._omega.max()
        self._patches = 1 + np.count_nonzero(kept) // 2
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
        """How far each mode moves a pixel, (2, J)."""
        return np.asarray(_sampled(self._planes.reshape(-1, 2, *self.size), x, y).T)

    def _oscillators(self) -> _Linear:
        return _Linear.oscillators(self._omega**2, self.alpha + self.beta * self._omega**2)

    def _patch(self, x: float, y: float) -> Tensor:
        """The neighbourhood of a pixel, which gives way by itself in x and in y: two more modes, (2, 2 H W) float32.

        It stands for the modes that the volume does not have, all faster, and keeps a hold from tearing at the rest.
        As it has the mobility LOCAL at the held pixel, the volume's modes move a pixel of mobility m at most
        sqrt(m / LOCAL) / 2 times as far as the hand, wherever it holds (by the Cauchy-Schwarz inequality): of a stem
        alone, a pull near the foot would throw the tip.
        """
        import torch

        height, width = self.size
        radius = max(4.0, NEIGHBOURHOOD * self._extent)
        squared = (np.arange(height)[:, None] - y) ** 2 + (np.arange(width)[None] - x) ** 2
        near = torch.from_numpy((np.maximum(1 - squared / radius**2, 0) ** 2).astype(np.float32))
        # How far each pixel comes along when the volume's modes alone move this one by a pixel: 0 at a stem's foot.
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
    """The same things while a pixel is held: what is left free swings in modes of its own.

    With the held pixel's displacement d given, P u = d, the coordinates are u = static d + basis z: the rest position
    of least elastic energy, and swings that leave the pixel where it is. As damping is alpha + beta times stiffness,
    it couples no two of them: z'' + (alpha + beta l) z' + l z = -inertia (d'' + alpha d').

    Args:
        x: of the held pixel.
        y: of the held pixel.
        static: (J, 2).
        basis: (J, J - 2), columns of length 1 at right angles.
        inertia: (J - 2, 2), how much of the hand's acceleration throws each swing.
        hand: the hand's way to its target.
        swings: of z, z', and of the hand as the swing feels it.
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
        """Hold where the modes move the pixel by `at_point` (2, J)."""
        alpha, beta, grip = rates
        yielding = at_point.T / omega[:, None] ** 2
        static = yielding @ np.linalg.inv(at_point @ yielding)
        free = np.linalg.svd(at_point)[2][2:].T
        stiffness, turn = np.linalg.eigh(free.T @ (omega[:, None] ** 2 * free))
        basis = free @ turn
        hand = _Linear.oscillators(np.full(2, grip**-2), np.full(2, 2 / grip))
        # The hand's law d'' = -d / grip^2 - 2 d' / grip, counted from its target, drives the swings.
        swings = np.zeros((len(stiffness), 4, 4))
        swings[:, :2, :2] = _Linear.oscillators(stiffness, alpha + beta * stiffness).rates
        swings[:, 2:, 2:] = hand.rates[:1]
        swings[:, 1, 2:] = [grip**-2, 2 / grip - alpha]
        return cls(x, y, static, basis, basis.T @ static, hand, _Linear(swings))

    def relative(self, state: Array, hand: Array) -> Array:
        """Swings and their velocities, (2, J - 2), of coordinates and their velocities (2, J)."""
        return np.asarray((state - hand @ self.static.T) @ self.basis)

    def absolute(self, swings: Array, hand: Array) -> Array:
        """The inverse of `relative`."""
        return np.asarray(hand @ self.static.T + swings @ self.basis.T)


class _Linear:
    """Systems y' = A y side by side, solved exactly by the matrix exponential; (N, n, n) float64."""

    def __init__(self, rates: Array) -> None:
        self.rates = rates
        self._last: tuple[float, Array] | None = None  # a player's steps are all of one length

    @classmethod
    def oscillators(cls, stiffness: Array, damping: Array) -> _Linear:
        """u'' + damping u' + stiffness u = 0 for (N,) numbers each; y = (u, u')."""
        rates = np.zeros((len(stiffness), 2, 2))
        rates[:, 0, 1], rates[:, 1, 0], rates[:, 1, 1] = 1, -stiffness, -damping
        return cls(rates)

    def after(self, dt: float, states: Array) -> Array:
        """States (n, N) after `dt` seconds."""
        import torch

        if self._last is None or self._last[0] != dt:
            self._last = dt, torch.linalg.matrix_exp(torch.from_numpy(self.rates * dt)).numpy()
        return np.asarray(np.einsum("jab,bj->aj", self._last[1], states))


def _modes(volumes: Sequence[SpectralVolume], thing: Array | None) -> tuple[Array, Array, Array]:
    """Mode shapes (J, 2 H W) float32, their angular frequencies (J,) and each pixel's mobility (H, W) float32."""
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
    """Principal components of (n, N) float32: their strengths (n,), ascending, and themselves, (n, N) float32.

    All that swings at one frequency swings as these do, and they are fewer where it is much alike.
    """
    strengths, turn = np.linalg.eigh((planes @ planes.T).astype(np.float64))
    return strengths, turn.T.astype(np.float32) @ planes


def _sampled(maps: Array | Tensor, x: float, y: float) -> Array:
    """The values of (..., H, W) at one point within, bilinear, float64."""
    height, width = maps.shape[-2:]
    left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    corner = np.asarray(maps[..., top : top + 2, left : left + 2].tolist(), dtype=np.float64)
    across = np.array([1 - (x - left), x - left])[: corner.shape[-1]]
    down = np.array([1 - (y - top), y - top])[: corner.shape[-2]]
    return np.asarray(corner @ across @ down)
