"""The pyramid generator: untrained it is a splat with filled holes; every part of it learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from photoflow.models import pyramid
from photoflow.models.networks import load_network
from photoflow.models.pyramid import PyramidConfig, PyramidGenerator, at_scale, motion_weight
from photoflow.weights.loading import WeightsError

TINY = PyramidConfig((4, 6, 8, 8, 8), (4, 6, 8, 8, 8))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> PyramidGenerator:
    """The small one with a few channels."""
    monkeypatch.setitem(pyramid.SIZES, "small", TINY)
    torch.manual_seed(0)
    return PyramidGenerator()


def stirred(network: PyramidGenerator) -> PyramidGenerator:
    """As after some training."""
    torch.nn.init.normal_(network.synthesis.last.weight, std=0.05)
    return network


def square_over_ramp(height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    """A ramp that stands still, and a square on it that moves by 12 pixels: image, flow."""
    ramp = torch.linspace(0.2, 0.6, width).expand(1, 3, height, width)
    mask = torch.zeros(1, 1, height, width)
    mask[..., 20:44, 30:54] = 1
    square = torch.tensor([0.9, 0.1, 0.4]).view(1, 3, 1, 1)
    return torch.where(mask > 0, square, ramp), 12.0 * torch.cat([mask, 0 * mask], 1)


@torch.no_grad()
def test_untrained_it_keeps_what_the_splat_has_right(tiny: PyramidGenerator) -> None:
    keeps_the_splat(tiny)


def keeps_the_splat(network: PyramidGenerator) -> None:
    image = torch.rand(1, 3, 41, 53)
    still = torch.zeros(1, 2, 41, 53)
    assert_close(network(image, still), image, atol=1e-6, rtol=0)
    moved = network(image, still + torch.tensor([5.0, -3.0]).view(2, 1, 1))
    assert_close(moved[..., :-3, 5:], image[..., 3:, :-5], atol=1e-6, rtol=0)
    assert moved.isfinite().all()


@torch.no_grad()
def test_untrained_it_fills_holes_from_what_stands_still(tiny: PyramidGenerator) -> None:
    frame = tiny(*square_over_ramp())
    ramp = torch.linspace(0.2, 0.6, 96)[30:42].expand(24, 12)
    assert (frame[0, :, 20:44, 30:42] - ramp).abs().max() < 0.15  # not from the square
    assert_close(
        frame[0, :, 22:42, 44:64], torch.tensor([0.9, 0.1, 0.4]).view(3, 1, 1).expand(3, 20, 20), atol=0.015, rtol=0
    )


@torch.no_grad()
def test_cracks_of_what_comes_nearer_show_nothing_of_what_lies_behind(tiny: PyramidGenerator) -> None:
    image, flow = torch.full((1, 3, 48, 96), 0.2), torch.zeros(1, 2, 48, 96)
    image[..., 30:50] = 0.9
    flow[:, 0, :, 30:50] = 10 + 0.3 * (torch.arange(20.0) - 10)  # it grows by 30 %, with a crack at each third pixel
    frame = tiny(image, flow)
    assert frame[0, :, 2:-2, 40:60].min() > 0.85


def test_sizes_have_the_parameters_they_say() -> None:
    small = PyramidGenerator()
    assert small.size == "small" and 1.4e6 < sum(planes.numel() for planes in small.parameters()) < 1.6e6
    with pytest.raises(ValueError, match="PyramidGenerator: size: expected one of small, paper, got 'large'"):
        PyramidGenerator("large")


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (45, 61), (33, 20)])
def test_any_size_and_batch(tiny: PyramidGenerator, size: tuple[int, int]) -> None:
    network = stirred(tiny)
    image, flow = torch.rand(2, 3, *size), 5 * torch.randn(2, 2, *size)
    frames = network(image, flow)
    assert frames.shape == image.shape and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1
    assert_close(frames[1:], network(image[1:], flow[1:]), atol=1e-5, rtol=1e-4)
    assert_close(frames, network(image.to(memory_format=torch.channels_last), flow), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_pixel_without_a_flow_is_not_thrown(tiny: PyramidGenerator) -> None:
    image, flow = square_over_ramp()
    image[..., 20:44, 29] = 0  # a dark rim at the square's left edge, which stands still
    lost = flow.clone()
    lost[..., 20:44, 29] = torch.nan
    lost[..., 0, 0] = torch.inf
    frames = [tiny(image, one) for one in (flow, lost)]
    assert frames[0][..., 20:44, 29].max() < 0.05
    assert (frames[1][..., 20:44, 29] - 0.31).abs().max() < 0.06 and frames[1].isfinite().all()
    nothing = tiny(image, torch.full_like(flow, torch.nan))
    assert nothing.isfinite().all()


@torch.no_grad()
def test_the_weight_decides_what_is_in_front(tiny: PyramidGenerator) -> None:
    image, flow = square_over_ramp()
    image[..., 60:64] = 1.0  # a post, onto which the square moves
    heavy_square, heavy_rest = torch.zeros_like(image[:, :1]), torch.ones_like(image[:, :1])
    heavy_square[..., 20:44, 30:54] = 1
    heavy_rest[..., 20:44, 30:54] = 0
    hidden, shown = (tiny(image, flow, 9 * weight)[0, 1, 22:42, 61:63] for weight in (heavy_square, heavy_rest))
    assert hidden.max() < 0.2 and shown.min() > 0.9  # green: 0.1 of the square, 1 of the post
    assert_close(tiny(image, flow)[0, 1, 22:42, 61:63], hidden, atol=0.05, rtol=0)  # what moves is in front


@torch.no_grad()
def test_the_weight_counts_at_every_scale(tiny: PyramidGenerator) -> None:
    image, flow = torch.rand(1, 3, 64, 96), torch.zeros(1, 2, 64, 96)
    flow[:, 0, :, 16:48] = 32.0  # onto the right half of what stands still
    orders = []
    for front in (16, 48):
        weight = torch.zeros(1, 1, 64, 96)
        weight[..., front : front + 32] = 1
        seen: list[Tensor] = []
        hook = tiny.synthesis.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.extend(inputs[0]))
        tiny(image, flow, weight)
        hook.remove()
        orders.append(seen)
    for level, (first, second) in enumerate(zip(*orders)):
        place = slice((48 >> level) + 1, (80 >> level) - 1) if level < 4 else slice(3, 5)
        assert (first[..., place] - second[..., place]).abs().max() > 0.1, level
        assert_close(first[..., : 16 >> level], second[..., : 16 >> level])


@torch.no_grad()
def test_every_scale_moves_as_far(tiny: PyramidGenerator) -> None:
    seen: list[Tensor] = []
    tiny.synthesis.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[0]))
    tiny(torch.rand(1, 3, 64, 96), torch.tensor([16.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 96))
    for level, planes in enumerate(seen):
        coverage, shift = planes[:, -1], 16 >> level
        assert planes.shape[2:] == (64 >> level, 96 >> level)
        assert coverage[..., :shift].max() == 0 and coverage[..., shift:].min() == 1, level


@torch.no_grad()
def test_what_is_added_around_the_photo_does_not_come_in(tiny: PyramidGenerator) -> None:
    photo = torch.rand(1, 3, 48, 66)  # padded to 80 columns, 7 of them to the right
    flow = torch.tensor([-6.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 48, 66)
    frame = tiny(photo, flow)
    assert_close(frame[..., :-6], photo[..., 6:], atol=1e-5, rtol=0)
    assert (frame[..., -6:] - photo[..., -1:]).abs().mean() > 0.1  # not the border's column, smeared


@torch.no_grad()
def test_weight_is_the_distance_from_what_most_does() -> None:
    _, flow = square_over_ramp()
    camera = flow + torch.tensor([-7.0, 4.0]).view(2, 1, 1)
    for seen in (flow, camera):
        assert_close(motion_weight(seen), flow[:, :1], atol=0.05, rtol=0)


def test_flows_of_smaller_scales_are_means_of_what_is_kept() -> None:
    flow, kept = torch.arange(16.0).view(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    kept[..., :2, :2] = 0
    kept[..., 3, 3] = 0
    smaller = at_scale(flow, kept, 2)
    expected = torch.tensor([[torch.nan, (2 + 3 + 6 + 7) / 4], [(8 + 9 + 12 + 13) / 4, (10 + 11 + 14) / 3]])
    assert_close(smaller[0, 0], expected, equal_nan=True)


def test_every_parameter_learns(tiny: PyramidGenerator) -> None:
    learns(tiny)


def test_the_one_of_the_paper() -> None:
    torch.manual_seed(0)
    network = PyramidGenerator("paper")
    assert 28.0e6 < sum(planes.numel() for planes in network.parameters()) < 28.5e6
    with torch.no_grad():
        keeps_the_splat(network.eval())
    learns(network.train())


def learns(network: PyramidGenerator) -> None:
    stirred(network)
    image, flow = square_over_ramp()
    (network(torch.cat([image, image.flip(3)]), torch.cat([flow, -flow])) - 0.5).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_first_step_is_towards_the_truth(tiny: PyramidGenerator) -> None:
    image, flow = square_over_ramp(32, 64)
    target = tiny(image, flow).detach()
    target[..., 20:32, 30:42] = 0.9  # what no splat knows comes to light
    optimiser = torch.optim.Adam(tiny.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = (tiny(image, flow) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_flow_and_weight_take_gradients(tiny: PyramidGenerator) -> None:
    image, flow = square_over_ramp(32, 64)
    flow[..., 0, 0] = torch.nan
    flow, weight = flow.requires_grad_(), torch.rand(1, 1, 32, 64, requires_grad=True)
    stirred(tiny)(image, flow, weight).square().mean().backward()
    for planes in (flow, weight):
        assert planes.grad is not None and planes.grad.isfinite().all() and planes.grad.abs().max() > 0


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(tiny: PyramidGenerator, dtype: torch.dtype) -> None:
    network = stirred(tiny)
    image, flow = square_over_ramp(32, 64)
    with torch.autocast("cpu", dtype):
        frame = network(image, flow)
    assert frame.dtype == torch.float32
    assert_close(frame, network(image, flow), atol=0.03, rtol=0)


def test_weights_from_a_file(tmp_path: Path) -> None:
    network = PyramidGenerator()
    save_file(network.state_dict(), tmp_path / "small.safetensors")
    again = load_network("pyramid", tmp_path / "small.safetensors")
    assert isinstance(again, PyramidGenerator) and not again.training
    assert_close(network.state_dict(), again.state_dict())
    save_file(network.encoder.state_dict(), tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match="another network's"):
        PyramidGenerator("small", tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match="pyramid: expected weights for it: pyramid=a file"):
        load_network("pyramid", None)


def test_bad_input_is_named(tiny: PyramidGenerator) -> None:
    image, flow = square_over_ramp(32, 48)
    with pytest.raises(ValueError, match=r"PyramidGenerator: flow: expected shape \(B, 2, H, W\)"):
        tiny(image, image)
    with pytest.raises(ValueError, match=r"PyramidGenerator: weight: expected shape \(B, 1, H, W\)"):
        tiny(image, flow, flow)
    with pytest.raises(ValueError, match=r"PyramidGenerator: image: expected shape \(B, 3, H, W\)"):
        tiny(flow, flow)
