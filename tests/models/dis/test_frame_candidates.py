"""How the pixels of a frame between two others may move, and what speaks for and against it."""

from __future__ import annotations

import pytest
import torch
from passing import PART, passing
from torch import Tensor

from photoflow.models.dis import DIS
from photoflow.models.dis.flow_candidates import Candidates, measured, reduction
from photoflow.models.dis.frame_candidates import (
    EVIDENCE,
    WAYS,
    Ways,
    _inverse,
    halves,
    way_evidence,
    way_planes,
    ways_at,
)
from photoflow.ops import backward_warp

# Where in the evidence what lies: eight misfits at the pixel, then in three sizes of surroundings, then all four beside
# the best; then the rest.
GRADIENT, OFF, TAKEN, MISFITS = 3, 4, 5, 8
LEVELS, BESIDE, INSIDE, SEEN, APART, SHARE, KIND = 4, 32, 64, 66, 68, 73, 74


STEP = 6


def at(time: float) -> Tensor:
    return torch.tensor(time).view(1, 1, 1, 1)


def level(*motion: float) -> Tensor:
    return torch.tensor(motion).float().view(2, 1, 1)


def evidence(img0: Tensor, img1: Tensor, time: Tensor, ways: Ways, known: Candidates) -> Tensor:
    return way_evidence(way_planes(img0, img1, time, ways, known), ways.shares)


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor, Candidates]:
    first, last = passing(0, STEP), passing(1, STEP)
    return first, last, measured(first, last)


def test_the_ways_are_the_flows_and_the_motions_in_them(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    motions, shares = ways_at(first, last, at(0.5), known)
    assert motions.shape == (1, WAYS, 2, 160, 240) and shares.shape == (1, WAYS)
    assert torch.equal(motions[:, 0], DIS(whole=True)(first, last)) and torch.equal(motions[:, 1], -known.back)
    assert (motions[0, 4] - level(-STEP, 0)).norm(dim=0).mean() < 0.3
    assert shares[0, :4].eq(1).all() and torch.equal(shares[0, 4:8], known.shares[0, 1:5])
    # What the part's own flow brings is at the part's place in the frame, 6 pixels further right.
    there = motions[0, :, :, 60:100, 86:126]
    brought = (there[2:4] - level(2 * STEP, 0)).norm(dim=1).mean((1, 2))
    assert brought.max() < 1 and brought.max() < (there[:2] - level(2 * STEP, 0)).norm(dim=1).mean((1, 2)).max()


def test_at_the_ends_what_is_brought_is_the_flow_itself(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    torch.testing.assert_close(ways_at(first, last, at(0), known).motions[:, 2], known.flows[:, 0])
    torch.testing.assert_close(ways_at(first, last, at(1), known).motions[:, 3], -known.back)


def test_affine_motions_are_those_of_the_pixels_at_the_time() -> None:
    turn = torch.tensor([[-0.1, -0.2], [0.15, 0.05]])
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(40.0), indexing="ij")
    flow = torch.einsum("ij,jhw->ihw", turn, torch.stack([x, y])) + level(3, -2)
    flows = torch.zeros(1, 12, 2, 30, 40)
    flows[0, 1] = flow
    shares = torch.zeros(1, 12)
    shares[0, :2] = 1
    ones = torch.ones(1, 1, 30, 40)
    known = Candidates(flows, shares, flows[:, 0], ones, ones)
    motions, real = ways_at(*torch.rand(2, 1, 3, 30, 40), at(0.3), known)
    # Where each pixel has come to by then, its motion is seen.
    there = backward_warp(torch.cat([motions[:, 4], torch.ones(1, 1, 30, 40)], 1), 0.3 * flow[None])
    inside = there[0, 2] > 0.999
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(there[0, :2, inside], flow[:, inside], atol=1e-4, rtol=0)
    wanted = torch.linalg.solve(torch.eye(2) + 0.3 * turn, torch.stack([x, y]).flatten(1) - 0.3 * level(3, -2)[..., 0])
    wanted = (turn @ wanted + level(3, -2)[..., 0]).unflatten(1, (30, 40))
    torch.testing.assert_close(motions[0, 4], wanted)
    assert real[0, 4] == 1 and not real[0, 5:].any() and torch.equal(motions[0, 5], flows[0, 0])
    torch.testing.assert_close(halves(motions[:, 4], at(0.3))[1] - halves(motions[:, 4], at(0.3))[0], motions[:, 4])


def test_what_is_right_fits_and_what_is_wrong_does_not(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    flows = torch.stack([level(-STEP, 0).expand(2, 160, 240), level(2 * STEP, 0).expand(2, 160, 240)])[None]
    ways = Ways(flows.repeat(1, 3, 1, 1, 1), torch.tensor([[1.0, 1, 1, 0, 0.25, 1]]))
    seen = evidence(first, last, at(0.5), ways, known)
    assert seen.shape == (1, 80, 120, 6, EVIDENCE) and seen.dtype == torch.float32
    assert seen.isfinite().all() and seen.abs().max() <= 1.001
    rows, columns = (slice(side.start // 2 + 4, side.stop // 2 - 4) for side in PART)
    part = seen[0, rows, columns.start + STEP // 2 : columns.stop + STEP // 2]  # where it is in the middle
    rest = seen[0, 62:78, 10:100]
    for kind in (*range(GRADIENT + 1), OFF, OFF + 2):
        for where in range(LEVELS):
            right, wrong = part[..., 1, MISFITS * where + kind].mean(), part[..., 0, MISFITS * where + kind].mean()
            assert right < 0.7 * wrong, (kind, where)
            right, wrong = rest[..., 0, MISFITS * where + kind].mean(), rest[..., 1, MISFITS * where + kind].mean()
            assert right < wrong, (kind, where)
    assert part[..., 0, TAKEN].mean() > 0.5 > 0.1 > part[..., 1, TAKEN].mean()
    assert part[..., 0, TAKEN + 2].mean() > 0.5 > 0.1 > part[..., 1, TAKEN + 2].mean()
    nothing = torch.zeros_like(known.sure)
    guessed = evidence(first, last, at(0.5), ways, Candidates(known.flows, known.shares, known.back, nothing, nothing))
    assert not guessed[..., [TAKEN, TAKEN + 2]].any() and torch.equal(guessed[..., OFF], seen[..., OFF])
    real = [0, 1, 2, 4, 5]
    torch.testing.assert_close(seen[0, ..., real, BESIDE : BESIDE + 32].amin(2), torch.zeros(80, 120, 32))
    assert rest[..., 0, BESIDE].mean() < 0.1 * rest[..., 1, BESIDE].mean()
    assert seen[..., 0, APART].max() == 0 and seen[..., 1, APART].min() > 0.8 and seen[..., 1, APART + 1].max() == 0
    assert torch.equal(seen[0, 3, 4, :, SHARE], ways.shares[0])
    assert seen[0, 3, 4, :, KIND : KIND + 5].argmax(1).tolist() == [0, 1, 2, 3, 4, 4]


def test_what_leaves_a_picture_is_told_and_not_compared(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    ways = Ways(level(200, 0).expand(1, 5, 2, 160, 240), torch.ones(1, 5))
    seen = evidence(first, last, at(0.25), ways, known)[0, :, :, 0]
    assert seen[:, 26:, INSIDE].min() == 1 and seen[:, :24, INSIDE].max() == 0  # comes from 50 pixels further left
    assert seen[:, :44, INSIDE + 1].min() == 1 and seen[:, 46:, INSIDE + 1].max() == 0
    outside = seen[:, :24]
    assert outside[..., [*range(GRADIENT + 1), OFF, TAKEN]].max() == 0
    assert 0 < seen[:, 24:26, SEEN].mean() < 1


def test_both_directions_of_time_are_alike(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    flows = known.flows.clone()
    flows[:, 0] = known.back
    turned = Candidates(flows, known.shares, known.flows[:, 0], known.sure_back, known.sure)
    ways = Ways(torch.stack([level(-STEP, 0), level(2 * STEP, 0)])[None].expand(1, 2, 2, 160, 240), torch.ones(1, 2))
    back = Ways(-ways.motions, ways.shares)
    ways, back = (Ways(one.motions.repeat(1, 3, 1, 1, 1), torch.ones(1, 6)) for one in (ways, back))
    forth = evidence(first, last, at(0.25), ways, known)
    again = evidence(last, first, at(0.75), back, turned)
    other = [0, 1, 2, 3, 6, 7, 4, 5]
    order = [MISFITS * where + kind for where in range(2 * LEVELS) for kind in other] + [
        INSIDE + 1, INSIDE, SEEN + 1, SEEN, *range(APART, EVIDENCE),
    ]  # fmt: skip
    torch.testing.assert_close(again[..., order], forth)


def test_pairs_of_a_batch_do_not_mix_and_large_pictures_are_reduced_more() -> None:
    one, other = torch.rand(2, 2, 3, 64, 1200, generator=torch.Generator().manual_seed(0))
    known = measured(one, other)
    time = torch.tensor([0.2, 0.7]).view(2, 1, 1, 1)
    assert reduction((64, 1200)) == 4
    both = evidence(one, other, time, ways_at(one, other, time, known), known)
    assert both.shape == (2, 16, 300, WAYS, EVIDENCE)
    for number in (0, 1):
        part = slice(number, number + 1)
        alone = Candidates(*(planes[part] for planes in known))
        ways = ways_at(one[part], other[part], time[part], alone)
        torch.testing.assert_close(
            both[part], evidence(one[part], other[part], time[part], ways, alone), atol=1e-4, rtol=1e-4
        )


def test_some_places_are_seen_as_among_all(pair: tuple[Tensor, Tensor, Candidates]) -> None:
    first, last, known = pair
    ways = ways_at(first, last, at(0.5), known)
    planes = way_planes(first, last, at(0.5), ways, known)
    everywhere = way_evidence(planes, ways.shares)
    some = planes.mapped(lambda one: one[:, :, 20:23, 7:])
    assert torch.equal(way_evidence(some, ways.shares), everywhere[:, 20:23, 7:])


def test_the_inverse_is_torchs_and_a_flat_matrix_has_one_too() -> None:
    whole = torch.randn(3, 5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flat = whole[..., :1] * whole[..., 1:].mT  # of rank 1
    for matrices in (whole, flat, torch.zeros_like(whole)):
        torch.testing.assert_close(_inverse(matrices), torch.linalg.pinv(matrices), rtol=1e-9, atol=1e-12)
