"""Refined DIS: what the flow may be, and how the network chooses from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from far_motion import far
from filling import fill
from skimage import data
from torch import Tensor

from photoflow.models.dis import DIS, consistent
from photoflow.models.refined_dis import CANDIDATES, Candidates, RefinedDIS, measured


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A photograph, and the same with a part moved 12 pixels right and all else 3 left."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    one, two = photo[:, :, 50:210, 100:300].clone(), photo[:, :, 50:210, 103:303].clone()
    part = photo[:, :, 300:360, 300:370]
    one[:, :, 40:100, 50:120], two[:, :, 40:100, 62:132] = part, part
    return one, two


MOTIONS = ((0, 0), (4, 0), (-4, 0), (0, 4), (0, -4), (2, 2), (-2, -2), (2, -2))


def level(*motion: float, size: tuple[int, int] = (30, 44)) -> Tensor:
    return torch.tensor(motion).float().view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def candidates(flows: list[Tensor], back: Tensor) -> Candidates:
    return Candidates(torch.stack(flows, 1), torch.ones(1, len(flows)), back)


def test_the_candidates_are_dis_and_the_motions_in_it(pair: tuple[Tensor, Tensor]) -> None:
    flows, shares, back = measured(*pair)
    assert flows.shape == (1, CANDIDATES, 2, 160, 200) and shares.shape == (1, CANDIDATES)
    assert torch.equal(flows[:, 0], DIS(whole=True)(*pair)) and torch.equal(back, DIS(whole=True)(*reversed(pair)))
    assert (flows[0, 1] - level(-3, 0, size=(160, 200))[0]).norm(dim=0).mean() < 0.3
    assert (flows[0, 2] - level(12, 0, size=(160, 200))[0]).norm(dim=0)[40:100, 50:120].mean() < 0.5
    assert 0.5 < shares[0, 1] <= 1 and shares[0, 0] == 1


def test_where_there_are_fewer_motions_the_first_is_repeated() -> None:
    photo = torch.from_numpy(np.ascontiguousarray(data.chelsea().transpose(2, 0, 1)))[None].float() / 255
    flows, shares, _ = measured(photo[:, :, 50:210, 100:300], photo[:, :, 50:210, 103:303])
    repeated = shares[0] == 0
    assert repeated.any() and all(torch.equal(flow, flows[0, 1]) for flow in flows[0][repeated])
    noise = torch.rand(2, 1, 3, 12, 15, generator=torch.Generator().manual_seed(0))
    flows, shares, _ = measured(*noise)
    assert not shares[0, 1:].any() and all(torch.equal(flow, flows[0, 0]) for flow in flows[0])


def test_what_dis_has_lost_is_among_the_candidates() -> None:
    one, two, there, truth = far()
    flows, shares, _ = measured(one, two)
    off = (flows[0] - truth).norm(dim=1)[:, there].mean(1)
    assert off[:5].min() > 5 and off[5] < 1 and shares[0, 5] > 0


def test_what_all_candidates_say_is_the_flow() -> None:
    images = torch.rand(2, 1, 3, 30, 44, generator=torch.Generator().manual_seed(0))
    same = candidates([level(2.5, -1)] * CANDIDATES, level(-2.5, 1))
    with torch.no_grad():
        torch.testing.assert_close(RefinedDIS().eval()(*images, same), level(2.5, -1))


@pytest.mark.parametrize(("back", "near"), [((-4.0, 0.0), 4.0), ((9.0, 0.0), -4.0)])
def test_untrained_it_leans_to_dis_where_the_flow_back_agrees_else_to_the_background(back, near) -> None:
    images = torch.rand(2, 1, 3, 30, 44, generator=torch.Generator().manual_seed(0))
    motions = [level(float(number), 8.0) for number in range(CANDIDATES - 2)]
    known = candidates([level(4, 0), level(-4, 0), *motions], level(*back))
    with torch.no_grad():
        flow = RefinedDIS().eval()(*images, known)
    inner = (0, 0, slice(None), slice(10, -10))
    assert bool(consistent(level(4, 0), level(*back))[inner].all()) == (near > 0)
    rest = CANDIDATES - 1
    share = np.exp(2) / (np.exp(2) + rest)
    others = (1 - share) / rest * (sum(range(CANDIDATES - 2)) - near)
    torch.testing.assert_close(flow[inner], torch.full_like(flow[inner], share * near + others), rtol=1e-4, atol=1e-4)


def halves(chance: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A picture, the same with its halves moved apart or together, and the flow."""
    picture = torch.rand(1, 3, 32, 40, generator=chance)
    shifts = (4, -4) if torch.rand((), generator=chance) < 0.5 else (-4, 4)
    parts = [part.roll(shift, 3) for part, shift in zip(picture.chunk(2, 2), shifts)]
    return picture, torch.cat(parts, 2), torch.cat([level(shift, 0, size=(16, 40)) for shift in shifts], 2)


def test_the_choice_of_what_fits_is_learned() -> None:
    torch.manual_seed(0)
    flows = [level(*motion, size=(32, 40)) for motion in MOTIONS]
    known, network = candidates(flows, level(0, 0, size=(32, 40))), RefinedDIS()
    optimiser, chance = torch.optim.Adam(network.parameters(), 2e-3), torch.Generator().manual_seed(0)
    errors = []
    for _ in range(80):
        picture, moved, truth = halves(chance)
        error = (network(picture, moved, known) - truth).abs().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert sum(errors[-10:]) / 10 < 0.4 * errors[0], errors


def test_pairs_of_a_batch_do_not_mix_and_sizes_are_any(pair: tuple[Tensor, Tensor]) -> None:
    network = fill(RefinedDIS())
    with torch.no_grad():
        both = network(torch.cat(pair), torch.cat(pair[::-1]))
        torch.testing.assert_close(both[:1], network(*pair), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(both[1:], network(*pair[::-1]), rtol=1e-4, atol=1e-4)
        for size in ((1, 1), (11, 12), (20, 100)):
            images = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0))
            flow = network(*images)
            assert flow.shape == (1, 2, *size) and flow.dtype == torch.float32 and flow.isfinite().all()


def test_half_precision_gives_nearly_the_same(pair: tuple[Tensor, Tensor]) -> None:
    network, known = RefinedDIS().eval(), measured(*pair)
    with torch.no_grad():
        whole, half = network(*pair, known), network.bfloat16()(*(image.bfloat16() for image in pair), known)
    assert half.dtype == torch.float32 and (half - whole).abs().mean() < 0.05


def test_every_parameter_learns(pair: tuple[Tensor, Tensor]) -> None:
    network = fill(RefinedDIS())
    network(*pair).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_errors_name_what_is_wrong(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"RefinedDIS: image2: expected shape \(1, 3, 160, 200\)"):
        RefinedDIS()(pair[0], pair[1][:, :, :50])
    with pytest.raises(TypeError, match="RefinedDIS: image1: expected a floating-point dtype"):
        RefinedDIS()(pair[0].byte(), pair[1])
