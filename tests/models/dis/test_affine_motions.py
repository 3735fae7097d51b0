"""Affine motions: those that pixels of a flow share, and those of things that the flow has missed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from far_motion import far
from torch import Tensor

from photoflow.models.dis.affine_motions import affine_motions, missed_motions
from photoflow.models.dis.dis import DIS, consistent, grey


def turned(angle: float, across: float, size: tuple[int, int]) -> Tensor:
    """A rotation and a shift to the right, as a flow (2, H, W)."""
    y, x = torch.meshgrid(*(torch.arange(side).float() for side in size), indexing="ij")
    cos, sin = torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))
    return torch.stack([cos * x - sin * y - x + across, sin * x + cos * y - y])


def test_affine_motions_come_one_after_the_other() -> None:
    one, other = turned(0.02, 3.0, (60, 80)), turned(-0.03, -5.0, (60, 80))
    flow, everywhere = one.clone(), torch.ones(60, 80, dtype=torch.bool)
    flow[:, 20:50, 10:40] = other[:, 20:50, 10:40]
    found = affine_motions(flow, everywhere, 4)
    assert len(found) == 2
    assert (found[0].carried - one).abs().max() < 0.01 and (found[1].carried - other).abs().max() < 0.05
    assert found[0].share == pytest.approx(1 - 900 / 4800, abs=0.03) and found[1].share > 0.95
    assert len(affine_motions(flow, everywhere, 1)) == 1


def test_affine_motions_are_those_of_the_pixels_that_are_asked() -> None:
    flow, asked = turned(0, 9.0, (40, 40)), torch.zeros(40, 40, dtype=torch.bool)
    flow[:, 20:] = turned(0.01, 2.0, (40, 40))[:, 20:]
    asked[20:] = True
    (found,) = affine_motions(flow, asked, 3)
    assert (found.carried - turned(0.01, 2.0, (40, 40))).abs().max() < 0.01
    assert affine_motions(flow, torch.zeros_like(asked), 3) == []


def test_what_moves_far_is_found_by_its_features() -> None:
    one, two, there, truth = far()
    forth, back = DIS(whole=True)(one, two), DIS(whole=True)(two, one)
    lost1, lost2 = ~consistent(forth, back)[0, 0], ~consistent(back, forth)[0, 0]
    assert (forth[0] - truth).norm(dim=0)[there].mean() > 20
    found = missed_motions(grey(one)[0], grey(two)[0], lost1, lost2, forth, 3)
    assert found and (found[0].carried - truth).norm(dim=0)[there].mean() < 1 and 0 < found[0].share <= 1
    # What is known is not found again.
    known = torch.cat([forth, truth[None]])
    again = missed_motions(grey(one)[0], grey(two)[0], lost1, lost2, known, 3)
    assert all((motion.carried - truth).norm(dim=0)[there].mean() > 5 for motion in again)


def test_where_nothing_is_lost_nothing_is_missed() -> None:
    one, two, *_ = far()
    nowhere, flow = torch.zeros(160, 240, dtype=torch.bool), torch.zeros(1, 2, 160, 240)
    assert missed_motions(grey(one)[0], grey(two)[0], nowhere, nowhere, flow, 3) == []
    level = [np.full((40, 50), 90, np.uint8)] * 2  # without a feature
    everywhere = torch.ones(40, 50, dtype=torch.bool)
    assert missed_motions(*level, everywhere, everywhere, torch.zeros(1, 2, 40, 50), 3) == []


def test_what_would_have_shrunk_to_half_is_not_found() -> None:
    one, *_ = far()
    thing = one[:, :, 30:80, 20:70]
    one, two = one.clone(), one.clone()
    one[:, :, 30:80, 20:70] = two[:, :, 30:80, 20:70] = one[:, :, 100:150, 180:230]
    large = torch.nn.functional.interpolate(thing, scale_factor=2, mode="bicubic").clamp(0, 1)
    one[:, :, 20:120, 10:110], two[:, :, 60:110, 150:200] = large, thing
    everywhere, still = torch.ones(160, 240, dtype=torch.bool), torch.zeros(1, 2, 160, 240)
    assert missed_motions(grey(one)[0], grey(two)[0], everywhere, everywhere, still, 3) == []
