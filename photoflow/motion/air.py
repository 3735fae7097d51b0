"""The wind itself: what it does to every place, as random fields whose power falls with frequency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photoflow.motion.base import Array

GUSTS = 0.22  # hertz: what swells and calms more slowly is felt as gusts
WAVES = 48  # plane waves that make up a random field
SAMPLES = 256  # of a gust over the record


@dataclass(frozen=True, eq=False)
class Air:
    """The wind over a subject for the length of a record, after which it repeats.

    Args:
        seconds: the length.
        wind: its strength, above 0 to 1.
        along: unit vector (x, y) in which it blows.
        gustiness: 0 to 1.
        count: how many frequencies, the mean included.
        seed: at least 0.
    """

    seconds: float
    wind: float
    along: tuple[float, float]
    gustiness: float
    count: int
    seed: int

    @property
    def across(self) -> tuple[float, float]:
        """Unit vector across the wind, the one that does not point up: so a mirrored wind is a mirror image."""
        x, y = self.along
        return (-y, x) if x > 0 or (x == 0 and y < 0) else (y, -x)

    @property
    def vigour(self) -> float:
        """Speed of the wind against that at a strength of 0.5."""
        return 0.5 + self.wind

    @property
    def frequencies(self) -> Array:
        """Those above 0, (count - 1,) float64, hertz."""
        return np.arange(1, self.count) / self.seconds

    def power(self, frequencies: Array) -> Array:
        """Power density at frequencies in hertz, to a constant: von Karman's spectrum, and gusts at its low end.

        Source: T. von Karman (1948): flat below a corner that rises with the wind's speed, falling with the power
            5/3 above it.
        """
        rolled = (1 + (frequencies / (0.3 * self.vigour)) ** 2) ** (-5 / 6)
        return np.asarray(rolled + self.gustiness * np.exp(-((frequencies / GUSTS) ** 2)))

    def numbers(self, stream: int) -> np.random.Generator:
        """Random numbers; every stream has its own."""
        return np.random.Generator(np.random.PCG64([self.seed, stream]))

    def pressure(self, places: Array, size: float, stream: int, kinds: int) -> Array:
        """What pushes at every place, at every frequency: Gaussian fields, alike over a distance.

        Args:
            places: (n, 2) float32, lengths.
            size: the distance, lengths.
            stream: fields of different streams have nothing to do with each other.
            kinds: how many independent fields are wanted.

        Returns:
            (kinds, n, count - 1) complex64, at all places and seeds of unit power density where `power` is 1.
        """
        waves = plane_waves(self._turned(places), size, self.numbers(stream))
        draw = self.numbers(stream + 1000).standard_normal((self.count - 1, kinds, WAVES, 2)) / np.sqrt(2 * WAVES)
        weights = (draw[..., 0] + 1j * draw[..., 1]).reshape(self.count - 1, -1)
        weights *= np.sqrt(self.power(self.frequencies) / (2 * self.seconds))[:, None]
        weights = (self._swell @ weights).reshape(self.count - 1, kinds, WAVES).transpose(1, 2, 0)
        return np.asarray(waves @ weights.astype(np.complex64))

    def unevenness(self, places: Array, size: float, stream: int) -> Array:
        """A real random field of unit variance that stays, (n,) float32; arguments as for `pressure`."""
        waves = plane_waves(self._turned(places), size, self.numbers(stream + 2000))
        draw = self.numbers(stream + 3000).standard_normal((WAVES, 2)) / np.sqrt(WAVES)
        return np.asarray((waves @ (draw[:, 0] + 1j * draw[:, 1]).astype(np.complex64)).real)

    def delayed(self, delay: Array) -> Array:
        """The factors that let what happens come later, (n, count - 1) complex64, for (n,) delays in seconds."""
        return np.exp(-2j * np.pi * np.outer(delay, self.frequencies)).astype(np.complex64)

    @cached_property
    def _swell(self) -> Array:
        """The gusts' rise and fall, multiplied in time, as a matrix on the coefficients, (count - 1, count - 1)."""
        slow = np.exp(-((self.frequencies / GUSTS) ** 2)) / self.seconds * 2 / (GUSTS * np.sqrt(np.pi))
        draw = self.numbers(0).standard_normal((self.count - 1, 2))
        rises = np.sqrt(slow / 2) * (draw[:, 0] + 1j * draw[:, 1])
        turns = np.exp(2j * np.pi * np.outer(np.arange(SAMPLES) / SAMPLES, np.arange(1, self.count)))
        level = 0.8 * self.gustiness * (turns @ rises).real
        loudness = np.exp(level) / np.sqrt(np.mean(np.exp(2 * level)))
        spectrum = np.fft.fft(loudness) / SAMPLES
        order = np.arange(self.count - 1)
        return np.asarray(spectrum[(order[:, None] - order[None]) % SAMPLES])

    def _turned(self, places: Array) -> Array:
        """Places in the wind's own axes."""
        return np.asarray(places @ np.array([self.along, self.across], np.float32).T)


def plane_waves(places: Array, size: float, numbers: np.random.Generator) -> Array:
    """Plane waves of random length and direction at every place, (n, WAVES) complex64.

    Their random sums are Gaussian fields whose correlation is exp(-d^2 / 2 size^2) at a distance d.

    Source: A. Rahimi and B. Recht, "Random Features for Large-Scale Kernel Machines", 2007.
    """
    vectors = numbers.standard_normal((2, WAVES)).astype(np.float32) / np.float32(size)
    return np.exp(1j * (places @ vectors))
