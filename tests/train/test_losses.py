"""Losses against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from photoflow.train.losses import (
    census,
    charbonnier,
    distilled,
    gradient_penalty,
    l1,
    laplacian_l1,
    laplacian_pyramid,
    psnr,
    sequence_l1,
)


def test_distances_of_a_constant_difference() -> None:
    first = torch.rand(2, 3, 40, 56)
    second = first + 0.25
    assert l1(first, second) == pytest.approx(0.25)
    assert charbonnier(first, second) == pytest.approx(math.hypot(0.25, 1e-3), rel=1e-4)
    assert charbonnier(first, first) == pytest.approx(1e-3)
    # Details of a constant are 0; what is left at the coarsest level is the constant.
    assert laplacian_l1(first, second) == pytest.approx(0.25, abs=1e-5)
    assert psnr(first * 0 + 0.5, first * 0 + 0.75) == pytest.approx(-10 * math.log10(0.0625))


def test_census_compares_neighbours_alone() -> None:
    first = 0.5 * torch.rand(2, 3, 20, 24)
    assert census(first, first) == 0
    assert census(first, first + 0.3) == pytest.approx(0, abs=1e-9)  # brighter everywhere
    assert census(first, first.roll(1, 3)) > 0.05
    # One pixel in grey: it is the neighbour of all whose square is whole, once, and 48 pixels are its own neighbours.
    second = torch.zeros(1, 3, 7, 7)
    second[:, :, 0, 0] = 0.9
    wanted = 0.5 / (0.5 + 0.1) / 49  # a difference of 0.9 becomes 0.9 / sqrt(0.81 + 0.81)
    assert census(second * 0, second) == pytest.approx(wanted, rel=1e-4)
    second[:, :, 3, 3] = 0.9  # the middle: 47 are darker than it, two as bright
    assert census(second * 0, second) == pytest.approx(47 * wanted, rel=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert census(first, first + 0.3) == pytest.approx(0, abs=1e-9)


def test_distilled_flow_counts_where_the_finest_flows_agree() -> None:
    target = torch.zeros(1, 2, 8, 8)
    target[:, 0] = 4

    def loss(coarse: float, fine: list[float]) -> Tensor:
        flow = torch.tensor([coarse, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4).clone().requires_grad_(True)
        finest = torch.tensor([[x, 0.0] for x in fine]).reshape(1, -1, 2, 1, 1).expand(1, len(fine), 2, 8, 8)
        total = distilled([flow], finest, target)
        (slope,) = torch.autograd.grad(total, flow)
        return torch.stack([total.detach(), slope[:, 0].sum()])

    # A flow of half the size counts twice. All agree: |d| of x, mean over both axes, and slope 2 over two axes.
    near = loss(1.0, [4.0, 4.0])
    assert near.tolist() == pytest.approx([(2 + 1e-3) / 2, -1], rel=1e-3)
    assert loss(2.0, [4.0, 4.0])[0] == pytest.approx(1e-3, rel=1e-2)
    # The finest flow that agrees least is heard.
    trust = math.exp(-0.3 * 3)
    eps = 10 ** ((1 - 10 * trust) / 3)
    wanted = ((4 + eps**2) ** (trust / 2) + eps**trust) / 2
    assert loss(1.0, [4.0, 7.0])[0] == pytest.approx(wanted, rel=1e-4)
    assert loss(1.0, [4.0, 100.0])[1].abs() < 1e-6 < loss(1.0, [4.0, 7.0])[1].abs() < near[1].abs()


def test_pyramid_tells_fine_from_coarse() -> None:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = ((x + y) % 2 * 1.0).expand(1, 1, 64, 64)
    slow = torch.sin(2 * math.pi * x / 64).expand(1, 1, 64, 64)
    fine, coarse = (
        [float(level.abs().mean()) for level in laplacian_pyramid(image, 5)] for image in (checks - 0.5, slow)
    )
    assert fine[0] > 0.45 and max(fine[1:]) < 0.05
    assert coarse[-1] > 0.4 and coarse[0] < 0.05
    assert [tuple(level.shape[2:]) for level in laplacian_pyramid(checks, 5)] == [(64 >> i, 64 >> i) for i in range(5)]
    assert len(laplacian_pyramid(checks[..., :16, :16], 5)) == 3  # 16, 8, 4


def test_sequence_weighs_later_updates_more_and_leaves_out_what_is_unknown() -> None:
    target = torch.zeros(1, 2, 4, 4)
    target[..., 0] = torch.nan
    valid = torch.isfinite(target[:, :1]).float()
    flows = [torch.full((1, 2, 4, 4), value, requires_grad=True) for value in (3.0, 2.0)]
    loss = sequence_l1(flows, target, valid, 0.8)
    assert loss.item() == pytest.approx(0.75 * (0.8 * 3 + 2))  # a quarter is unknown
    loss.backward()
    for flow in flows:
        assert flow.grad.isfinite().all() and flow.grad[..., 0].abs().max() == 0 and flow.grad[..., 1].min() > 0


def test_gradient_penalty_of_a_linear_critic() -> None:
    weight = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)

    def score(candidate: Tensor) -> Tensor:
        assert candidate.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return (weight * candidate).sum((1, 2, 3), keepdim=True)

    real, drawn = torch.rand(2, 2, 3, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(score, real, drawn.bfloat16(), torch.rand(2, 1, 1, 1))
    # On a scale of -1 to 1 the gradient is half of the weight, everywhere.
    length = 0.5 * 0.5 * math.sqrt(48)
    assert penalty.item() == pytest.approx((length - 1) ** 2, rel=1e-5)
    penalty.backward()
    wanted = 2 * (length - 1) * 0.5 * 0.5 / (0.5 * math.sqrt(48))
    assert torch.allclose(weight.grad, torch.full_like(weight, wanted), rtol=1e-5)


def test_gradient_penalty_finds_the_place_between_the_images() -> None:
    real, drawn = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    penalty = gradient_penalty(
        lambda x: x.square().sum((1, 2, 3), keepdim=True) / 2, real, drawn, torch.tensor([[[[0.25]]]])
    )
    assert penalty.item() == pytest.approx((0.25 * math.sqrt(12) / 2 - 1) ** 2)
