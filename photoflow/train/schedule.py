"""Progress and length of a training, and the learning rate that follows from both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Progress:
    """The progress of a training.

    Args:
        step: steps done.
        number: of the next batch, counted over all processes.
        seconds: of training, in all slices.
        fresh: the step at which the optimisers began.
        steps: of the whole training, where it is counted in steps.
        minutes: of the whole training, where it is counted in minutes.
        data: names of what it has been trained on.
    """

    step: int = 0
    number: int = 0
    seconds: float = 0.0
    fresh: int = 0
    steps: int | None = None
    minutes: float | None = None
    data: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """A cosine over the whole training, which is as long as its steps, its minutes, or what is over first.

    Args:
        steps: of the whole training; None: not counted.
        minutes: of the whole training, those before an interruption too; None: not counted.
        rate: the learning rate at its highest.
        last_rate: at the end.
        warmup: steps over which it rises.

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation (5), of one period. By minutes, the same training is as
    good as the machine lets it be: a slower one takes fewer steps, and still ends at the last rate.
    """

    steps: int | None
    minutes: float | None
    rate: float
    last_rate: float
    warmup: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Return the share of the training that is done, in [0, 1], after `step` steps and `seconds` seconds."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps if self.steps else 1.0)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes) if self.minutes else 1.0)
        return min(1.0, max(shares))

    def rate_at(self, progress: float, updates: int) -> float:
        """Return the learning rate of a step.

        Args:
            progress: the share of the training that is done, in [0, 1].
            updates: steps that the optimiser has taken, for the warm-up.
        """
        cosine = (1 + math.cos(math.pi * progress)) / 2
        rising = min(1.0, (updates + 1) / (self.warmup + 1))
        return rising * (self.last_rate + (self.rate - self.last_rate) * cosine)


@dataclass(frozen=True)
class Plan:
    """The length of a slice of training, by steps or by minutes.

    Args:
        steps: to be taken now; None: not counted.
        minutes: to be spent now; None: not counted.
        total: steps or minutes of the whole training, over which the learning rate falls, slices before this one and
            after it too. None: as planned in an earlier slice, at least until the end of this one.
    """

    steps: int | None = None
    minutes: float | None = None
    total: float | None = None

    def extend(self, progress: Progress) -> None:
        """Write into `progress` how long the whole training is."""
        if self.steps is not None:
            least = max(progress.steps or 0, progress.step + self.steps)
            progress.steps, progress.minutes = least if self.total is None else int(self.total), None
        if self.minutes is not None:
            longest = max(progress.minutes or 0, progress.seconds / 60 + self.minutes)
            progress.minutes, progress.steps = longest if self.total is None else self.total, None

    def share(self, steps: int, seconds: float) -> float:
        """Return the share of this slice that is done after as many steps and seconds of it."""
        return Schedule(self.steps, self.minutes, 0, 0).progress(steps, seconds)
