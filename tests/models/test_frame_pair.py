"""What every network that draws a frame between two does alike."""

from __future__ import annotations

import pytest
import torch
from filling import fill, largest, pair
from torch import nn
from torch.nn import functional

from photoflow.models.amt import AMT
from photoflow.models.frame_pair import Interpolated
from photoflow.models.ifnet import IFNet


@pytest.fixture(scope="module")
def amt() -> AMT:
    return fill(AMT("S"))


@pytest.fixture(scope="module")
def ifnet() -> IFNet:
    return fill(IFNet())


@pytest.mark.parametrize("name", ["amt", "ifnet"])
def test_each_image_of_a_batch_has_its_own_time(name: str, request: pytest.FixtureRequest) -> None:
    network: nn.Module = request.getfixturevalue(name)
    img0, img1 = (torch.cat(both) for both in zip(pair(64, 64), pair(64, 64, seed=3)))
    times = torch.tensor([0.2, 0.9])
    with torch.no_grad():
        both = network(img0, img1, times)
        assert largest(both - network(img0, img1, times.reshape(2, 1, 1, 1))) == 0
        for index, t in enumerate((0.2, 0.9)):
            one = slice(index, index + 1)
            assert largest(both[one] - network(img0[one], img1[one], t)) < 1e-4
        assert largest(network(img0, img1, 0.2) - network(img0, img1, torch.tensor(0.2))) == 0
        assert largest(network(img0, img1, 0.2)[1] - both[1]) > 1e-3


@pytest.mark.parametrize(
    ("name", "multiple", "height", "width"),
    [
        ("amt", 16, 37, 90), ("amt", 16, 1, 1), ("amt", 16, 49, 48),
        ("ifnet", 64, 37, 90), ("ifnet", 64, 1, 1), ("ifnet", 64, 65, 64),
    ],
)  # fmt: skip
def test_any_size_is_padded_with_its_border_and_cropped(
    name: str, multiple: int, height: int, width: int, request: pytest.FixtureRequest
) -> None:
    network: nn.Module = request.getfixturevalue(name)
    pictures = pair(height, width)
    left, top = -width % multiple // 2, -height % multiple // 2
    around = (left, -width % multiple - left, top, -height % multiple - top)
    padded = [functional.pad(picture, around, mode="replicate") for picture in pictures]
    with torch.no_grad():
        found = network(*pictures, 0.4, details=True)
        whole = network(*padded, 0.4, details=True)
    assert isinstance(found, Interpolated)
    fields = (1, 3) if name == "amt" else (1,)
    shapes = [(1, 3), (*fields, 2), (*fields, 2), (*fields, 1)]
    for one, large, shape in zip(found, whole, shapes):
        assert one.shape == (*shape, height, width)
        assert largest(one - large[..., top : top + height, left : left + width]) == 0
