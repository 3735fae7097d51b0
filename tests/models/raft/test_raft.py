"""RAFT: torchvision's flow from torchvision's weights, at any size, and all that a network is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.optical_flow import raft_large, raft_small

from photoflow.models.networks import load_network
from photoflow.models.raft import PRESETS, RAFT
from photoflow.models.raft.names import rename
from photoflow.models.raft.upsampling import bilinear_upsampling, convex_upsampling
from photoflow.weights.loading import WeightsError

THEIRS = {"small": raft_small, "large": raft_large}
MOVE = (5, -3)  # right, down


def images(height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Smooth pictures with details, and the same moved by `MOVE`."""
    generator = torch.Generator().manual_seed(0)
    coarse, fine = (torch.rand(batch, 3, height // n + 3, width // n + 3, generator=generator) for n in (16, 4))
    first = sum(F.interpolate(noise, (height, width), mode="bicubic") for noise in (coarse, fine))
    assert isinstance(first, Tensor)
    first = (first / 2).clamp(0, 1)
    return first, first.roll(MOVE[::-1], (2, 3))


def filled(network: nn.Module) -> nn.Module:
    """The network with seeded values, in its batch norms too; it finds flows of some pixels."""
    torch.manual_seed(1)
    for name, value in network.state_dict().items():
        if value.dim() == 4:
            nn.init.normal_(value, std=value[0].numel() ** -0.5)
        elif value.is_floating_point():
            nn.init.normal_(value, mean=float("running_var" in name or ".1.weight" in name), std=0.1)
    with torch.no_grad():
        network.get_parameter("update_block.flow_head.conv2.weight").mul_(0.5)
    return network.eval()


@pytest.fixture(scope="module", params=["small", "large"])
def pair(request: pytest.FixtureRequest) -> tuple[RAFT, nn.Module]:
    """Our network and torchvision's, with the same weights."""
    theirs = filled(THEIRS[request.param](weights=None))
    ours = RAFT(PRESETS[request.param])
    ours.load_state_dict(theirs.state_dict())
    return ours.eval(), theirs


@pytest.fixture(scope="module")
def small() -> RAFT:
    network = RAFT.small()
    filled(network)
    return network


def test_state_dict_is_torchvisions(pair: tuple[RAFT, nn.Module]) -> None:
    ours, theirs = ({name: value.shape for name, value in network.state_dict().items()} for network in pair)
    assert ours == theirs


@pytest.mark.parametrize(("height", "width"), [(128, 136), (137, 131), (90, 151)])
@torch.no_grad()
def test_flow_is_torchvisions(pair: tuple[RAFT, nn.Module], height: int, width: int) -> None:
    ours, theirs = pair
    first, second = images(height, width)
    bottom, right = (max(side + -side % 8, 128) - side for side in (height, width))
    margins = (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)
    padded = [F.pad(2 * image - 1, margins, mode="replicate") for image in (first, second)]
    expected = theirs(*padded, num_flow_updates=12)
    got = ours(first, second, updates=12, every_update=True)
    window = (..., slice(margins[2], margins[2] + height), slice(margins[0], margins[0] + width))
    assert len(got) == 12
    for mine, other in zip(got, expected):
        assert mine.shape == (1, 2, height, width) and mine.dtype == torch.float32
        assert (mine - other[window]).abs().mean() < 1e-3
    assert 1 < got[-1].abs().mean() < 100 and torch.isfinite(got[-1]).all()
    assert torch.equal(ours(first, second), got[-1])


def test_convex_upsampling_weighs_the_neighbours() -> None:
    flow = torch.randn(2, 2, 3, 4)
    logits = torch.full((2, 9, 8, 8, 3, 4), -1e4)
    logits[:, 4] = 0  # the cell itself everywhere ...
    logits[:, 4, 2, 5], logits[:, 3, 2, 5] = -1e4, 0  # ... but its left neighbour in row 2, column 5
    enlarged = convex_upsampling(flow, logits.reshape(2, 576, 3, 4))
    expected = 8 * flow.repeat_interleave(8, 2).repeat_interleave(8, 3)
    expected[:, :, 2::8, 5::8] = 8 * F.pad(flow, (1, 0))[..., :-1]
    torch.testing.assert_close(enlarged, expected)


def test_bilinear_upsampling_keeps_the_corners() -> None:
    flow = torch.randn(1, 2, 3, 4)
    enlarged = bilinear_upsampling(flow)
    assert enlarged.shape == (1, 2, 24, 32)
    torch.testing.assert_close(enlarged[..., ::23, ::31], 8 * flow[..., ::2, ::3])


@torch.no_grad()
def test_only_what_is_returned_is_enlarged() -> None:
    network = RAFT.large().eval()
    calls: list[int] = []
    assert network.mask_predictor is not None
    network.mask_predictor.register_forward_hook(lambda *_: calls.append(1))
    network(*images(128, 128), updates=3)
    assert len(calls) == 1
    assert len(network(*images(128, 128), updates=3, every_update=True)) == 3
    assert len(calls) == 4


@torch.no_grad()
def test_small_and_odd_sizes(small: RAFT) -> None:
    for size in ((1, 1), (20, 33), (131, 129)):
        flow = small(torch.rand(1, 3, *size), torch.rand(1, 3, *size), updates=2)
        assert flow.shape == (1, 2, *size) and torch.isfinite(flow).all() and flow.is_contiguous()


@torch.no_grad()
def test_a_part_of_a_larger_tensor(small: RAFT) -> None:
    wide = torch.rand(2, 5, 140, 150)
    first, second = wide[:, :3, :, 3:-3], wide[:, 2:, :, 3:-3]
    flow = small(first, second, updates=2)
    torch.testing.assert_close(flow, small(first.contiguous(), second.contiguous(), updates=2))


@torch.no_grad()
def test_images_of_a_batch_do_not_mix(pair: tuple[RAFT, nn.Module]) -> None:
    network = pair[0]
    first, second = images(128, 136, batch=2)
    together = network(first, second, updates=3)
    alone = torch.cat([network(first[i : i + 1], second[i : i + 1], updates=3) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_autocast(pair: tuple[RAFT, nn.Module]) -> None:
    network, pictures = pair[0], images(128, 128)
    expected = network(*pictures, updates=2)
    with torch.autocast("cpu", torch.bfloat16):
        flow = network(*pictures, updates=2)
    assert flow.dtype == torch.float32
    assert (flow - expected).abs().mean() < 0.05 * expected.abs().mean()


@torch.no_grad()
def test_autocast_to_float16(small: RAFT) -> None:
    expected = small(*images(128, 128), updates=1)
    with torch.autocast("cpu", torch.float16):
        flow = small(*images(128, 128), updates=1)
    assert flow.dtype == torch.float32
    assert (flow - expected).abs().mean() < 0.02 * expected.abs().mean()


@torch.no_grad()
def test_dtypes_of_the_weights(small: RAFT) -> None:
    expected = small(*images(128, 128), updates=2)
    for dtype, near in ((torch.float64, 1e-3), (torch.bfloat16, 0.1)):
        flow = deepcopy(small).to(dtype)(*images(128, 128), updates=2)
        assert flow.dtype == torch.float32
        assert (flow - expected).abs().mean() < near * expected.abs().mean()


@torch.no_grad()
def test_channels_last(pair: tuple[RAFT, nn.Module]) -> None:
    network, pictures = pair[0], images(128, 136)
    last = [image.to(memory_format=torch.channels_last) for image in pictures]
    got = deepcopy(network).to(memory_format=torch.channels_last)(*last, updates=3)
    torch.testing.assert_close(got, network(*pictures, updates=3), rtol=1e-3, atol=1e-3)


def test_compiles_without_a_graph_break(pair: tuple[RAFT, nn.Module]) -> None:
    network = pair[0]
    torch.compiler.reset()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    with torch.set_grad_enabled(network.config.convex):  # large as in training, small as in use
        flow, expected = (call(*images(133, 129), 1) for call in (compiled, network))
    torch.testing.assert_close(flow, expected)
    assert flow.requires_grad == network.config.convex


def test_learns_one_batch_and_gradients_reach_all(pair: tuple[RAFT, nn.Module]) -> None:
    torch.manual_seed(0)
    network = RAFT(pair[0].config)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-4)
    first, second = images(128, 128)
    truth = torch.tensor(MOVE, dtype=torch.float32).view(1, 2, 1, 1)
    losses = []
    for _ in range(5):
        flows = network(first, second, updates=2, every_update=True)
        loss = (flows[0] - truth).abs().mean() * 0.8 + (flows[1] - truth).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            assert parameter.dim() == 1 or parameter.grad.abs().max() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_a_gradient_stays_within_its_update(small: RAFT) -> None:
    flows = small(*images(128, 128), updates=2, every_update=True)
    head = small.update_block.flow_head.conv2.bias
    assert head is not None
    steps = [torch.autograd.grad(flow[:, 0].mean(), head, retain_graph=True)[0][0] for flow in flows]
    # Through its own step alone, each flow's mean moves by 8 for 1 of the bias (the state does not know the bias).
    torch.testing.assert_close(torch.stack(steps), torch.full((2,), 8.0))


# Our names and, for the same values, those of the paper's authors.
AUTHORS = (
    (r"feature_encoder\.", "fnet."),
    (r"context_encoder\.", "cnet."),
    (r"(layer\d\.\d)\.convnormrelu(\d)\.0", r"\1.conv\2"),
    (r"(layer\d\.\d)\.convnormrelu(\d)\.1", r"\1.norm\2"),
    (r"net\.convnormrelu\.0", "net.conv1"),
    (r"net\.convnormrelu\.1", "net.norm1"),
    (r"net\.conv\.", "net.conv2."),
    (r"motion_encoder\.convcorr(\d)\.0", r"encoder.convc\1"),
    (r"motion_encoder\.convflow(\d)\.0", r"encoder.convf\1"),
    (r"motion_encoder\.conv\.0", "encoder.conv"),
    (r"mask_predictor\.convrelu\.0", "update_block.mask.0"),
    (r"mask_predictor\.conv", "update_block.mask.2"),
    (r"recurrent_block\.convgru(\d)\.conv(.)", r"gru.conv\2\1"),
)


def authors_state(network: RAFT) -> dict[str, Tensor]:
    """A state dict with the names that the paper's authors use."""
    state: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        for ours, theirs in AUTHORS:
            name = re.sub(ours, theirs, name)
        if len(network.config.kernels) == 1:
            name = re.sub(r"gru\.conv(.)1", r"gru.conv\1", name)
        state[f"module.{name}"] = value
        if "downsample.1" in name:
            state[f"module.{name.replace('downsample.1', 'norm3')}"] = value
    return state


def test_the_authors_names_are_understood(pair: tuple[RAFT, nn.Module]) -> None:
    network = pair[0]
    theirs, expected = authors_state(network), network.state_dict()
    if network.config.convex:
        assert {"module.cnet.layer2.0.norm3.running_var", "module.update_block.gru.convq2.bias",
                "module.update_block.mask.2.weight", "module.fnet.layer3.1.conv2.weight"} < set(theirs)  # fmt: skip
    else:
        assert {"module.update_block.gru.convz.weight", "module.fnet.layer1.0.conv3.bias",
                "module.update_block.encoder.conv.weight", "module.cnet.conv2.weight"} < set(theirs)  # fmt: skip
    got = rename(theirs)
    assert got.keys() == expected.keys()
    assert all(got[name].data_ptr() == expected[name].data_ptr() for name in got)
    assert rename(expected) == expected


def test_weights_are_read_from_a_file(small: RAFT, tmp_path: Path) -> None:
    path = tmp_path / "raft.pth"
    for state in (small.state_dict(), authors_state(small)):
        torch.save(state, path)
        loaded = RAFT.small(weights=path).state_dict()
        assert all(torch.equal(value, loaded[name]) for name, value in small.state_dict().items())
    with pytest.raises(WeightsError) as caught:
        RAFT.large(weights=path)
    assert "\n" not in str(caught.value)


def test_the_variant_is_known_by_its_weights(pair: tuple[RAFT, nn.Module], tmp_path: Path) -> None:
    network, path = pair[0], tmp_path / "raft.pth"
    torch.save(authors_state(network), path)
    found = load_network("raft", path)
    assert found.config == network.config
    assert torch.equal(found.feature_encoder.conv.weight, network.feature_encoder.conv.weight)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="expected the weights of RAFT, got another network's"):
        load_network("raft", path)


GOOD = torch.rand(1, 3, 16, 16)
BAD: list[tuple[tuple[Any, ...], type[Exception], str]] = [
    ((GOOD[0], GOOD[0]), ValueError, r"RAFT: image1: expected shape \(B, 3, H, W\), not empty, got \(3, 16, 16\)"),
    ((GOOD[:, :1], GOOD), ValueError, r"image1: expected shape \(B, 3, H, W\), not empty, got \(1, 1, 16, 16\)"),
    ((GOOD[..., :0], GOOD), ValueError, r"image1: .* not empty, got \(1, 3, 16, 0\)"),
    ((GOOD, GOOD[..., 1:]), ValueError, r"image2: expected shape \(1, 3, 16, 16\), got \(1, 3, 16, 15\)"),
    ((GOOD.byte(), GOOD), TypeError, r"image1: expected a floating-point dtype, got torch.uint8"),
    ((GOOD, [1]), TypeError, r"image2: expected a tensor \(B, 3, H, W\), got list"),
    ((GOOD, GOOD, 0), ValueError, r"updates: expected an integer of at least 1, got 0"),
    ((GOOD, GOOD, 1.5), ValueError, r"updates: expected an integer of at least 1, got 1.5"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD, ids=range(len(BAD)))
def test_errors_name_what_is_wrong(
    small: RAFT, arguments: tuple[Any, ...], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        small(*arguments)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_does_not_grow_with_the_square_of_the_pixels(tmp_path: Path) -> None:
    code = """
import torch
from pathlib import Path
from photoflow.models.raft import RAFT

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

network, before = RAFT.small().eval(), peak()
with torch.no_grad():
    flow = network(torch.rand(1, 3, 720, 1280), torch.rand(1, 3, 720, 1280), updates=1)
assert flow.shape == (1, 2, 720, 1280)
print(peak() - before)
"""
    # From elsewhere: a source folder that is not built would be found before what is installed.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout) < 500  # MiB; the correlations of all pairs alone would take 1050
