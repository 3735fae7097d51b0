"""The times at which a face moves: blinks and looks that come irregularly, but the same ones with the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from photoflow.motion.parametric import smoothstep, there_and_back

BLINKS = 3.5  # seconds from one blink to the next, on average
CLOSES, STAYS, OPENS = 0.1, 0.05, 0.24  # seconds of a blink
EARLIEST, LATEST = 0.25, 0.55  # of the time for a blink, when it begins
LOOKS = 1.7  # seconds for which a look stays
NEAREST = 0.4  # of the farthest look: any nearer one would hardly be seen
JUMP = 0.06  # seconds in which the eyes go from one look to the next
FIRST, SECOND = 5.2, 2.9  # seconds of the waves of which a turn of the head is the sum
BREATHS, SMILES = 4.0, 7.0  # seconds
HURRY = 2.0  # times as fast as that, at most: in a loop that is too short for it a movement goes less far


@dataclass(frozen=True)
class Slots:
    """Time divided into slots, in each of which something happens by chance.

    Args:
        length: of a slot, seconds.
        count: after so many they repeat; None: they never do.
        seed: of the chance.
    """

    length: float
    count: int | None
    seed: int

    def at(self, t: float) -> tuple[int, float]:
        """Return the number of the slot at a time, and the seconds since it began."""
        number = math.floor(t / self.length)
        return number, t - number * self.length

    def chance(self, number: int) -> tuple[float, float]:
        """Return two numbers in [0, 1) that belong to a slot."""
        number = number % self.count if self.count else number % 2**32
        first, second = np.random.Generator(np.random.PCG64([self.seed, number])).random(2)
        return float(first), float(second)


def slots(about: float, seconds: float, loop: bool, seed: int) -> Slots:
    """Return slots of about so many seconds, a whole number of which fills a loop of `seconds`."""
    count = max(1, round(seconds / about))
    return Slots(seconds / count, count, seed) if loop else Slots(about, None, seed)


def waves(about: float, seconds: float, loop: bool) -> tuple[float, float]:
    """Return the seconds of a movement that comes and goes in about so many, and how far it goes in them, 0 to 1."""
    length = slots(about, seconds, loop, 0).length
    return length, min(1.0, HURRY * length / about)


def blinks(rate: float, seconds: float, loop: bool, seed: int) -> Callable[[float], float]:
    """Return the function t -> how far the lids are closed, 0 to 1; open at 0 s.

    Args:
        rate: blinks per blink of a calm person; 0: none.
        seconds: length of the clip.
        loop: whether it repeats.
        seed: of the chance.
    """
    whole = CLOSES + STAYS + OPENS
    if rate == 0 or (loop and (1 - LATEST) * seconds < whole):
        return lambda t: 0.0
    parts = slots(max(BLINKS / rate, whole / (1 - LATEST)), seconds, loop, seed)
    if (1 - LATEST) * parts.length < whole:  # of a loop that is hardly long enough for one of them
        parts = Slots(seconds, 1, seed)

    def closed(t: float) -> float:
        number, since = parts.at(t)
        since -= (EARLIEST + (LATEST - EARLIEST) * parts.chance(number)[0]) * parts.length
        if since < CLOSES + STAYS:
            return smoothstep(since / CLOSES)
        return float((1 - smoothstep((since - CLOSES - STAYS) / OPENS)) ** 1.5)  # quick at first, then slow

    return closed


def looks(seconds: float, loop: bool, seed: int) -> Callable[[float], float]:
    """Return the function t -> where the eyes look, -1 to 1; as in the photo at 0 s, and until the first jump."""
    parts = slots(LOOKS, seconds, loop, seed)

    def place(number: int) -> float:
        first = number % parts.count == 0 if parts.count else number == 0
        side, far = parts.chance(number)
        return 0.0 if first else math.copysign(NEAREST + (1 - NEAREST) * far, side - 0.5)

    def looking(t: float) -> float:
        number, since = parts.at(t)
        jump = smoothstep((since - parts.length) / JUMP + 1)
        return place(number) + jump * (place(number + 1) - place(number))

    return looking


def turns(seconds: float, loop: bool, seed: int) -> tuple[Callable[[float], float], ...]:
    """Return three functions t -> how far the head is turned aside, down, and leans, each about -1 to 1; 0 at 0 s."""
    chance = np.random.Generator(np.random.PCG64([seed, 2**32])).random((3, 2))
    both = [waves(period, seconds, loop) for period in (FIRST, SECOND)]

    def wave(signs: tuple[float, float], order: int) -> Callable[[float], float]:
        parts = [
            (share * sign * far, 2 * math.pi / length)
            for share, sign, (length, far) in zip((0.7, 0.3), signs, both if order else both[::-1])
        ]
        return lambda t: sum(far * math.sin(rate * t) for far, rate in parts)

    return tuple(
        wave((math.copysign(1, a - 0.5), math.copysign(1, b - 0.5)), order) for (a, b), order in zip(chance, (1, 0, 1))
    )


def bumps(about: float, seconds: float, loop: bool) -> Callable[[float], float]:
    """Return the function t -> 0 to 1 and back again in about so many seconds; 0 at 0 s."""
    length, far = waves(about, seconds, loop)
    return lambda t: far * there_and_back(t / length)
