"""Random holes: in every frame, of every kind, at rest in half of the clips."""

from __future__ import annotations

import torch

from photoflow.data.holes import random_holes

MOMENTS = torch.tensor([0.0, 1.0, 2.0, 3.0, 40.0])


def drawn(count: int, seed: int = 0, size: tuple[int, int] = (60, 108)) -> torch.Tensor:
    return random_holes(count, MOMENTS, size, torch.Generator().manual_seed(seed))


def test_each_frame_has_a_hole_and_more_than_a_hole() -> None:
    holes = drawn(64)
    assert holes.shape == (64, 5, 1, 60, 108) and holes.dtype == torch.float32
    assert set(holes.unique().tolist()) == {0, 1}
    share = holes.mean((2, 3, 4))
    assert share.min() > 0.005 and share.max() < 0.55 and 0.05 < share.mean() < 0.25


def test_the_seed_says_which() -> None:
    assert torch.equal(drawn(4), drawn(4)) and not torch.equal(drawn(4), drawn(4, seed=1))


def test_half_of_them_stand_still_and_the_others_go_on_evenly() -> None:
    holes = drawn(200)
    still = (holes == holes[:, :1]).flatten(1).all(1)
    assert 0.4 < still.float().mean() < 0.65
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(108.0), indexing="ij")
    places = torch.stack([(holes[:, :, 0] * axis).sum((2, 3)) / holes[:, :, 0].sum((2, 3)) for axis in (y, x)], 2)
    steps = places.diff(dim=1)[:, :3]
    assert steps.norm(dim=2).max() < 0.03 * 108 + 2  # with what rounding adds
    # What goes on, in whole pixels, keeps its direction, but for those that come to the border.
    even = (steps[:, 0] - steps[:, 2]).abs().amax(1) <= 1.01
    assert even[~still].float().mean() > 0.8
    assert torch.equal(holes.sum((2, 3, 4)).std(1)[still], torch.zeros(int(still.sum())))


def test_a_hole_keeps_its_shape() -> None:
    holes = drawn(100)
    areas = holes.sum((2, 3, 4))
    assert torch.equal(areas, areas[:, :1].expand_as(areas))


def test_frames_of_any_size() -> None:
    for size in ((16, 16), (1, 300), (3, 2)):
        holes = drawn(20, size=size)
        assert holes.shape[3:] == size and holes.sum((2, 3, 4)).min() >= 1
