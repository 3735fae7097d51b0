"""DIS: the flow of whole batches, of any size and on any type."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from photoflow.models.dis import DIS, CompletedDIS


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A part of a photograph, and another three pixels to the right and two down: what is seen moves back."""
    photo = torch.from_numpy(np.ascontiguousarray(data.chelsea().transpose(2, 0, 1)))[None].float() / 255
    return photo[:, :, 50:210, 100:300], photo[:, :, 52:212, 103:303]


def test_finds_a_shift(pair: tuple[Tensor, Tensor]) -> None:
    flow = DIS()(*pair)
    assert flow.shape == (1, 2, 160, 200) and flow.dtype == torch.float32 and flow.is_contiguous()
    error = (flow - torch.tensor([-3.0, -2.0]).view(1, 2, 1, 1)).norm(dim=1)[:, 8:-8, 8:-8]
    assert error.mean() < 0.3


def test_images_of_a_batch_do_not_mix(pair: tuple[Tensor, Tensor]) -> None:
    one, two = pair
    both = DIS()(torch.cat([one, two]), torch.cat([two, one]))
    assert torch.equal(both[:1], DIS()(one, two)) and torch.equal(both[1:], DIS()(two, one))


def test_presets_differ(pair: tuple[Tensor, Tensor]) -> None:
    assert not torch.equal(DIS("ultrafast")(*pair), DIS("medium")(*pair))


def test_a_search_begins_where_it_is_told(pair: tuple[Tensor, Tensor]) -> None:
    far = (pair[0], pair[0].roll(70, 3))
    true = torch.tensor([70.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 160, 200).contiguous()
    seen = (slice(None), slice(8, -8), slice(8, 120))
    lost, found = ((DIS()(*far, start) - true).norm(dim=1)[seen].mean() for start in (None, true))
    assert found < 0.3 < 3 < lost
    assert torch.equal(true, torch.tensor([70.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 160, 200))  # not written over


def test_at_full_resolution_less_bleeds_over_an_edge(pair: tuple[Tensor, Tensor]) -> None:
    still, moved = pair[0].clone(), pair[0].clone()
    still[..., 40:120, 60:140] = 1 - pair[0][..., 40:120, 60:140]
    moved[..., 44:124, 60:140] = still[..., 40:120, 60:140]
    around = torch.ones(160, 200, dtype=torch.bool)
    around[36:128, 56:144] = False
    half, whole = (DIS(whole=one)(still, moved).norm(dim=1)[0][around].mean() for one in (False, True))
    assert whole < half


def test_half_precision_gives_nearly_the_same(pair: tuple[Tensor, Tensor]) -> None:
    half = DIS()(*(image.half() for image in pair))
    assert half.dtype == torch.float32 and (half - DIS()(*pair)).abs().mean() < 0.05


# OpenCV itself reads beyond pictures of some of these sizes, and ends the process.
@pytest.mark.parametrize("size", [(1, 1), (8, 64), (11, 12), (20, 400), (3, 1000), (400, 20)])
def test_small_and_narrow_pictures(size: tuple[int, int]) -> None:
    images = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0))
    flow = DIS()(images[0], images[1])
    assert flow.shape == (1, 2, *size) and flow.isfinite().all()


def test_errors_name_what_is_wrong(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"DIS: image2: expected shape \(1, 3, 160, 200\)"):
        DIS()(pair[0], pair[1][:, :, :50])
    with pytest.raises(TypeError, match="DIS: image1: expected a floating-point dtype"):
        DIS()(pair[0].byte(), pair[1])


def scene(moved: int, over: slice | None) -> tuple[Tensor, Tensor]:
    """A photograph, the same `moved` pixels further right, and a board in front of some columns of the second alone."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    one, two = photo[:, :, 50:210, 100:300], photo[:, :, 50:210, 100 - moved : 300 - moved].clone()
    if over is not None:
        two[:, :, 40:120, over] = photo[:, :, 300:380, over]
    return one, two


def test_what_is_hidden_moves_as_the_background() -> None:
    one, two = scene(5, slice(70, 110))
    true = torch.tensor([5.0, 0.0]).view(1, 2, 1, 1)
    plain, completed = ((flow - true).norm(dim=1)[0] for flow in (DIS(whole=True)(one, two), CompletedDIS()(one, two)))
    hidden = (slice(45, 115), slice(70, 100))  # what the second image shows behind the board
    assert completed[hidden].mean() < 0.3 * plain[hidden].mean() and completed[hidden].median() < 0.1


def test_what_leaves_the_picture_goes_on_as_the_background() -> None:
    one, two = scene(12, None)
    true = torch.tensor([12.0, 0.0]).view(1, 2, 1, 1)
    assert (CompletedDIS()(one, two) - true).norm(dim=1)[:, :, -12:].mean() < 0.2


def test_a_thing_that_moves_is_no_background() -> None:
    one, two = scene(0, None)
    one, two = one.clone(), two.clone()
    thing = one[:, :, 40:100, 60:120].flip(2).clone()
    one[:, :, 40:100, 60:120], two[:, :, 40:100, 76:136] = thing, thing
    flow, plain = CompletedDIS()(one, two), DIS(whole=True)(one, two)
    assert (flow[0, 0, 50:90, 70:110] - 16).abs().mean() < 0.3
    assert flow[:, :, :, 150:].norm(dim=1).mean() < 0.1
    hidden = (0, 0, slice(45, 95), slice(120, 136))
    assert flow[hidden].abs().mean() < 0.5 * plain[hidden].abs().mean()


def test_without_a_background_the_flow_stays_as_it_is() -> None:
    one, _ = scene(0, None)
    bands = [one[:, :, top : top + 54] for top in (0, 54, 106)]
    two = torch.cat([band.roll(moved, 3) for band, moved in zip(bands, (0, 14, -14))], dim=2)
    one = torch.cat(bands, dim=2)
    assert torch.equal(CompletedDIS()(one, two), DIS(whole=True)(one, two))


def test_less_than_half_of_the_picture_is_no_background() -> None:
    one, _ = scene(0, None)
    two = one.clone()
    two[..., 60:] = torch.rand(1, 3, 160, 140, generator=torch.Generator().manual_seed(0))  # none of it is found again
    plain = DIS(whole=True)(one, two)
    assert torch.equal(CompletedDIS()(one, two), plain) and plain[..., :50].norm(dim=1).mean() < 0.1


def test_completed_pairs_of_a_batch_do_not_mix() -> None:
    pairs = [scene(5, slice(70, 110)), scene(-3, slice(20, 50))]
    both = CompletedDIS()(*(torch.cat(images) for images in zip(*pairs)))
    for number, pair in enumerate(pairs):
        assert torch.equal(both[number : number + 1], CompletedDIS()(*pair))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (11, 12), (20, 400)])
def test_small_pictures_are_completed(size: tuple[int, int]) -> None:
    images = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0))
    flow = CompletedDIS()(images[0], images[1])
    assert flow.shape == (1, 2, *size) and flow.isfinite().all()
