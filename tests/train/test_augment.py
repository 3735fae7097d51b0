"""Changes to pairs and their flow: the flow still says where the first image's pixels are in the second."""

from __future__ import annotations

import pytest
import torch
from squares import smooth

from photoflow.ops import backward_warp
from photoflow.train import augment
from photoflow.train.augment import erased, jittered, placed


def pair(height: int = 60, width: int = 80) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A smooth picture, the same 4 pixels further right and 2 further up, and the flow."""
    picture = smooth(height, width, torch.Generator().manual_seed(3)).expand(6, -1, -1, -1).contiguous()
    flow = torch.tensor([4.0, -2.0])[:, None, None].expand(6, 2, height, width).contiguous()
    return picture, backward_warp(picture, -flow, padding="border"), flow


@pytest.mark.parametrize("mirrored", [(0.0, 0.0), (1.0, 0.0), (0.5, 0.5)])
def test_flow_follows_scale_stretch_and_mirror(mirrored: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "_MIRRORED", mirrored)
    image1, image2, flow = pair()
    weight = torch.ones(6, 1, 60, 80)
    for seed in range(3):
        chance = torch.Generator().manual_seed(seed)
        (first, second), moved, kept = placed([image1, image2], flow, weight, (40, 48), chance)
        assert first.shape == second.shape == (6, 3, 40, 48) and moved.shape == (6, 2, 40, 48)
        assert kept.min() == 1
        back = backward_warp(second, moved)
        assert (back - first)[:, :, 10:-10, 12:-12].abs().mean() < 0.01
        lengths = moved.abs().amax((2, 3)) / torch.tensor([4.0, 2.0])
        assert lengths.min() > 0.6 and lengths.max() < 1.9  # the zoom, 2^-0.4 to 2^0.7, as far as the part allows
        if mirrored == (1.0, 0.0):
            assert (moved[:, 0] < 0).all() and (moved[:, 1] < 0).all()


def test_a_part_of_the_whole_size_is_not_scaled_down() -> None:
    image1, image2, flow = pair()
    _, moved, _ = placed([image1, image2], flow, flow[:, :1], (60, 80), torch.Generator().manual_seed(0))
    assert (moved.abs().amax((2, 3)) / torch.tensor([4.0, 2.0])).min() >= 1 - 1e-5


def test_colours_change_alike_or_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    image, chance = pair()[0], torch.Generator().manual_seed(0)
    monkeypatch.setattr(augment, "_ASYMMETRIC", 0.0)
    first, second = jittered(image, image, chance)
    assert torch.equal(first, second) and first.min() >= 0 and first.max() <= 1
    assert (first - image).abs().mean() > 0.01
    monkeypatch.setattr(augment, "_ASYMMETRIC", 1.0)
    first, second = jittered(image, image, chance)
    assert (first - second).abs().mean((1, 2, 3)).min() > 0.001


def test_no_change_of_colour_is_none() -> None:
    image = pair()[0]
    assert torch.allclose(augment._recoloured(image, torch.zeros(6, 4)), image, atol=1e-6)
    grey = torch.full((1, 3, 4, 4), 0.5)  # a turn of the hue and the saturation leave grey as it is
    assert torch.allclose(augment._recoloured(grey, torch.tensor([[0.0, 0.0, 1.0, 1.0]])), grey, atol=1e-6)


def test_rectangles_get_the_mean_colour_in_half_of_the_images() -> None:
    image = smooth(60, 80, torch.Generator().manual_seed(1)).expand(40, -1, -1, -1)
    changed = (erased(image, torch.Generator().manual_seed(0)) != image).any(1)
    shares = changed.float().mean((1, 2))
    assert 10 <= (shares > 0).sum() <= 30
    assert shares.max() < 0.15
    assert torch.equal(erased(image, torch.Generator().manual_seed(0)), erased(image, torch.Generator().manual_seed(0)))


def test_the_same_draw_at_any_precision() -> None:
    image = pair()[0]
    plain = jittered(image, image, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        half = jittered(image, image, torch.Generator().manual_seed(0))
    assert torch.equal(plain[0], half[0]) and half[0].dtype == torch.float32
