"""How evenly a clip moves."""

from __future__ import annotations

from torch import Tensor


def smoothness(steps: Tensor) -> Tensor:
    """The spatio-temporal variance of a motion: of its displacements from frame to frame, over pixels and frames.

        S = mean over t and p of |d_t(p) - mean d|^2

    A motion that is the same everywhere and at all times has 0; one that jerks, or that tears what it moves, much.
    Measure it on motions of one speed: twice the motion has four times the variance.

    Args:
        steps: (T, 2, ...), pixels: how far each pixel moves from each frame to the next. Of a subject alone, its
            pixels in one dimension (T, 2, N) will do.

    Returns:
        A scalar, square pixels, float64; NaN without a pixel.

    Source: photo animation by an explicit flow blueprint, section 2.2.4, which names the measure and leaves its
        formula open.
    """
    moves = steps.double().transpose(0, 1).flatten(1)
    return (moves - moves.mean(dim=1, keepdim=True)).square().sum(dim=0).mean()
