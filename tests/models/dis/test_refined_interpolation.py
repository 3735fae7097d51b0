"""Refined interpolation: what counts of what the ways of moving bring."""

from __future__ import annotations

import pytest
import torch
from filling import fill, largest, pair
from torch import Tensor

from photoflow.models.dis import DISInterpolation
from photoflow.models.dis.flow_candidates import measured
from photoflow.models.dis.frame_candidates import EVIDENCE, WAYS
from photoflow.models.dis.refined_interpolation import READINGS, RefinedInterpolation, shares_of, split
from photoflow.ops import backward_warp


def saying(network: RefinedInterpolation, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it say that one reading of one way is certain, or that none is."""

    def logits(seen: Tensor, shares: Tensor) -> Tensor:
        said = torch.zeros(len(seen), READINGS * WAYS + 1, *seen.shape[1:3])
        said[:, number] = 50
        return said

    monkeypatch.setattr(network, "logits", logits)


@pytest.mark.parametrize("reading", [0, 1, 2])
def test_the_frame_is_what_the_likely_reading_brings(reading: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = RefinedInterpolation(), pair(39, 53)
    known = measured(*images)
    saying(network, reading * WAYS + 1, monkeypatch)
    made = network(*images, 0.25, details=True, candidates=known)
    # The second way is that of the second image's flow.
    there0 = backward_warp(images[0], 0.25 * known.back, mode="bicubic", padding="border")
    there1 = backward_warp(images[1], -0.75 * known.back, mode="bicubic", padding="border")
    wanted = (0.75 * there0 + 0.25 * there1, there0, there1)[reading].clamp(0, 1)
    torch.testing.assert_close(made.frame, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.flow0, 0.25 * known.back)
    torch.testing.assert_close(made.flow1, -0.75 * known.back)
    torch.testing.assert_close(made.mask, torch.full((1, 1, 39, 53), (0.75, 1.0, 0.0)[reading]))


def test_where_none_is_right_dis_interpolation_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = RefinedInterpolation(), pair(38, 54)
    saying(network, READINGS * WAYS, monkeypatch)
    made = network(*images, 0.25, details=True)
    torch.testing.assert_close(made.frame, DISInterpolation()(*images, 0.25), atol=1e-5, rtol=0)
    assert made.flow0.isfinite().all() and made.mask.isfinite().all()


def test_what_is_likely_adds_up() -> None:
    likely, none = split(torch.randn(2, READINGS * 5 + 1, 4, 6, generator=torch.Generator().manual_seed(0)))
    assert likely.shape == (2, READINGS, 5, 4, 6) and none.shape == (2, 1, 4, 6)
    torch.testing.assert_close(likely.sum((1, 2)) + none[:, 0], torch.ones(2, 4, 6))


def test_shares_add_up_and_the_nearer_image_counts_more() -> None:
    likely = torch.rand(2, READINGS * 5, 4, 6, generator=torch.Generator().manual_seed(0)).softmax(1)
    likely = likely.unflatten(1, (READINGS, 5))
    share0, share1 = shares_of(likely, torch.tensor([0.0, 0.25]).view(2, 1, 1, 1))
    torch.testing.assert_close((share0 + share1).sum(1), torch.ones(2, 4, 6))
    torch.testing.assert_close(share1[0], likely[0, 2])
    torch.testing.assert_close(share0[1], likely[1, 1] + 0.75 * likely[1, 0])


def test_what_repeats_others_does_not_count() -> None:
    network = fill(RefinedInterpolation())
    seen = torch.rand(1, 4, 5, WAYS, EVIDENCE, generator=torch.Generator().manual_seed(0))
    shares = torch.ones(1, WAYS)
    shares[0, 6:] = 0
    with torch.no_grad():
        scores, fewer = network.scores(seen, shares), network.scores(seen[..., :6, :], shares[:, :6])
    assert scores.shape == (1, READINGS, WAYS, 4, 5) and scores[:, :, 6:].max() < -1e3
    torch.testing.assert_close(scores[:, :, :6], fewer)
    assert scores[:, :, :6].std((1, 2)).min() > 0


def test_ends_times_sizes_and_batches() -> None:
    network, images = fill(RefinedInterpolation()), pair(50, 71)
    known = measured(*images)
    assert torch.equal(network(*images, 0.3), network(*images, torch.tensor(0.3), candidates=known))
    both = network(*(torch.cat([one, one]) for one in images), torch.tensor([0.2, 0.7]))
    assert largest(both[:1] - network(*images, 0.2)) < 1e-3 and largest(both[1:] - network(*images, 0.7)) < 1e-3
    same = network(images[0], images[0], 0.4)
    assert largest(same - images[0]) < 1e-3
    for size in ((1, 1), (11, 12), (20, 100), (15, 1030)):
        frame = network(*torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0)), 0)
        assert frame.shape == (1, 3, *size) and frame.isfinite().all() and frame.min() >= 0 and frame.max() <= 1


def test_half_precision_makes_nearly_the_same() -> None:
    network, images = fill(RefinedInterpolation()), pair(50, 70)
    known = measured(*images)
    whole = network(*images, 0.5, details=True, candidates=known)
    half = network.bfloat16()(*(image.bfloat16() for image in images), 0.5, details=True, candidates=known)
    assert half.frame.dtype == torch.bfloat16 and half.flow0.dtype == torch.float32
    assert largest(half.frame.float() - whole.frame) < 0.1


def test_every_parameter_learns() -> None:
    network = fill(RefinedInterpolation())
    seen = torch.rand(1, 4, 5, WAYS, EVIDENCE, generator=torch.Generator().manual_seed(0))
    network.logits(seen, torch.ones(1, WAYS)).softmax(1)[:, 3].sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_errors_name_what_is_wrong() -> None:
    images, network = pair(30, 40), RefinedInterpolation()
    with pytest.raises(ValueError, match=r"RefinedInterpolation: img1: expected shape \(1, 3, 30, 40\)"):
        network(images[0], images[1][..., :-1])
    with pytest.raises(TypeError, match="RefinedInterpolation: img0: expected a floating-point dtype"):
        network(images[0].byte(), images[1])
    with pytest.raises(ValueError, match=r"RefinedInterpolation: t: expected a time from 0 to 1, got 1\.5"):
        network(*images, 1.5)
