"""Push-pull: what is unknown is filled from ever wider surroundings."""

from __future__ import annotations

from torch import Tensor, nn


def push_pull(colours: Tensor, weight: Tensor, gain: float = 1.0) -> Tensor:
    """Fill what has no weight from ever wider surroundings.

    Colours and weights are averaged by twos until one pixel is left, and on the way back each pixel takes from the
    smaller image what it lacks itself.

    Args:
        colours: (B, C, H, W).
        weight: (B, 1, H, W) in [0, 1], how much each pixel is known; a pixel of weight 1 stays as it is.
        gain: by which the mean weight of four pixels grows, up to 1, each time that they become one: the larger, the
            more do the nearest known pixels decide. At 1 far ones have their share even in narrow holes.

    Returns:
        (B, C, H, W).

    Source: Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    levels = [(colours * weight, weight)]
    while max(levels[-1][0].shape[2:]) > 1:
        sums, known = (nn.functional.avg_pool2d(nn.functional.pad(one, _to_even(one)), 2) for one in levels[-1])
        if gain > 1:
            grown = (gain * known).clamp(max=1)
            sums, known = sums * (grown / (known + 1e-6)), grown
        levels.append((sums, known))
    result = levels[-1][0] / (levels[-1][1] + 1e-6)
    for sums, known in reversed(levels[:-1]):
        share = known.clamp(max=1)
        wider = nn.functional.interpolate(result, size=sums.shape[2:], mode="bilinear", align_corners=False)
        result = sums / (known + 1e-6) * share + wider * (1 - share)
    return result


def _to_even(planes: Tensor) -> tuple[int, int, int, int]:
    """Return what to pad, with nothing known, so that both sides are even."""
    return 0, planes.shape[3] % 2, 0, planes.shape[2] % 2
