"""Turbulence: the wind's pressure at every place, as random fields whose power falls with frequency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photoflow.arrays import Array

GUSTS = 0.22  # hertz: changes slower than this are felt as gusts
WAVES = 48  # plane waves that make up a random field


@dataclass(frozen=True, eq=False)
class Turbulence:
    """The wind over a subject for the length of a record, after which it repeats.

    Args:
        seconds: the length of the record.
        wind: strength of the wind, above 0 to 1.
        along: unit vector (x, y) in which it blows.
        gustiness: 0 to 1.
        count: number of frequencies, including the mean.
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
        """Return the unit vector across the wind that does not point up: a mirrored wind gives a mirror image."""
        x, y = self.along
        return (-y, x) if x > 0 or (x == 0 and y < 0) else (y, -x)

    @property
    def vigour(self) -> float:
        """Return the speed of the wind relative to that at a strength of 0.5."""
        return 0.5 + self.wind

    @property
    def frequencies(self) -> Array:
        """Return the frequencies above 0, (count - 1,) float64, hertz."""
        return np.arange(1, self.count) / self.seconds

    def power(self, frequencies: Array) -> Array:
        """Return the power density at frequencies in hertz, up to a constant factor.

        It falls as 1/f, and gusts add power at its low end. Like spectra of turbulence it is flat below a corner
        frequency that rises with the speed of the wind.
        """
        rolled = 1 / np.sqrt(1 + (frequencies / (0.3 * self.vigour)) ** 2)
        return np.asarray(rolled + self.gustiness * np.exp(-((frequencies / GUSTS) ** 2)))

    def numbers(self, stream: int) -> np.random.Generator:
        """Return the random number generator of a stream; every stream has its own numbers."""
        return np.random.Generator(np.random.PCG64([self.seed, stream]))

    def waves(self, places: Array, size: float, stream: int) -> Array:
        """Evaluate plane waves of random length and direction at every place.

        Random sums of these waves are Gaussian fields, with a correlation of exp(-d^2 / 2 size^2) at a distance d.

        Args:
            places: (n, 2) float32, in lengths of the subject.
            size: correlation length, in lengths of the subject.
            stream: stream of random numbers to use.

        Returns:
            (n, WAVES) complex64.

        Source: A. Rahimi and B. Recht, "Random Features for Large-Scale Kernel Machines", 2007.
        """
        turned = places @ np.array([self.along, self.across], np.float32).T  # into the wind's own axes
        vectors = self.numbers(stream).standard_normal((2, WAVES)).astype(np.float32) / np.float32(size)
        angles = turned @ vectors
        waves = np.empty(angles.shape, np.complex64)
        waves.real, waves.imag = np.cos(angles), np.sin(angles)
        return waves

    def pressure(self, waves: Array, stream: int, kinds: int) -> Array:
        """Draw the wind's pressure at every place and every frequency.

        Args:
            waves: plane waves, from `waves`.
            stream: stream of random numbers to use.
            kinds: number of independent fields.

        Returns:
            (kinds, n, count - 1) complex64, amplitudes of unit power density where `power` is 1.
        """
        draw = self.numbers(stream).standard_normal((self.count - 1, kinds, WAVES, 2)) / np.sqrt(2 * WAVES)
        weights = (draw[..., 0] + 1j * draw[..., 1]).reshape(self.count - 1, -1)
        weights *= np.sqrt(self.power(self.frequencies) / (2 * self.seconds))[:, None]
        weights = (self._swell @ weights).reshape(self.count - 1, kinds, WAVES).transpose(1, 2, 0)
        return np.asarray(waves @ weights.astype(np.complex64))

    def unevenness(self, waves: Array, stream: int) -> Array:
        """Draw a random field of unit variance that does not change in time, (n,) float32."""
        draw = self.numbers(stream).standard_normal((WAVES, 2)) / np.sqrt(WAVES)
        return np.asarray((waves @ (draw[:, 0] + 1j * draw[:, 1]).astype(np.complex64)).real)

    def delayed(self, delay: Array) -> Array:
        """Return the spectral factors of a delay, (n, count - 1) complex64, for (n,) delays in seconds."""
        return np.exp(-2j * np.pi * np.outer(delay, self.frequencies)).astype(np.complex64)

    @cached_property
    def _swell(self) -> Array:
        """Return the modulation by gusts, a product in time, as a matrix on coefficients, (count - 1, count - 1)."""
        slow = np.exp(-((self.frequencies / GUSTS) ** 2)) / self.seconds * 2 / (GUSTS * np.sqrt(np.pi))
        draw = self.numbers(0).standard_normal((self.count - 1, 2))
        rises = np.sqrt(slow / 2) * (draw[:, 0] + 1j * draw[:, 1])
        samples = 4 * self.count  # enough that the differences of any two frequencies do not alias
        turns = np.exp(2j * np.pi * np.outer(np.arange(samples) / samples, np.arange(1, self.count)))
        level = 0.8 * self.gustiness * (turns @ rises).real
        loudness = np.exp(level) / np.sqrt(np.mean(np.exp(2 * level)))
        spectrum = np.fft.fft(loudness) / samples
        order = np.arange(self.count - 1)
        return np.asarray(spectrum[(order[:, None] - order[None]) % samples])
