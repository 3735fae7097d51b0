"""The kernel distance between two sets of features, as KID is."""

from __future__ import annotations

import numpy as np

from photoflow.arrays import Array
from photoflow.metrics.frechet import check_features

_ROWS = 1024


def kernel_distance(first: Array, second: Array) -> float:
    """Estimate the squared maximum mean discrepancy between two sets, without bias.

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j),  k(x, y) = (x . y / D + 1)^3

    Args:
        first: (N, D) float, features of N >= 2 samples.
        second: (M, D) float, of M >= 2 samples.

    Returns:
        The estimate, computed in float64: 0 on average where both sets have one distribution, so it may be negative.

    Raises:
        ValueError: the sets have another shape, fewer than two samples, or features that are not finite.

    Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 3 and 4. Over all samples at once, not a mean
        over subsets.
    """
    one, other = check_features("kernel_distance", first, second)
    across = _summed(one, other) / (len(one) * len(other))
    return _mean_of_others(one) + _mean_of_others(other) - 2 * across


def _mean_of_others(features: Array) -> float:
    """Average the kernel over all pairs of two different samples."""
    count, alone = len(features), np.square(features).sum(1)
    with_itself = float(np.power(alone / features.shape[1] + 1, 3).sum())
    return (_summed(features, features) - with_itself) / (count * (count - 1))


def _summed(one: Array, other: Array) -> float:
    """Sum the kernel over all pairs, some rows at a time: the whole matrix of many samples would not fit."""
    rows = (one[first : first + _ROWS] for first in range(0, len(one), _ROWS))
    return sum(float(np.power(part @ other.T / one.shape[1] + 1, 3).sum()) for part in rows)
