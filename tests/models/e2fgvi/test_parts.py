"""The parts of E²FGVI: deformable convolution, propagation, flow, windows, and the discriminator of clips."""

from __future__ import annotations

import pytest
import torch
from filling import fill, largest, waves
from torch.nn import functional
from torchvision.ops import deform_conv2d

from photoflow.models.e2fgvi.deformable import deformable_convolution
from photoflow.models.e2fgvi.discriminator import ClipDiscriminator
from photoflow.models.e2fgvi.propagation import Propagation
from photoflow.models.e2fgvi.spynet import SPyNet
from photoflow.models.e2fgvi.transformer import FocalBlock, from_windows, in_windows


def test_deformable_convolution_and_its_gradients_are_torchvisions() -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, 8, 7, 9), (2, 18 * 4, 7, 9), (2, 9 * 4, 7, 9), (6, 8, 3, 3), (6,))
    drawn = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
    drawn[1] *= 3  # some lie outside
    features, offsets, shares, weight, bias = ours = [one.requires_grad_() for one in drawn]
    out = deformable_convolution(*ours)
    wanted = deform_conv2d(features, offsets, weight, bias, padding=1, mask=shares)
    assert largest(out - wanted) < 1e-10
    towards = torch.randn(out.shape, generator=draw, dtype=torch.float64)
    for got, expected in zip(torch.autograd.grad(out, ours, towards), torch.autograd.grad(wanted, ours, towards)):
        assert largest(got - expected) < 1e-10


def moving(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features that move by (2, 1) from frame to frame, and the flows that say so."""
    first = waves(24, 30).repeat(1, 3, 1, 1)[:, :8]
    features = torch.stack([first.roll((t, 2 * t), (2, 3)) for t in range(count)], 1)
    there = torch.tensor([2.0, 1.0]).view(1, 1, 2, 1, 1).expand(1, count - 1, 2, 24, 30)
    return features, there, -there


def carrying(published_order: bool = False) -> Propagation:
    """A propagation that carries the nearer frame's features along the flow, and adds nothing to them."""
    propagation = Propagation(8, 2, published_order)
    with torch.no_grad():
        for way in ("backward_", "forward_"):
            align = propagation.deform_align[way]
            align.weight.zero_()
            align.weight[:, :8, 1, 1] = 2 * torch.eye(8)  # the shares are a half
            propagation.backbone[way][2].weight.zero_()
            propagation.backbone[way][2].bias.zero_()
        # The first frame of a pass has nothing carried to it: its own features are what is carried on.
        propagation.fusion.bias.zero_()
    return propagation


def test_features_are_carried_along_the_flow() -> None:
    features, there, back = moving(3)
    propagation = carrying()
    with torch.no_grad():
        for way in ("backward_", "forward_"):  # what is merged: the frame's own features, where they are above 0
            first, _, last = propagation.backbone[way]
            first.weight.zero_()
            first.bias.zero_()
            first.weight[:, :8, 1, 1] = torch.eye(8)
            last.weight[:, :, 1, 1] = torch.eye(8)
        propagation.fusion.weight.zero_()
        propagation.fusion.weight[:, :8, 0, 0] = torch.eye(8)
        later = propagation(features, there, back) - features
        propagation.fusion.weight.copy_(propagation.fusion.weight.roll(8, 1))
        earlier = propagation(features, there, back) - features
    inside = (..., slice(4, -4), slice(6, -6))
    # Each frame adds its own to what is carried to it, which, along the right flow, is the same again.
    for count, frame in ((3, 0), (2, 1), (1, 2)):
        assert largest((later[:, frame] - count * features[:, frame])[inside]) < 1e-4
        assert largest((earlier[:, 2 - frame] - count * features[:, 2 - frame])[inside]) < 1e-4


def test_the_published_order_takes_the_flows_of_other_frames() -> None:
    features, there, back = moving(4)
    ours, theirs = fill(carrying(False)), fill(carrying(True))
    with torch.no_grad():
        assert largest(ours(features, there, back) - theirs(features, there, back)) == 0  # all flows are alike
        there = there * torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1, 1)
        assert largest(ours(features, there, back) - theirs(features, there, back)) > 1e-2
        turned = theirs(features, there.flip(1), back)
    assert largest(ours(features, there, back) - turned) == 0


@pytest.mark.parametrize(("height", "width"), [(32, 48), (30, 43)])
def test_a_flow_at_the_coarsest_level_arrives_in_full(height: int, width: int) -> None:
    network = SPyNet((4,), levels=3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.basic_module[0].basic_module[1].conv.bias.copy_(torch.tensor([0.5, -1.0]))
        flow = network(waves(height, width), waves(height, width))
    # Of the size that is a multiple of 4, (32, 44) at the most.
    wanted = torch.tensor([2 * width / (-(-width // 4) * 4), -4 * height / 32]).view(1, 2, 1, 1)
    assert flow.shape == (1, 2, height, width) and largest(flow - wanted) < 1e-5


def test_each_level_sees_the_second_image_moved_by_the_flow_so_far() -> None:
    network = SPyNet((4,), levels=2)
    seen = []
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.basic_module[0].basic_module[1].conv.bias.copy_(torch.tensor([1.0, 2.0]))
        network.basic_module[1].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        first = waves(32, 48)
        network(first, first.roll((4, 2), (2, 3)))
    inside = (..., slice(6, -6), slice(6, -6))
    assert largest((seen[0][:, :3] - seen[0][:, 3:6])[inside]) < 1e-4
    assert largest(seen[0][:, 6] - 2) < 1e-5 and largest(seen[0][:, 7] - 4) < 1e-5


def test_windows_come_back() -> None:
    tokens = torch.arange(2 * 3 * 10 * 18 * 4).float().view(2, 3, 10, 18, 4)
    windows = in_windows(tokens, (5, 9))
    assert windows.shape == (2, 4, 3, 45, 4)
    assert torch.equal(windows[1, 1, 2].view(5, 9, 4), tokens[1, 2, :5, 9:])
    assert torch.equal(from_windows(windows, (5, 9), 10, 18), tokens)


def test_a_window_sees_what_half_a_window_around_it_holds_and_all_windows_near() -> None:
    attention = FocalBlock(8, 2, 49, (5, 9)).attn
    seen = attention.seen_finely(20, 36)
    assert seen.shape == (16, 45 + 120)
    window = 5  # of four by four: the second from the left in the second row
    rows, columns = seen[window] // 36, seen[window] % 36
    assert set(zip(rows.tolist(), columns.tolist())) == {(y, x) for y in range(3, 12) for x in range(5, 22)}
    twice = torch.bincount(seen[window]) == 2
    assert int(twice.sum()) == 12  # next to the window's edges, in the middle of them
    assert set((seen[0] // 36).tolist()) == {*range(7), 18, 19}  # around the border
    numbers, within = attention.seen_coarsely(20, 36)
    assert numbers.shape == within.shape == (16, 45)
    # Two rows of windows above and two below, and all columns.
    for window, known in ((0, range(12)), (5, range(16)), (15, range(4, 16))):
        assert set(numbers[window][within[window]].tolist()) == set(known)


def test_attention_ends_where_nothing_is_seen() -> None:
    torch.manual_seed(0)
    block = FocalBlock(8, 2, 49, (5, 9)).eval()
    tokens = torch.randn(1, 1, 30, 9, 8)
    other = tokens.clone()
    other[:, :, 22] += 3  # three windows below the first: seen neither around it, nor among the five in its middle
    places = block.places((90, 27), torch.device("cpu"))
    with torch.no_grad():
        both = [block.attn(one, block.pool_layers[0](in_windows(one, (5, 9)).transpose(3, 4)).squeeze(4), places)
                for one in (tokens, other)]  # fmt: skip
    moved = (both[0] - both[1]).abs().amax((0, 1, 3, 4))
    assert (moved[:10] == 0).all() and (moved[10:] > 0).all()


def test_the_discriminator_scores_patches_and_keeps_clips_apart() -> None:
    torch.manual_seed(0)
    critic = ClipDiscriminator(8)
    clips = torch.randn(2, 4, 3, 64, 96)
    for _ in range(20):  # each look in training brings the norms nearer
        scores = critic(clips)
    assert scores.shape == (2, 32, 4, 1, 2)
    critic.eval()
    assert largest(critic(clips[1:]) - critic(clips)[1:]) < 1e-5
    for layer in critic.conv[:-1:2]:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert float(norm.detach()) == pytest.approx(1, abs=0.05)


def test_the_discriminator_sees_other_frames() -> None:
    torch.manual_seed(0)
    critic = ClipDiscriminator(8).eval()
    clips = torch.randn(1, 3, 3, 64, 64, requires_grad=True)
    critic(clips)[:, :, 0].sum().backward()
    assert functional.adaptive_avg_pool3d(clips.grad.abs().transpose(1, 2), (3, 1, 1)).min() > 0
