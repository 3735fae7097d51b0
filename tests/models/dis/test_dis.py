"""DIS: the flow of whole batches, of any size and on any type."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from photoflow.models.dis import DIS


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
