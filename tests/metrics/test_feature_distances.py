"""Distances between sets of features, and between spectra: closed forms, no bias, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from photoflow.metrics import frechet_distance, kernel, kernel_distance, spectrum_distance

CHANCE = np.random.default_rng(0)


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int = 400) -> np.ndarray:
    """Samples whose mean and covariance are exactly the given ones."""
    plain = CHANCE.normal(size=(count, len(mean)))
    plain -= plain.mean(0)
    plain = plain @ np.linalg.inv(np.linalg.cholesky(np.cov(plain.T))).T
    return mean + plain @ np.linalg.cholesky(covariance).T


def test_frechet_distance_of_normal_distributions_along_the_axes() -> None:
    one, other = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 5.0])
    spreads = np.array([1.0, 4.0, 0.25]), np.array([9.0, 1.0, 0.25])
    found = frechet_distance(with_moments(one, np.diag(spreads[0])), with_moments(other, np.diag(spreads[1])))
    wanted = np.square(one - other).sum() + np.square(np.sqrt(spreads[0]) - np.sqrt(spreads[1])).sum()
    assert found == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_of_any_covariances_has_the_root_of_their_product() -> None:
    covariances = [basis @ basis.T + 0.1 * np.eye(4) for basis in CHANCE.normal(size=(2, 4, 4))]
    found = frechet_distance(*(with_moments(np.zeros(4), covariance) for covariance in covariances))
    root = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    assert found == pytest.approx(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root, rel=1e-9)


def test_frechet_distance_of_fewer_samples_than_features() -> None:
    # Of two samples each the covariances have rank 1: the distance is that of two segments.
    one, other = np.zeros((2, 50)), np.zeros((2, 50))
    one[:, 0], other[:, 0] = (-1, 1), (-3, 3)
    assert frechet_distance(one, other) == pytest.approx((np.sqrt(18) - np.sqrt(2)) ** 2)
    other[:, :2] = (0, -3), (0, 3)  # at a right angle nothing is shared
    assert frechet_distance(one, other) == pytest.approx(2 + 18)
    wide = CHANCE.normal(size=(20, 500))
    assert frechet_distance(wide, wide[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(wide, wide + 2) == pytest.approx(500 * 4)


def test_kernel_distance_is_not_biased() -> None:
    alike = [kernel_distance(*CHANCE.normal(size=(2, 12, 8))) for _ in range(400)]
    assert abs(np.mean(alike)) < 3 * np.std(alike) / np.sqrt(len(alike)) and min(alike) < 0 < max(alike)
    assert kernel_distance(CHANCE.normal(size=(200, 8)), CHANCE.normal(1, 1, size=(200, 8))) > 10 * np.std(alike)


def test_kernel_distance_of_few_points_by_hand() -> None:
    one, other = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    assert kernel_distance(one, other) == pytest.approx(1 + 1 - 2 * (1 + 1 + 27 + 1) / 4)


def test_kernel_distance_of_many_is_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = CHANCE.normal(size=(2, 30, 6))
    whole = kernel_distance(one, other)
    monkeypatch.setattr(kernel, "_ROWS", 7)
    assert kernel_distance(one, other) == pytest.approx(whole, rel=1e-9)


def test_spectra_are_compared_by_factors() -> None:
    power = np.array([1.0, 0.1, 0.01])
    assert spectrum_distance(power, power) == 0
    assert spectrum_distance(10 * power, power) == pytest.approx(1)
    assert spectrum_distance(power, np.array([1.0, 0.1, 0.0])) == pytest.approx(4 / np.sqrt(3))  # 0 counts as 1e-6
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        spectrum_distance(power, power[:2])


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_what_is_no_set_of_features_is_refused(measure) -> None:
    good = np.zeros((3, 4))
    for wrong, message in (
        (np.zeros((3, 5)), r"expected features \(N, D\) and \(M, D\), got \(3, 4\) and \(3, 5\)"),
        (np.zeros(4), "expected features"),
        (np.zeros((1, 4)), "at least 2 samples of each set, got 3 and 1"),
        (np.full((3, 4), np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(good, wrong)
