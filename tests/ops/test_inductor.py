"""Every operator, forward and backward, within a function that torch.compile's own backend compiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract import as_tuple, in_channels_last
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from photoflow.ops import backward_warp, correlation_lookup, flow_attention, forward_splat, occlusion, range_map

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler, which torch.compile calls")
Make = Callable[[int, int], list[Tensor]]


def features(height: int, width: int) -> Tensor:
    return torch.rand(2, 4, height, width)


def flow(height: int, width: int) -> Tensor:
    return torch.randn(2, 2, height, width)


def weights(height: int, width: int) -> list[Tensor]:
    shapes = ((3, 2, 3, 3), (3,), (4, 3, 3, 3), (4,))
    return [features(height, width), flow(height + 1, width), *(torch.randn(shape) / 4 for shape in shapes)]


def both(image: Tensor, other: Tensor, displacement: Tensor) -> list[Tensor]:
    return backward_warp([image, other], displacement)


CALLS: dict[str, tuple[Callable[..., Any], Make]] = {
    "backward_warp": (backward_warp, lambda *size: [features(*size), flow(*size)]),
    "backward_warp of two": (both, lambda *size: [features(*size), features(*size), flow(*size)]),
    "forward_splat": (
        lambda *tensors: forward_splat(*tensors, mode="softmax"),
        lambda *size: [features(*size), flow(*size), torch.rand(2, 1, *size)],
    ),
    "range_map": (range_map, lambda *size: [flow(*size)]),
    "occlusion": (occlusion, lambda *size: [flow(*size), flow(*size)]),
    "direct lookup": (
        lambda *tensors: correlation_lookup(*tensors, radius=1, levels=2, method="direct"),
        lambda *size: [features(*size), features(*size), 5 * torch.rand(2, 2, *size)],
    ),
    "lookup in a volume": (
        lambda *tensors: correlation_lookup(*tensors, radius=1, levels=2, method="volume"),
        lambda *size: [features(*size), features(*size), 5 * torch.rand(2, 2, *size)],
    ),
    "flow_attention": (flow_attention, weights),
}


def check(function: Callable[..., Any], compiled: Callable[..., Any], tensors: list[Tensor]) -> None:
    """Check that a compiled function gives the results and gradients of the function, in the same layout."""
    ours, theirs = ([t.detach().requires_grad_() for t in tensors] for _ in range(2))
    got, want = as_tuple(compiled(*ours)), as_tuple(function(*theirs))
    assert_close(got, want, check_stride=True)
    if not want[0].requires_grad:
        return
    scales = [torch.randn_like(result) for result in want]
    for results, leaves in ((got, ours), (want, theirs)):
        torch.autograd.backward(results, scales, inputs=leaves)
    assert_close([leaf.grad for leaf in ours], [leaf.grad for leaf in theirs])


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_operator_and_its_gradient_are_the_operators(device: str, name: str, dynamic: bool) -> None:
    function, make = CALLS[name]
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, dynamic=dynamic)
    for size in ((7, 9), (12, 5)) if dynamic else ((7, 9),):
        check(function, compiled, [tensor.to(device) for tensor in make(*size)])


@pytest.mark.parametrize("laid", [lambda tensor: tensor, in_channels_last], ids=["contiguous", "channels-last"])
def test_a_network_with_operators_between_convolutions_trains_when_it_is_compiled(
    device: str, laid: Callable[[Tensor], Tensor]
) -> None:
    """What comes before and after an operator chooses the layouts that it gets."""

    def loss(feature: Tensor, displacement: Tensor, *parameters: Tensor) -> Tensor:
        before, *gate = parameters
        feature = functional.conv2d(backward_warp(feature, displacement), before, padding=1)
        out = flow_attention(torch.relu(feature), displacement[..., 1:, :], *gate)
        return functional.conv2d(forward_splat(out, displacement, mode="average")[0], before, padding=1).square().mean()

    feature, displacement, *gate = weights(7, 9)
    displacement = flow(7, 9)
    tensors = [laid(tensor).to(device) for tensor in (feature, displacement, torch.randn(4, 4, 3, 3) / 4, *gate)]
    torch._dynamo.reset()
    check(loss, torch.compile(loss, fullgraph=True), tensors)
