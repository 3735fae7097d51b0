"""Measures of flow and of clips, against closed forms and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from photoflow.metrics import (
    ERROR_EDGES,
    cumulative,
    endpoint_error,
    epe,
    histogram,
    intensity_steps,
    motion_steps,
    outlier_rate,
    seam,
    seam_to_median,
    smoothness,
)  # fmt: skip


@pytest.fixture
def error(device: str) -> torch.Tensor:
    """Errors 0, 0.5, 2, 4, 30 and one that is unknown: (1, 1, 1, 6)."""
    flow = torch.zeros(1, 2, 1, 6, device=device)
    target = flow.clone()
    target[0, 0, 0] = torch.tensor([0, 0.3, 1.2, 0, 18, math.nan])
    target[0, 1, 0] = torch.tensor([0, 0.4, 1.6, -4, 24, 0])
    return endpoint_error(flow, target)


def test_endpoint_error_is_a_length_and_unknown_where_the_truth_is(error):
    np.testing.assert_allclose(error[0, 0, 0].cpu(), [0, 0.5, 2, 4, 30, math.nan], rtol=1e-6)


def test_a_flow_that_is_no_number_does_not_escape():
    flow = torch.zeros(1, 2, 1, 2)
    flow[0, 0, 0, 0] = math.nan
    assert endpoint_error(flow, torch.zeros(1, 2, 1, 2)).flatten().tolist() == [math.inf, 0]


def test_epe_of_all_and_of_a_part(error):
    where = torch.tensor([1, 1, 0, 1, 0, 1.0], device=error.device).reshape(1, 1, 1, 6)
    assert float(epe(error)) == pytest.approx(36.5 / 5)
    assert float(epe(error, where)) == pytest.approx(4.5 / 3)
    assert math.isnan(epe(error, 0 * where))


def test_outlier_rates(error):
    assert [float(outlier_rate(error, pixels)) for pixels in (1, 3, 5)] == pytest.approx([0.6, 0.4, 0.2])
    where = torch.tensor([1, 1, 1, 0, 0, 1.0], device=error.device).reshape(1, 1, 1, 6)
    assert float(outlier_rate(error, 1, where)) == pytest.approx(1 / 3)


def test_histogram_and_cumulative_curve(error):
    counts = histogram(error)
    expected = np.histogram([0, 0.5, 2, 4], bins=ERROR_EDGES)[0]
    assert counts[:-1].tolist() == expected.tolist() and counts[-1] == 1
    rising = cumulative(counts)
    assert rising[0] == pytest.approx(0.2) and rising[-1] == pytest.approx(0.8)
    assert len(rising) + 1 == len(ERROR_EDGES) == len(counts)
    where = torch.zeros_like(error)
    where[..., 4] = 1
    assert histogram(error, where).tolist() == [0] * 40 + [1]


def test_histogram_agrees_with_numpy_on_many_errors(device):
    values = torch.rand(1, 1, 50, 60, generator=torch.Generator().manual_seed(2)) * 12
    counts = histogram(values.to(device))
    inside = values.numpy()[values.numpy() < ERROR_EDGES[-1]]
    assert counts[:-1].tolist() == np.histogram(inside, bins=ERROR_EDGES)[0].tolist()
    assert counts.sum() == 3000


def test_smoothness_is_the_variance_over_space_and_time():
    steps = torch.randn(5, 2, 40, generator=torch.Generator().manual_seed(3))
    expected = sum(np.var(steps.numpy()[:, axis]) for axis in (0, 1))
    assert float(smoothness(steps)) == pytest.approx(expected, rel=1e-5)
    assert float(smoothness(torch.full((4, 2, 3, 3), 2.5))) == 0
    assert float(smoothness(2 * steps)) == pytest.approx(4 * expected, rel=1e-5)


def test_a_jerk_is_less_smooth_than_the_same_way_in_even_steps():
    even, jerk = torch.zeros(4, 2, 6), torch.zeros(4, 2, 6)
    even[:, 0], jerk[3, 0] = 1, 4
    assert float(smoothness(even)) == 0 and float(smoothness(jerk)) == pytest.approx(3)


def test_seam():
    assert seam([1, 2, 4, 2]) == 0.5
    assert seam([1, 2, 12]) == 6
    assert seam([0, 0, 0]) == 0 and seam([0, 0, 3]) == math.inf
    with pytest.raises(ValueError, match="two steps"):
        seam([1])


def test_seam_to_median_is_not_hidden_by_one_large_step():
    steps = [1, 1, 9, 1, 6]
    assert seam(steps) < 1 and seam_to_median(steps) == 6
    assert seam_to_median([0, 0, 3]) == math.inf and seam_to_median([0, 0, 0]) == 0
    with pytest.raises(ValueError):
        seam_to_median([1])


def test_steps_lead_from_each_frame_to_the_next_and_round():
    displacements = [np.full((2, 4, 5), value, np.float32) * [[[3]], [[4]]] for value in (0, 1, 3)]
    assert motion_steps(iter(displacements)) == pytest.approx([5, 10, 15])
    frames = [np.full((4, 5, 3), value, np.uint8) for value in (250, 2, 5)]
    assert intensity_steps(iter(frames)) == [248, 3, 245]  # bytes do not wrap round
