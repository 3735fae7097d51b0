"""How visible the place is where a loop closes."""

from __future__ import annotations

from collections.abc import Sequence


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
    if len(steps) < 2:
        raise ValueError(f"seam: expected at least two steps, got {len(steps)}")
    last, largest = float(steps[-1]), max(float(step) for step in steps[:-1])
    if last == 0:
        return 0.0
    return last / largest if largest else float("inf")
