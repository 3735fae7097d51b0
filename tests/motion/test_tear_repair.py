"""What would tear a picture is smoothed, where it would and only there."""

import numpy as np
import pytest

from photoflow.motion import SpectralVolume
from photoflow.motion.tear_repair import repair_tears


def jumping(x, y, height=60, width=80):
    """The right half sways by (x, y) pixels, the left half stands still."""
    coefficients = np.zeros((3, 2, height, width), np.complex64)
    coefficients[1, :, :, width // 2 :] = np.array([x, y])[:, None, None] / 2
    return SpectralVolume(coefficients, 2.0)


def steps(volume, axis):
    """The largest difference of neighbours along x (2) or y (1) over time, (2, H, W)."""
    times = np.arange(40) / 20
    return np.abs(np.diff(volume.trajectories(times), axis=axis + 1)).max(axis=0)


@pytest.mark.parametrize("own", [True, False])
def test_a_gap_is_closed_and_nothing_far_from_it_changes(own):
    torn = jumping(5, 0)
    whole = repair_tears(torn, own)
    assert steps(torn, 2).max() == 5 and steps(whole, 2).max() < 1
    far = np.abs(np.arange(80) - 39.5) > 25
    np.testing.assert_array_equal(whole.coefficients[..., far], torn.coefficients[..., far])


def test_things_slide_along_each_other_in_their_own_picture_alone():
    sliding = jumping(0, 5)
    assert repair_tears(sliding, own=True) is sliding
    assert steps(repair_tears(sliding, own=False), 2).max() < 0.75


@pytest.mark.parametrize("own", [True, False])
def test_smooth_motion_stays_as_it_is(own):
    volume = jumping(0.5, 0)
    assert repair_tears(volume, own) is volume
