"""The Fréchet distance between two sets of features, as FID and FVD are."""

from __future__ import annotations

import numpy as np

from photoflow.arrays import Array


def frechet_distance(first: Array, second: Array) -> float:
    """Compute the Fréchet distance between normal distributions with the means and covariances of two sets.

        |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))

    The trace of the root is the sum of the singular values of C1^(1/2) C2^(1/2), which are those of X1 X2^T with the
    centred samples X as rows. So no root of a matrix is taken: covariances of fewer samples than features, which have
    no inverse, lose nothing.

    Args:
        first: (N, D) float, features of N >= 2 samples.
        second: (M, D) float, of M >= 2 samples.

    Returns:
        The distance, at least 0, computed in float64.

    Raises:
        ValueError: the sets have another shape, fewer than two samples, or features that are not finite.

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
        2017, equation (6). Covariances are divided by N - 1, as numpy.cov and the published code do.
    """
    one, other = check_features("frechet_distance", first, second)
    means = one.mean(0) - other.mean(0)
    roots = [_root(features) for features in (one, other)]
    spreads = sum(float(np.square(root).sum()) for root in roots)
    shared = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(0.0, float(means @ means) + spreads - 2 * shared)


def check_features(name: str, first: Array, second: Array) -> tuple[Array, Array]:
    """Check two sets of features and return them in float64.

    Raises:
        ValueError: see `frechet_distance`.
    """
    one, other = (np.asarray(features, dtype=np.float64) for features in (first, second))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"{name}: expected features (N, D) and (M, D), got {one.shape} and {other.shape}")
    if min(len(one), len(other)) < 2:
        raise ValueError(f"{name}: expected at least 2 samples of each set, got {len(one)} and {len(other)}")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError(f"{name}: expected finite features")
    return one, other


def _root(features: Array) -> Array:
    """Return a matrix R of at most D rows with R^T R the covariance of features (N, D)."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))
