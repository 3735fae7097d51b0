"""Measures of how visible the seam of a loop is, the step from its last frame to its first."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from photoflow.arrays import Array


def seam(steps: Sequence[float]) -> float:
    """Compute the step from a loop's last frame to its first, as a multiple of the largest other step.

    A value of at most 1 means that the seam is invisible; a clip that does not close has several times that.

    Args:
        steps: change from each frame to the next, at least two: in intensity, say, or in pixels of motion; the last
            step leads from the last frame to the first.

    Returns:
        The ratio; 0 if the last step is 0, infinite if only the others are 0.

    Raises:
        ValueError: fewer than two steps.
    """
    return _ratio(steps, max(steps[:-1], default=0.0))


def seam_to_median(steps: Sequence[float]) -> float:
    """Compute the same step as a multiple of the median of the other steps: about 1 for even motion.

    Unlike `seam`, this is not fooled by a single large step elsewhere in the clip.

    Args:
        steps: see `seam`.

    Raises:
        ValueError: fewer than two steps.
    """
    return _ratio(steps, statistics.median(steps[:-1]) if len(steps) > 1 else 0.0)


def motion_steps(displacements: Iterable[Array]) -> list[float]:
    """Measure how far the pixels move from each frame to the next, and from the last frame to the first.

    Args:
        displacements: from one picture to each frame of a loop, (2, H, W) or (2, N) float, pixels; only the first
            and two others are kept in memory.

    Returns:
        One step per frame: the mean length of the change in displacement, pixels.
    """
    return [float(np.hypot(*(after - before)).mean()) for before, after in _around(displacements)]


def intensity_steps(frames: Iterable[Array]) -> list[float]:
    """Measure how much the intensity changes from each frame to the next, and from the last frame to the first.

    Args:
        frames: the frames of a loop, uint8, all of one shape; only the first and two others are kept in memory.

    Returns:
        One step per frame: the mean absolute difference, on a scale of 0 to 255.
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
    """Yield each item with the next one, and the last with the first."""
    first = before = None
    for item in items:
        if before is None:
            first = item
        else:
            yield before, item
        before = item
    if before is not None and first is not None:
        yield before, first
