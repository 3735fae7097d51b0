"""Times at which the frames of a video are shown, and the rate that has a place for each."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Frame = TypeVar("Frame")

MOST_RATE = 240  # frames a second
_BACK = Fraction(5, 2)  # usual frame times: a smaller step back is disorder, a larger one the start of another part
_GAP = 10  # seconds: in a stream that may be cut and joined, a longer gap is a joint
_SLACK = Fraction(1, 100)  # share of frames that may lie too close together before a faster rate is taken
_NEAR = 0.1  # frame times, on average, up to which frames count as being at their places
_ROUNDED = Fraction(1, 2000)  # less than half the step from 29.97 to 30
_COMMON = tuple(
    sorted([Fraction(n) for n in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 144, 200, 240)]
           + [Fraction(n, 1001) for n in (15_000, 24_000, 30_000, 48_000, 60_000, 120_000)])
)  # fmt: skip


class Clock:
    """Clock that turns the times of a file's frames into times from 0 on, which never run backwards.

    Parts of recordings that were joined each begin anew; a later part goes on one frame time after the one before it.

    Args:
        step: usual time between two frames, seconds.
        joints: whether a gap of more than 10 seconds counts as a joint too, as FFmpeg takes it in transport streams.

    Attributes:
        shift: what is added to the times of the present part, seconds.
    """

    def __init__(self, step: Fraction, joints: bool = False) -> None:
        self._step, self._joints = step, joints
        self.shift = Fraction(0)
        self._last: Fraction | None = None

    def __call__(self, time: Fraction | None) -> Fraction:
        """Return the time of the next frame.

        Args:
            time: what the file says, seconds; None: nothing.
        """
        if self._last is None:
            self.shift, self._last = -(time or Fraction(0)), Fraction(0)
            return self._last
        expected = self._last + self._step
        if time is None:
            self._last = expected
            return self._last
        at = time + self.shift
        if is_joint(self._last, at, self._step, self._joints):
            self.shift += expected - at
            at = expected
        self._last = max(self._last, at)
        return self._last


def is_joint(last: Fraction, time: Fraction, step: Fraction, joints: bool) -> bool:
    """Return whether another part of a recording begins at a time, after one at `last`; see `Clock`."""
    return time < last - _BACK * step or (joints and time > last + _GAP)


def in_parts(stamps: Iterable[tuple[Fraction | None, Fraction | None]], step: Fraction,
             joints: bool = False) -> list[list[Fraction]]:  # fmt: skip
    """Return the times of the frames of each part of a recording, in the order in which they are shown.

    Args:
        stamps: presentation and decoding time of each packet, seconds, as they follow each other in the file.
        step, joints: see `Clock`.
    """
    parts: list[list[Fraction]] = [[]]
    last: Fraction | None = None
    for presented, decoded in stamps:
        if last is not None and decoded is not None:
            parts.extend([[]] if is_joint(last, decoded, step, joints) else [])
        known = presented if presented is not None else decoded
        if known is None:
            known = parts[-1][-1] + step if parts[-1] else Fraction(0)
        insort(parts[-1], known)
        last = last if decoded is None else decoded
    return [part for part in parts if part]


def evenly(frames: Iterable[tuple[float, Frame]], rate: float) -> Iterator[Frame]:
    """Yield frames at a constant rate, each as often as it is shown and the last one once.

    Args:
        frames: (seconds, frame), in order. Of several at one place, the last is taken.
        rate: frames a second.
    """
    pending: tuple[int, Frame] | None = None
    for seconds, frame in frames:
        place = round(seconds * rate)
        if pending is not None:
            yield from repeat(pending[1], place - pending[0])
        pending = place, frame
    if pending is not None:
        yield pending[1]


def frame_rate(times: Sequence[Fraction], said: Sequence[Fraction]) -> Fraction:
    """Return the slowest rate that has a place for each frame, so that none is lost.

    Args:
        times: of the frames, seconds, from 0 on.
        said: rates that the file names; the first is the one where the times do not tell.

    Returns:
        Frames a second, at most 240. One frame in a hundred may be too close to another one, if a rate at which
        all have their places would be more than twice as fast.
    """
    hints = [_snapped(rate) for rate in said if 0 < rate <= MOST_RATE]
    if len(times) < 2 or times[-1] <= 0:
        return hints[0] if hints else Fraction(25)
    average = (len(times) - 1) / times[-1]
    rates = [*hints, *_COMMON, average.limit_denominator(1001)]
    ranked = sorted({rate for rate in rates if average * Fraction(99, 100) < rate <= MOST_RATE} | {Fraction(MOST_RATE)})
    seconds = np.array([float(time) for time in times])
    lost = {rate: _lost(seconds, rate) for rate in ranked}
    nearly = next((rate for rate in ranked if lost[rate] <= _SLACK * len(times)), ranked[-1])
    least = min(lost.values())
    whole = next(rate for rate in ranked if lost[rate] == least)
    chosen = whole if whole <= 2 * nearly else nearly
    able = [rate for rate in ranked if chosen <= rate <= 2 * chosen and lost[rate] <= lost[chosen]]
    near = [rate for rate in able if _misplaced(seconds, rate) < _NEAR]
    # Rates such as 29.97 and 30 both have a place for each frame of a short clip.
    first = near[0] if near else chosen
    alike = [rate for rate in able if first * Fraction(50, 51) <= rate <= first * Fraction(51, 50)]

    def preference(rate: Fraction) -> tuple[bool, bool, bool, float]:
        misplaced = _misplaced(seconds, rate)
        return misplaced >= _NEAR, rate not in hints, rate not in _COMMON, misplaced

    return min(alike, key=preference)


def _snapped(rate: Fraction) -> Fraction:
    """Return the common rate that a header's rounded one stands for: APNG says 100000/833 for 120."""
    return next((common for common in _COMMON if abs(rate / common - 1) < _ROUNDED), rate)


def _lost(seconds: NDArray[np.float64], rate: Fraction) -> int:
    """Count the frames that share their place with another one."""
    return len(seconds) - len(np.unique(np.rint(seconds * float(rate))))


def _misplaced(seconds: NDArray[np.float64], rate: Fraction) -> float:
    """Return the mean distance of the frames from their places, in frame times."""
    places = seconds * float(rate)
    return float(np.abs(places - np.rint(places)).mean())
