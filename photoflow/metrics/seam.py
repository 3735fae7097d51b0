"""How visible the place is where a loop closes."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from photoflow.arrays import Array


def seam(steps: Sequence[float]) -> float:
    """The step from a loop's last frame to its first, as a multiple of the largest other step.

    At most 1 where nothing gives the loop away; a clip that does not close has several times that.

    Args:
        steps: how much changes from each frame to the next, at least two: in intensity, say, or in pixels of motion;
            the last one leads from the last frame to the first.

    Returns:
        The ratio; 0 where the last step is 0, infinite where only the others are.

    Raises:
        ValueError: fewer than two steps.
    """
    return _ratio(steps, max(steps[:-1], default=0.0))


def seam_to_median(steps: Sequence[float]) -> float:
    """The same as a multiple of the median of the other steps: about 1 where motion is even.

    A single large step elsewhere, which hides a seam from `seam`, does not hide it from this.

    Args:
        steps: see `seam`.

    Raises:
        ValueError: fewer than two steps.
    """
    return _ratio(steps, statistics.median(steps[:-1]) if len(steps) > 1 else 0.0)


def motion_steps(displacements: Iterable[Array]) -> list[float]:
    """By how many pixels a picture moves from each frame to the next, and from the last to the first.

    Args:
        displacements: from one picture to each frame of a loop, (2, H, W) or (2, N) float, pixels; only the first
            and two others are kept.

    Returns:
        As many steps as there are frames: the mean length of the change of a displacement.
    """
    return [float(np.hypot(*(after - before)).mean()) for before, after in _around(displacements)]


def intensity_steps(frames: Iterable[Array]) -> list[float]:
    """By how much a picture's intensity changes from each frame to the next, and from the last to the first.

    Args:
        frames: of a loop, uint8 of any one shape; only the first and two others are kept.

    Returns:
        As many steps as there are frames: the mean absolute difference, of 255.
    """
    return [float(np.abs(after.astype(np.int16) - before).mean()) for before, after in _around(frames)]


def _ratio(steps: Sequence[float], others: float) -> float:
    if len(steps) < 2:
        raise ValueError(f"seam: expected at least two steps, got {len(steps)}")
    last = float(steps[-1])
    if last == 0:
        return 0.0
    return last / float(others) if others else float("inf")


def _around(items: Iterable[Array]) -> Iterator[tuple[Array, Array]]:
    """Each with the next, and the last with the first."""
    first = before = None
    for item in items:
        if before is None:
            first = item
        else:
            yield before, item
        before = item
    if before is not None and first is not None:
        yield before, first
