"""What is unknown is filled from ever wider surroundings."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from photoflow.models.push_pull import push_pull


@torch.no_grad()
def test_filling_keeps_what_is_known_and_reaches_everywhere() -> None:
    colours = torch.rand(1, 3, 37, 53)
    known = torch.zeros(1, 1, 37, 53)
    known[..., :5, :7] = 1
    result = push_pull(colours, known)
    assert_close(result[..., :5, :7], colours[..., :5, :7], atol=1e-4, rtol=0)
    low, high = colours[..., :5, :7].amin(), colours[..., :5, :7].amax()
    assert (result >= low - 1e-3).all() and (result <= high + 1e-3).all()
    plain = push_pull(torch.full((1, 3, 20, 20), 0.3), torch.eye(20)[None, None])
    assert_close(plain, torch.full_like(plain, 0.3), atol=1e-4, rtol=0)


@torch.no_grad()
def test_with_a_gain_near_pixels_decide_what_fills_a_narrow_hole() -> None:
    colours = torch.full((1, 1, 64, 64), 0.9)
    colours[..., 40:] = 0.1
    known = torch.ones(1, 1, 64, 64)
    known[..., 20:24] = 0
    known[..., :20] = known[..., 24:28] = 0.01  # as where moved pixels are hardly a source
    plain, near = (push_pull(colours, known, gain)[..., 21:23] for gain in (1.0, 2.0))
    assert (near - 0.9).abs().max() < 0.5 * (plain - 0.9).abs().max()
    assert_close(push_pull(colours, torch.ones_like(known), 2.0), colours, atol=1e-4, rtol=0)
