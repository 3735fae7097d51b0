"""The splat generator: untrained it is a splat with filled holes, and it learns what a splat cannot know."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from photoflow.models.networks import load_network
from photoflow.models.splat_generator import SIZES, SplatGenerator, SplatMetric, background_motion
from photoflow.weights.loading import WeightsError


def square_over_ramp(height: int = 64, width: int = 96) -> tuple[Tensor, Tensor, Tensor]:
    """A ramp that stands still, and a square on it that moves by 12 pixels: image, mask, flow."""
    ramp = torch.linspace(0.2, 0.6, width).expand(1, 3, height, width)
    mask = torch.zeros(1, 1, height, width)
    mask[..., 20:44, 30:54] = 1
    return (
        torch.where(mask > 0, torch.tensor([0.9, 0.1, 0.4]).view(1, 3, 1, 1), ramp),
        mask,
        12.0 * torch.cat([mask, 0 * mask], 1),
    )


@torch.no_grad()
def test_untrained_it_is_a_splat_with_filled_holes() -> None:
    image, mask, flow = square_over_ramp()
    frame = SplatGenerator(8, 1)(image, mask, flow)
    expected = image.clone()
    expected[..., 20:44, 30:42] = torch.linspace(0.2, 0.6, 96)[30:42]  # the ramp that comes to light
    expected[..., 20:44, 42:66] = torch.tensor([0.9, 0.1, 0.4]).view(3, 1, 1)
    uncovered = torch.zeros_like(mask, dtype=torch.bool)
    uncovered[..., 20:44, 30:42] = True
    assert_close(frame[:, :, ~uncovered[0, 0]], expected[:, :, ~uncovered[0, 0]], atol=0.015, rtol=0)
    assert (frame - expected)[uncovered.expand_as(frame)].abs().max() < 0.15  # from the ramp, not from the square


@torch.no_grad()
def test_background_motion_is_that_of_the_larger_part() -> None:
    rows, columns = torch.meshgrid(torch.arange(70.0), torch.arange(90.0), indexing="ij")
    affine = torch.stack([0.02 * columns - 0.01 * rows + 3, 0.03 * rows - 5])[None]
    flow = affine.clone()
    flow[..., 10:40, 20:60] += torch.tensor([9.0, -7.0]).view(1, 2, 1, 1)  # a fifth of the picture
    assert_close(background_motion(flow), affine, atol=0.05, rtol=0)
    assert_close(background_motion(torch.zeros(2, 2, 16, 16)), torch.zeros(2, 2, 16, 16), atol=1e-4, rtol=0)


def test_learns_that_the_still_part_is_in_front() -> None:
    # What moves passes behind a post: the untrained order, larger motion in front, is wrong there.
    torch.manual_seed(0)
    height, width = 16, 48
    image = torch.full((1, 3, height, width), 0.2)
    image[..., 10:20] = torch.tensor([0.9, 0.3, 0.1]).view(3, 1, 1)
    image[..., 26:32] = torch.tensor([0.1, 0.9, 0.2]).view(3, 1, 1)  # the post
    mask = torch.zeros(1, 1, height, width)
    mask[..., 10:20] = 1
    flow = torch.cat([14 * mask, 0 * mask], 1)
    target = torch.full((1, 3, height, width), 0.2)
    target[..., 24:34] = torch.tensor([0.9, 0.3, 0.1]).view(3, 1, 1)
    target[..., 26:32] = torch.tensor([0.1, 0.9, 0.2]).view(3, 1, 1)
    network = SplatGenerator(4, 1)
    optimiser = torch.optim.Adam(network.metric.parameters(), 3e-3)
    losses = []
    for _ in range(45):
        loss = (network(image, mask, flow) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (45, 61), (33, 20)])
def test_any_size_and_batch(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = SplatGenerator(4, 1).eval()
    torch.nn.init.normal_(network.painter.last.weight, std=0.02)
    image, mask, flow = torch.rand(2, 3, *size), torch.rand(2, 1, *size), 5 * torch.randn(2, 2, *size)
    frames = network(image, mask, flow)
    assert frames.shape == image.shape and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1
    assert_close(frames[1:], network(image[1:], mask[1:], flow[1:]), atol=1e-5, rtol=1e-4)
    assert_close(frames, network(image.to(memory_format=torch.channels_last), mask, flow), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = SplatGenerator(4, 1).eval()
    torch.nn.init.normal_(network.painter.last.weight, std=0.02)
    image, mask, flow = square_over_ramp(32, 64)
    with torch.autocast("cpu", dtype):
        frame = network(image, mask, flow)
    assert frame.dtype == torch.float32
    assert_close(frame, network(image, mask, flow), atol=0.03, rtol=0)


def test_compiles_without_a_break() -> None:
    network = SplatGenerator(4, 1).eval()
    image, mask, flow = square_over_ramp(32, 48)
    with torch.no_grad():
        compiled = torch.compile(network, fullgraph=True, backend="eager")
        assert_close(compiled(image, mask, flow), network(image, mask, flow))


def test_weights_from_a_file(tmp_path: Path) -> None:
    network = SplatGenerator(4, 1)
    save_file(network.state_dict(), tmp_path / "splat.safetensors")
    again = SplatGenerator(4, 1, tmp_path / "splat.safetensors")
    for one, other in zip(network.state_dict().values(), again.state_dict().values()):
        assert_close(one, other)
    with pytest.raises(WeightsError, match="another network's"):
        SplatGenerator(8, 1, tmp_path / "splat.safetensors")


def test_bad_input_is_named() -> None:
    network = SplatGenerator(4, 1)
    image, mask, flow = square_over_ramp(32, 48)
    with pytest.raises(ValueError, match=r"SplatGenerator: flow: expected shape \(B, 2, H, W\)"):
        network(image, mask, mask)
    with pytest.raises(ValueError, match=r"SplatGenerator: image: expected shape \(B, 3, H, W\)"):
        network(mask, mask, flow)


@torch.no_grad()
def test_a_pixel_without_a_flow_is_not_thrown() -> None:
    image, mask, flow = square_over_ramp()
    image[..., 20:44, 29] = 0  # a dark rim at the square's left edge, which stands still
    lost = flow.clone()
    lost[..., 20:44, 29] = torch.nan
    frames = [SplatGenerator(8, 1)(image, mask, one) for one in (flow, lost)]
    assert frames[0][..., 20:44, 29].max() < 0.05
    assert (frames[1][..., 20:44, 29] - 0.31).abs().max() < 0.06 and frames[1].isfinite().all()


@torch.no_grad()
def test_what_is_added_around_the_photo_does_not_come_in() -> None:
    """All moves 6 pixels to the left; what comes to light at the right is the same, whether 64 wide or padded to 80."""
    torch.manual_seed(0)
    network, photo = SplatGenerator(4, 1), torch.rand(1, 3, 48, 66)
    edges = []
    for image in (photo[..., 2:], photo):
        flow = torch.zeros(1, 2, *image.shape[2:])
        flow[:, 0] = -6
        frame = network(image, torch.ones_like(image[:, :1]), flow)
        assert_close(frame[..., :-6], image[..., 6:], atol=0.02, rtol=0)
        edges.append(frame[..., -6:])
    last = photo[..., -1:].expand(-1, -1, -1, 6)
    assert (edges[1] - last).abs().mean() > 0.1  # not the border's column, smeared
    assert_close(edges[0], edges[1], atol=0.2, rtol=0)


@torch.no_grad()
def test_what_is_not_trusted_gives_way_and_is_filled() -> None:
    image, mask, flow = square_over_ramp()
    metric = SplatMetric()
    fronts = []
    for logit in (5.0, -5.0):
        metric.last.bias[2] = logit
        front, _, trust = metric(image, mask, flow)
        assert_close(trust, torch.full_like(trust, logit).sigmoid())
        fronts.append(front)
    assert_close(fronts[0] - fronts[1], torch.full_like(mask, 5.0), atol=1e-3, rtol=0)

    network = SplatGenerator(8, 1)
    image[..., 20:44, 29] = 0  # a dark rim at the square's left edge, which stands still
    doubt = torch.ones_like(mask)
    doubt[..., 20:44, 29] = 0
    network.metric.register_forward_hook(lambda _, __, planes: (*planes[:2], doubt))
    assert (network(image, mask, flow)[..., 20:44, 29] - 0.31).abs().max() < 0.06


def test_damaged_weights_are_named_as_those_of_the_network_they_fit_best(tmp_path: Path) -> None:
    state = SplatGenerator(**SIZES["small"]).state_dict()
    state["metric.last.bias"] = torch.zeros(2)
    save_file(state, tmp_path / "splat.safetensors")
    with pytest.raises(WeightsError, match=r"metric\.last\.bias"):
        load_network("gan", tmp_path / "splat.safetensors")
