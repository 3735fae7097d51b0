"""The warping error, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from photoflow.metrics import warping_error

SHIFT = (3, 2)  # pixels to the right and down


@pytest.fixture
def moved(device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two pictures and the same after a shift, and the flow there and back."""
    frame = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(3)).to(device)
    flow = torch.tensor(SHIFT, dtype=torch.float32, device=device).reshape(1, 2, 1, 1).expand(2, 2, 20, 30)
    return frame, frame.roll((SHIFT[1], SHIFT[0]), (2, 3)), flow, -flow


def test_what_moves_along_the_flow_has_none(moved):
    assert warping_error(*moved).tolist() == [0, 0]


def test_a_change_of_brightness_is_its_square(moved):
    frame, following, flow, back = moved
    brighter = following.clone()
    brighter[1] += 0.1
    assert warping_error(frame, brighter, flow, back).tolist() == pytest.approx([0, 0.01], abs=1e-6)


def test_what_is_seen_in_one_frame_alone_does_not_count(moved):
    frame, following, flow, back = moved
    frame, back = frame.clone(), back.clone()
    frame[:, :, -SHIFT[1] :], frame[:, :, :, -SHIFT[0] :] = 9, 9  # leaves the picture
    following[:, :, 5:9, 6:9], back[:, :, 5:9, 6:9] = 9, 9  # is covered: what is there comes from elsewhere
    assert warping_error(frame, following, flow, back).tolist() == [0, 0]


def test_that_of_a_part(moved):
    frame, following, flow, back = moved
    where = torch.zeros_like(frame[:, :1])
    where[0, :, :10, :15] = 1
    following[:, :, : 10 + SHIFT[1], : 15 + SHIFT[0]] += 0.2
    following[:, :, 10 + SHIFT[1] :] += 0.5
    inside, nowhere = warping_error(frame, following, flow, back, where).tolist()
    assert inside == pytest.approx(0.04, abs=1e-6) and math.isnan(nowhere)


def test_pictures_of_other_shapes_are_refused(moved):
    frame, following, flow, back = moved
    with pytest.raises(ValueError, match="warping_error: expected two tensors of one shape"):
        warping_error(frame, following[:1], flow, back)
    with pytest.raises(ValueError, match="flow_ba"):
        warping_error(frame, following, flow, back[..., 1:])
