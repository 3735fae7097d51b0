"""The mean that stops at edges."""

from __future__ import annotations

import math

import pytest
import torch
from pretended_cuda import PretendedCuda
from torch import Tensor

from photoflow.models.dis.edge_aware import edge_aware_mean


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def one_pixel_after_the_other(planes: Tensor, guide: Tensor, reach: float, edge: float) -> Tensor:
    """The filter as the paper writes it, for one picture (C, H, W)."""
    found = planes.double().clone()
    for number in range(3):
        deviation = reach * math.sqrt(3) * 2 ** (2 - number) / math.sqrt(4**3 - 1)
        kept = math.exp(-math.sqrt(2) / deviation)
        for lines, colours in (
            (found.transpose(0, 1), guide.transpose(0, 1)),  # along x: (H, C, W)
            (found.permute(2, 0, 1), guide.permute(2, 0, 1)),  # along y: (W, C, H)
        ):
            for line, colour in zip(lines, colours):
                apart = [1 + reach / edge * float((colour[:, n] - colour[:, n - 1]).abs().sum())
                         for n in range(1, line.shape[1])]  # fmt: skip
                for n in range(1, line.shape[1]):
                    line[:, n] += kept ** apart[n - 1] * (line[:, n - 1] - line[:, n])
                for n in range(line.shape[1] - 2, -1, -1):
                    line[:, n] += kept ** apart[n] * (line[:, n + 1] - line[:, n])
    return found


@pytest.mark.parametrize("device", ["cpu", "pretended", pytest.param("cuda", marks=pytest.mark.cuda)])
@pytest.mark.parametrize("size", [(6, 9), (1, 7), (5, 1), (1, 1), (3, 67), (70, 2)])
def test_equals_the_recursion_pixel_by_pixel(size: tuple[int, int], device: str) -> None:
    planes, guide = drawn(2, 3, *size), drawn(2, 3, *size, seed=1)
    before = planes.clone()
    if device == "pretended":
        counted = PretendedCuda()
        with counted:
            found = edge_aware_mean(counted.put(planes), counted.put(guide), 4.0, 0.6).cpu()
        assert counted.launches.total() < 420 and counted.waits == {"copy to the CPU": 1}
    elif device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    else:
        found = edge_aware_mean(planes.to(device), guide.to(device), 4.0, 0.6).cpu()
    assert torch.equal(planes, before)  # nothing is written over
    for number in range(2):
        wanted = one_pixel_after_the_other(planes[number], guide[number], 4.0, 0.6)
        torch.testing.assert_close(found[number].double(), wanted, rtol=1e-5, atol=1e-6)


def test_stops_at_an_edge_and_not_elsewhere() -> None:
    guide = torch.zeros(1, 3, 20, 40)
    guide[..., 25:] = 1
    planes = torch.zeros(1, 1, 20, 40)
    planes[..., 25:] = 1
    apart = edge_aware_mean(planes, guide, 30.0, 0.3)
    assert apart[..., :25].max() < 0.01 and apart[..., 25:].min() > 0.99
    joined = edge_aware_mean(planes, 0 * guide, 30.0, 0.3)
    assert joined.min() > 0.15 and joined.max() < 0.6


def test_a_plane_that_is_level_stays_so() -> None:
    level = torch.full((1, 2, 12, 14), 0.3)
    torch.testing.assert_close(edge_aware_mean(level, drawn(1, 3, 12, 14), 5.0, 0.5), level)
