"""Frames from DIS flow alone: where things are, which way counts, and how sharply it is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from filling import largest, pair
from passing import passing
from skimage import data
from torch import Tensor

from photoflow.models.dis.dis_interpolation import DISInterpolation, measured
from photoflow.ops import backward_warp


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255


@pytest.fixture(scope="module")
def make() -> DISInterpolation:
    return DISInterpolation().eval()


def test_the_middle_of_a_passing_thing_is_nearer_than_the_mean_and_plain_warping(
    make: DISInterpolation,
) -> None:
    first, truth, last = (passing(t) for t in (0.0, 0.5, 1.0))
    forth, back = measured(first, last)
    warped = (backward_warp(first, back / 2, padding="border") + backward_warp(last, forth / 2, padding="border")) / 2
    ours, plain, mean = ((frame - truth).abs().mean() for frame in (make(first, last), warped, (first + last) / 2))
    assert ours < plain and ours < 0.5 * mean


@pytest.mark.parametrize("right", ["forth", "back"])
def test_the_way_by_which_the_images_agree_counts(right: str, photo: Tensor, make: DISInterpolation) -> None:
    first, last = photo[:, :, :90, 104:204], photo[:, :, :90, 100:200]  # what is at x is at x + 4 in the second
    still, moving = torch.zeros(1, 2, 90, 100), torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 90, 100)
    flows = (moving, still) if right == "forth" else (still, -moving)
    made = make(first, last, 0.25, details=True, flows=flows)
    inner = (slice(None), slice(None), slice(10, -10), slice(10, -10))
    truth = photo[:, :, :90, 103:203]
    share = ((made.flow0 + 0.25 * moving).abs() < 1e-6)[inner].float().mean()
    assert share > 0.95  # but where the photo is as level as its surroundings
    assert (made.frame - truth)[inner].abs().mean() < 0.2 * (first - truth)[inner].abs().mean()


def test_what_agrees_is_read_sharply_and_what_does_not_softly(photo: Tensor, make: DISInterpolation) -> None:
    one = photo[:, :, 100:180, 200:300]
    half = torch.full((1, 2, 80, 100), 0.5)
    for other, mode in ((one, "bicubic"), (1 - one, "bilinear")):
        flows = (half, -half)
        frame = make(one, other, 0.5, flows=flows)
        moves = ((one, -0.25 * torch.ones_like(half)), (other, 0.25 * torch.ones_like(half)))
        reads = {
            kind: sum(backward_warp(*side, mode=kind, padding="border") for side in moves) / 2
            for kind in ("bilinear", "bicubic")
        }
        wrong = {kind: (frame - read.clamp(0, 1)).abs().mean() for kind, read in reads.items()}
        assert min(wrong, key=wrong.get) == mode


def test_ends_times_and_batches(make: DISInterpolation) -> None:
    pictures = pair(50, 70)
    flows = measured(*pictures)
    assert torch.equal(make(*pictures, 0.3), make(*pictures, torch.tensor(0.3), flows=flows))
    both = make(*(torch.cat([one, one]) for one in pictures), torch.tensor([0.2, 0.7]))
    assert largest(both[:1] - make(*pictures, 0.2)) < 1e-6 and largest(both[1:] - make(*pictures, 0.7)) < 1e-6
    same = make(pictures[0], pictures[0], 0.4)
    assert largest(same - pictures[0]) < 1e-5
    made = make(*pictures, 0.4, details=True)
    assert made.carry(*pictures).shape == made.frame.shape and made.frame.min() >= 0 and made.frame.max() <= 1
    assert make(*(one.half() for one in pictures)).dtype == torch.half


def test_errors_name_what_is_wrong(make: DISInterpolation) -> None:
    pictures = pair(50, 70)
    with pytest.raises(ValueError, match="DISInterpolation: t: expected a time from 0 to 1, got 2"):
        make(*pictures, 2)
    with pytest.raises(ValueError, match=r"DISInterpolation: img1: expected shape \(1, 3, 50, 70\)"):
        make(pictures[0], pictures[1][:, :, :20])
    with pytest.raises(ValueError, match=r"DISInterpolation: flows\[0\]: expected shape \(1, 2, 50, 70\)"):
        make(*pictures, flows=(torch.zeros(1, 2, 5, 7), torch.zeros(1, 2, 50, 70)))
