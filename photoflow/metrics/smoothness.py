"""Smoothness of a clip's motion."""

from __future__ import annotations

from torch import Tensor


def smoothness(steps: Tensor) -> Tensor:
    """Compute the spatio-temporal variance of a motion: of its steps from frame to frame, over all pixels and frames.

        S = mean over t and p of |d_t(p) - mean d|^2

    It is 0 for a motion that is the same everywhere and always, and large for one that jerks or tears the picture.
    Compare only motions of the same speed: twice the motion has four times the variance.

    Args:
        steps: (T, 2, ...), pixels: displacement of each pixel from each frame to the next. For a subject alone, pass
            its N pixels as (T, 2, N).

    Returns:
        A scalar, square pixels, float64; NaN if there are no pixels.

    Source: photo animation by an explicit flow blueprint, section 2.2.4, which names the measure but gives no formula.
    """
    moves = steps.double().transpose(0, 1).flatten(1)
    return (moves - moves.mean(dim=1, keepdim=True)).square().sum(dim=0).mean()
