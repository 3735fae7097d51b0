"""Refined DIS: how the network chooses from what the flow may be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from far_motion import far
from filling import fill
from skimage import data
from torch import Tensor

from photoflow.models.dis import DIS, RefinedDIS
from photoflow.models.dis.flow_candidates import CANDIDATES, EVIDENCE, Candidates, evidence, measured
from photoflow.models.networks import load_network


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A photograph, and the same three pixels to the left, with a board in front of a part of the second."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    one, two = photo[:, :, 50:210, 100:300], photo[:, :, 50:210, 103:303].clone()
    two[:, :, 40:120, 70:110] = photo[:, :, 300:380, 70:110]
    return one, two


def candidates(*motions: tuple[float, float], size: tuple[int, int], back: tuple[float, float] = (0, 0)) -> Candidates:
    def planes(motion: tuple[float, float]) -> Tensor:
        return torch.tensor(motion).float().view(1, 2, 1, 1).expand(1, 2, *size)

    ones = torch.ones(1, 1, *size)
    flows = torch.stack([planes(motion) for motion in motions], 1)
    return Candidates(flows, torch.ones(1, len(motions)), planes(back), ones, ones)


def test_the_flow_is_that_of_the_best_score(monkeypatch: pytest.MonkeyPatch) -> None:
    known = candidates((1, 0), (2, 0), (3, 0), size=(39, 53))
    network, images = RefinedDIS(), torch.rand(2, 1, 3, 39, 53, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []

    def scores(seen: Tensor, shares: Tensor) -> Tensor:
        rows = torch.arange(sum(asked), sum(asked) + seen.shape[1])
        asked.append(seen.shape[1])
        best = torch.where(rows < 10, 2, 1)[:, None].expand(-1, seen.shape[2])
        return torch.nn.functional.one_hot(best, 3).permute(2, 0, 1)[None, None].float()

    monkeypatch.setattr(network, "scores", scores)
    flow = network(*images, known)
    assert flow.shape == (1, 2, 39, 53) and sum(asked) == 20
    assert flow[0, 0, :20].eq(3).all() and flow[0, 0, 20:].eq(2).all() and flow[0, 1].eq(0).all()


def test_what_repeats_others_is_not_chosen_and_tells_nothing() -> None:
    network, seen = fill(RefinedDIS()), torch.rand(1, 4, 5, 6, EVIDENCE, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([[1.0, 0.5, 0, 0.2, 0, 0]])
    with torch.no_grad():
        scores = network.scores(seen, shares)[:, 0]
        fewer = network.scores(seen[..., [0, 1, 3], :], shares[:, [0, 1, 3]])[:, 0]
    assert scores.shape == (1, 6, 4, 5) and scores[:, [2, 4, 5]].max() < -1e3
    torch.testing.assert_close(scores[:, [0, 1, 3]], fewer)


def test_the_order_of_the_candidates_does_not_matter() -> None:
    network, seen = fill(RefinedDIS()), torch.rand(1, 4, 5, 6, EVIDENCE, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        scores = network.scores(seen, torch.ones(1, 6))[:, 0]
        turned = network.scores(seen[..., order, :], torch.ones(1, 6))[:, 0]
    torch.testing.assert_close(scores[:, order], turned)
    assert scores.std(1).min() > 0


def test_the_choice_of_what_fits_is_learned() -> None:
    torch.manual_seed(0)
    network = RefinedDIS()
    optimiser, chance = torch.optim.Adam(network.parameters(), 1e-2), torch.Generator().manual_seed(0)
    known = candidates((0, 0), (4, 0), (-4, 0), size=(32, 40))
    lost = []
    for _ in range(40):
        picture = torch.rand(1, 3, 32, 40, generator=chance)
        right = 1 + int(torch.rand((), generator=chance) < 0.5)
        seen = evidence(picture, picture.roll(4 if right == 1 else -4, 3), known)
        lost.append(1 - network.scores(seen, known.shares)[:, 0].softmax(1)[:, right].mean())
        optimiser.zero_grad()
        lost[-1].backward()
        optimiser.step()
    with torch.no_grad():
        assert sum(lost[-5:]) < 0.5 * sum(lost[:5])


def test_the_weights_that_ship_see_what_is_hidden_and_what_is_lost(pair: tuple[Tensor, Tensor]) -> None:
    network = load_network("flow", None)
    true = torch.tensor([-3.0, 0.0]).view(2, 1, 1)
    plain, refined = ((flow(*pair)[0] - true).norm(dim=0) for flow in (DIS(whole=True), network))
    hidden = (slice(45, 115), slice(78, 108))  # what the second image shows behind the board
    assert refined[hidden].mean() < 0.3 * plain[hidden].mean() and refined[hidden].median() < 0.2
    assert refined[120:, 10:].mean() < 0.2
    one, two, there, truth = far()
    plain, refined = ((flow(one, two)[0] - truth).norm(dim=0)[there].mean() for flow in (DIS(whole=True), network))
    assert refined < 0.2 * plain


def test_the_weights_that_ship_are_better_on_what_does_not_move_affinely() -> None:
    left, right, disparity = data.stereo_motorcycle()
    one, two = (torch.from_numpy(np.ascontiguousarray(side.transpose(2, 0, 1)))[None] / 255 for side in (left, right))
    known = torch.from_numpy(np.isfinite(disparity))
    true = torch.stack([-torch.from_numpy(disparity), torch.zeros(disparity.shape)])
    plain, refined = (
        (flow(one, two)[0] - true).norm(dim=0)[known].mean() for flow in (DIS(), load_network("flow", None))
    )
    assert refined < 0.9 * plain


def test_without_any_motion_there_is_none() -> None:
    photo = torch.from_numpy(np.ascontiguousarray(data.chelsea().transpose(2, 0, 1)))[None].float() / 255
    assert load_network("flow", None)(photo, photo).abs().max() < 0.2


def test_pairs_of_a_batch_do_not_mix_and_sizes_are_any(pair: tuple[Tensor, Tensor]) -> None:
    network = fill(RefinedDIS())
    both = network(torch.cat(pair), torch.cat(pair[::-1]))
    assert (both[:1] == network(*pair)).float().mean() > 0.999  # where two scores are the same, rounding chooses
    assert (both[1:] == network(*pair[::-1])).float().mean() > 0.999
    for size in ((1, 1), (11, 12), (20, 100), (15, 1030)):
        images = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0))
        flow = network(*images)
        assert flow.shape == (1, 2, *size) and flow.dtype == torch.float32 and flow.isfinite().all()


def test_half_precision_chooses_nearly_the_same(pair: tuple[Tensor, Tensor]) -> None:
    network, known = load_network("flow", None), measured(*pair)
    whole, half = network(*pair, known), network.bfloat16()(*(image.bfloat16() for image in pair), known)
    assert half.dtype == torch.float32 and (half - whole).norm(dim=1).lt(0.5).float().mean() > 0.97


def test_every_parameter_learns() -> None:
    network, seen = (
        fill(RefinedDIS()),
        torch.rand(1, 4, 5, CANDIDATES, EVIDENCE, generator=torch.Generator().manual_seed(0)),
    )
    network.scores(seen, torch.ones(1, CANDIDATES)).softmax(2)[:, 0, 0].sum().backward()
    for name, parameter in network.named_parameters():
        if name != "score.bias":  # the same for all
            assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_errors_name_what_is_wrong(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"RefinedDIS: image2: expected shape \(1, 3, 160, 200\)"):
        RefinedDIS()(pair[0], pair[1][:, :, :50])
    with pytest.raises(TypeError, match="RefinedDIS: image1: expected a floating-point dtype"):
        RefinedDIS()(pair[0].byte(), pair[1])
