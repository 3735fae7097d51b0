"""The distance between two energy spectra of motion."""

from __future__ import annotations

import numpy as np

from photoflow.arrays import Array

LEAST_POWER = 1e-6  # square pixels: a displacement of a thousandth of a pixel is no motion


def spectrum_distance(first: Array, second: Array) -> float:
    """Compute the root mean square difference of two power spectra, in decades.

        sqrt(mean_k (log10 P_k - log10 Q_k)^2)

    Logarithms, as the power of natural motion falls about exponentially with the frequency: otherwise the lowest one
    alone would count.

    Args:
        first: (K,) power at each frequency, square pixels; what is below `LEAST_POWER` counts as that.
        second: like `first`, of the same frequencies.

    Returns:
        The distance, at least 0; 1 is a factor of 10 at each frequency.

    Raises:
        ValueError: the spectra have another shape, or no frequency.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 4.1 and figure 2 show such spectra; the distance
        is not theirs.
    """
    one, other = (np.asarray(power, dtype=np.float64) for power in (first, second))
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise ValueError(f"spectrum_distance: expected spectra (K,) of the same K, got {one.shape} and {other.shape}")
    apart = np.log10(np.maximum(one, LEAST_POWER)) - np.log10(np.maximum(other, LEAST_POWER))
    return float(np.sqrt(np.square(apart).mean()))
