"""What the flow of each pixel may be, and what speaks for and against it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from far_motion import far
from skimage import data
from torch import Tensor

from photoflow.models.dis.dis import DIS, consistent
from photoflow.models.dis.flow_candidates import (
    CANDIDATES,
    EVIDENCE,
    MISSED,
    MOTIONS,
    Candidates,
    evidence,
    measured,
    reduction,
)

# Where in the evidence what lies: six misfits at the pixel, near, far, near and far beside the best; then the rest.
COLOUR, GRADIENT, BACK, TAKEN = 0, 2, 3, 5
NEAR, FAR, BESIDE_NEAR, BESIDE_FAR = 6, 12, 18, 24
INSIDE, SURE, AGREES, AGREES_FAR, TO_DIS, SHARE, KIND = 30, 32, 34, 35, 36, 38, 39


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A photograph, and the same with a part moved 12 pixels right and all else 3 left."""
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)))[None].float() / 255
    one, two = photo[:, :, 50:210, 100:300].clone(), photo[:, :, 50:210, 103:303].clone()
    part = photo[:, :, 300:360, 300:370]
    one[:, :, 40:100, 50:120], two[:, :, 40:100, 62:132] = part, part
    return one, two


def level(*motion: float) -> Tensor:
    return torch.tensor(motion).float().view(2, 1, 1)


def test_the_candidates_are_dis_and_the_motions_in_it(pair: tuple[Tensor, Tensor]) -> None:
    flows, shares, back, sure, sure_back = measured(*pair)
    assert flows.shape == (1, CANDIDATES, 2, 160, 200) and shares.shape == (1, CANDIDATES)
    assert torch.equal(flows[:, 0], DIS(whole=True)(*pair)) and torch.equal(back, DIS(whole=True)(*reversed(pair)))
    assert torch.equal(sure > 0, consistent(flows[:, 0], back)) and torch.equal(
        sure_back > 0, consistent(back, flows[:, 0])
    )
    assert (flows[0, 1] - level(-3, 0)).norm(dim=0).mean() < 0.3
    assert (flows[0, 2] - level(12, 0)).norm(dim=0)[40:100, 50:120].mean() < 0.5
    assert 0.5 < shares[0, 1] <= 1 and shares[0, 0] == 1


def test_where_there_are_fewer_motions_the_first_is_repeated() -> None:
    photo = torch.from_numpy(np.ascontiguousarray(data.chelsea().transpose(2, 0, 1)))[None].float() / 255
    flows, shares, *_ = measured(photo[:, :, 50:210, 100:300], photo[:, :, 50:210, 103:303])
    repeated = shares[0] == 0
    assert repeated.any() and all(torch.equal(flow, flows[0, 1]) for flow in flows[0][repeated])
    noise = torch.rand(2, 1, 3, 12, 15, generator=torch.Generator().manual_seed(0))
    flows, shares, *_ = measured(*noise)
    assert not shares[0, 1:].any() and all(torch.equal(flow, flows[0, 0]) for flow in flows[0])


def test_what_dis_has_lost_is_among_the_candidates() -> None:
    one, two, there, truth = far()
    flows, shares, *_ = measured(one, two)
    off = (flows[0] - truth).norm(dim=1)[:, there].mean(1)
    first = 1 + MOTIONS
    assert off[:first].min() > 5 and off[first] < 1 and shares[0, first] > 0


def test_what_is_right_fits_and_what_is_wrong_does_not(pair: tuple[Tensor, Tensor]) -> None:
    known = measured(*pair)
    seen = evidence(*pair, known)
    assert seen.shape == (1, 80, 100, CANDIDATES, EVIDENCE) and seen.dtype == torch.float32
    assert seen.isfinite().all() and seen.abs().max() <= 1.5
    part, rest = seen[0, 25:45, 30:55], seen[0, 60:75, 10:90]  # of half the size
    for kind in (COLOUR, GRADIENT, BACK):
        for where in (0, NEAR, FAR):
            right, wrong = part[..., 2, where + kind].mean(), part[..., 1, where + kind].mean()
            assert right < 0.5 * wrong, (kind, where)
            assert rest[..., 1, where + kind].mean() < rest[..., 2, where + kind].mean(), (kind, where)
    assert part[..., 1, TAKEN].mean() > 0.5 > 0.1 > part[..., 2, TAKEN].mean()
    assert part[..., 2, BESIDE_FAR + COLOUR].mean() < 0.02 < part[..., 1, BESIDE_FAR + COLOUR].mean()
    real = known.shares[0] > 0
    for beside in (BESIDE_NEAR, BESIDE_FAR):
        torch.testing.assert_close(seen[0, ..., real, beside : beside + 6].amin(2), torch.zeros(80, 100, 6))
    assert (
        part[..., 2, AGREES].mean() > 0.95 and part[..., 2, AGREES_FAR].mean() > 0.8 > part[..., 1, AGREES_FAR].mean()
    )
    assert rest[..., 1, AGREES_FAR].mean() > 0.95 and rest[..., SURE].mean() > 0.9
    assert part[..., 0, TO_DIS].max() == 0 and part[..., 1, TO_DIS].mean() > 0.9
    assert torch.equal(seen[0, 3, 4, :, SHARE], known.shares[0])
    kinds = seen[0, 3, 4, :, KIND:].argmax(1).tolist()
    assert kinds == [0, 1] + [2] * (MOTIONS - 1) + [3] * MISSED and seen[..., KIND:].sum(4).eq(1).all()


def test_what_leaves_the_picture_is_not_inside_and_not_compared(pair: tuple[Tensor, Tensor]) -> None:
    flows = torch.stack([level(0, 0).expand(2, 160, 200), level(150, 0).expand(2, 160, 200)])[None]
    ones = torch.ones(1, 1, 160, 200)
    known = Candidates(flows, torch.ones(1, 2), flows[:, 0], ones, ones)
    seen = evidence(pair[0], pair[0], known)[0]
    assert (
        seen[:, :, 0, INSIDE].min() == 1 and seen[:, :24, 1, INSIDE].min() == 1 and seen[:, 26:, 1, INSIDE].max() == 0
    )
    assert seen[:, 26:, 1, BACK].max() == 0 and seen[:, 26:, 1, TAKEN].max() == 0
    assert seen[:, :24, 1, TAKEN].min() == 1  # every place is surely another's: the flow back is 150 pixels off


def test_pairs_of_a_batch_do_not_mix(pair: tuple[Tensor, Tensor]) -> None:
    images = torch.cat(pair), torch.cat(pair[::-1])
    both = evidence(*images, measured(*images))
    for number, one in enumerate((pair, pair[::-1])):
        torch.testing.assert_close(both[number : number + 1], evidence(*one, measured(*one)))


def test_large_pictures_are_reduced_more() -> None:
    assert [reduction(size) for size in ((384, 512), (1024, 60), (1025, 60), (1080, 1920), (2160, 3840))] == [
        2,
        2,
        4,
        4,
        8,
    ]
    images = torch.rand(2, 1, 3, 64, 1200, generator=torch.Generator().manual_seed(0))
    assert evidence(*images, measured(*images)).shape == (1, 16, 300, CANDIDATES, EVIDENCE)
