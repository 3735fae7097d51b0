"""The flow-guided generator: its layers are the paper's, and it runs and learns as a network should."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from photoflow.models.generator import FLOW_UNIT, FlowGuidedGenerator
from photoflow.ops import backward_warp
from photoflow.weights.loading import WeightsError

NAMES = ("image", "mask", "flow", "warped", "occlusion")


def scene(height: int, width: int, batch: int = 1) -> dict[str, Tensor]:
    """A picture, the middle of which moves."""
    image = torch.rand(batch, 3, height, width)
    mask = torch.zeros(batch, 1, height, width)
    mask[..., height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None] = 1
    flow = mask * torch.tensor([6.0, -3.0]).view(1, 2, 1, 1)
    values = (image, mask, flow, backward_warp(image, -flow), (1 - mask) * torch.rand_like(mask))
    return dict(zip(NAMES, values))


@pytest.fixture(scope="module")
def generator() -> FlowGuidedGenerator:
    torch.manual_seed(0)
    return FlowGuidedGenerator().eval()


# layer, shape for 48 by 64 pixels, parameters
LAYERS = [
    ("encoder.0", (64, 48, 64), 31_360),
    ("encoder.1", (128, 24, 32), 73_728),
    ("encoder.2", (256, 12, 16), 294_912),
    ("attention", (256, 12, 16), 594_944),
    *((f"blocks.{number}", (256, 12, 16), 1_179_648) for number in range(6)),
    ("decoder.0", (128, 24, 32), 294_912),
    ("decoder.1", (64, 48, 64), 73_728),
    ("decoder.2", (3, 48, 64), 9_411),
    ("decoder.3", (3, 48, 64), 0),
]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def test_layers_are_the_papers(generator: FlowGuidedGenerator) -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    hooks = [
        generator.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: shapes.update({name: tuple(out.shape)})
        )
        for name, _, _ in LAYERS
    ]
    generator(**scene(48, 64, batch=2))
    for hook in hooks:
        hook.remove()
    got = [(name, shapes[name][1:], count(generator.get_submodule(name))) for name, _, _ in LAYERS]
    assert got == LAYERS and all(shape[0] == 2 for shape in shapes.values())
    assert count(generator) == sum(parameters for _, _, parameters in LAYERS) == 8_450_883


def test_kinds_of_layers(generator: FlowGuidedGenerator) -> None:
    kinds = [type(module).__name__ for module in generator.encoder.modules()]
    assert kinds.count("Conv2d") == kinds.count("InstanceNorm") == kinds.count("ReLU") == 3
    kinds = [type(module).__name__ for module in generator.decoder.modules()]
    assert kinds.count("ConvTranspose2d") == kinds.count("InstanceNorm") == kinds.count("ReLU") == 2
    convolutions = [module for module in generator.modules() if isinstance(module, nn.Conv2d)]
    assert [c.padding_mode for c in convolutions if c.kernel_size == (7, 7)] == ["reflect", "reflect"]
    assert convolutions[0].in_channels == 10
    assert not any(isinstance(module, nn.BatchNorm2d) for module in generator.modules())


@torch.no_grad()
def test_every_input_matters_and_colours_stay_in_range(generator: FlowGuidedGenerator) -> None:
    given = scene(32, 40)
    drawn = generator(**given)
    assert drawn.shape == (1, 3, 32, 40) and drawn.dtype == torch.float32
    assert drawn.min() >= 0 and drawn.max() <= 1 and drawn.std() > 0.01
    for name in NAMES:
        other = {**given, name: torch.rand_like(given[name])}
        assert (generator(**other) - drawn).abs().mean() > 1e-4, name


@torch.no_grad()
def test_conventions_of_ranges_and_units(generator: FlowGuidedGenerator) -> None:
    given = scene(32, 40)
    seen: dict[str, tuple[Tensor, ...]] = {}
    hooks = [
        generator.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs})
        )
        for name in ("encoder", "attention")
    ]
    generator(**given)
    for hook in hooks:
        hook.remove()
    image, mask, flow, warped, occlusion = seen["encoder"][0].split([3, 1, 2, 3, 1], 1)
    assert_close(image, 2 * given["image"] - 1)
    assert_close(warped, 2 * given["warped"] - 1)
    assert_close(torch.cat([mask, occlusion]), torch.cat([given["mask"], given["occlusion"]]))
    assert_close(flow, given["flow"] / FLOW_UNIT)
    assert_close(seen["attention"][1] / 4, flow)  # what the attention's resizing to a quarter makes of it


@torch.no_grad()
def test_any_size(generator: FlowGuidedGenerator) -> None:
    for size in ((1, 1), (3, 17), (31, 45), (33, 30)):
        drawn = generator(**scene(*size))
        assert drawn.shape == (1, 3, *size) and torch.isfinite(drawn).all() and drawn.is_contiguous()


@torch.no_grad()
def test_images_of_a_batch_do_not_mix(generator: FlowGuidedGenerator) -> None:
    given = scene(24, 28, batch=3)
    alone = [generator(**{name: value[i : i + 1] for name, value in given.items()}) for i in range(3)]
    assert_close(generator(**given), torch.cat(alone), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_autocast_and_dtypes(generator: FlowGuidedGenerator) -> None:
    given = scene(32, 40)
    expected = generator(**given)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            drawn = generator(**given)
        assert drawn.dtype == dtype and (drawn - expected).abs().mean() < 0.02
    for dtype, near in ((torch.bfloat16, 0.02), (torch.float64, 1e-5)):
        drawn = deepcopy(generator).to(dtype)(**given)
        assert drawn.dtype == dtype and (drawn - expected).abs().mean() < near


@torch.no_grad()
def test_channels_last(generator: FlowGuidedGenerator) -> None:
    given = scene(32, 40)
    last = {name: value.to(memory_format=torch.channels_last) for name, value in given.items()}
    got = deepcopy(generator).to(memory_format=torch.channels_last)(**last)
    assert_close(got, generator(**given), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_compiles_without_a_graph_break(generator: FlowGuidedGenerator) -> None:
    compiled = torch.compile(generator, fullgraph=True, backend="eager")
    given = scene(29, 31)
    assert_close(compiled(**given), generator(**given))


def test_learns_one_batch_and_gradients_reach_all() -> None:
    network = FlowGuidedGenerator()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    given = scene(32, 32, batch=2)
    losses = []
    for _ in range(8):
        loss = (network(**given) - given["warped"]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_weights_are_read_from_a_file(generator: FlowGuidedGenerator, tmp_path: Path) -> None:
    path = tmp_path / "generator.pth"
    torch.save(generator.state_dict(), path)
    given = scene(16, 16)
    assert torch.equal(FlowGuidedGenerator(path).eval()(**given), generator(**given))
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError) as caught:
        FlowGuidedGenerator(path)
    assert "\n" not in str(caught.value)


GOOD = scene(16, 16)
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"image": GOOD["image"][0]}, ValueError, r"image: expected shape \(B, 3, H, W\), not empty, got \(3, 16, 16\)"),
    ({"mask": GOOD["image"]}, ValueError, r"mask: expected shape \(B, 1, H, W\), not empty, got \(1, 3, 16, 16\)"),
    ({"flow": GOOD["flow"][..., 1:]}, ValueError, r"flow: expected shape \(1, 2, 16, 16\), got \(1, 2, 16, 15\)"),
    ({"warped": GOOD["warped"].byte()}, TypeError, r"warped: expected a floating-point dtype, got torch.uint8"),
    ({"occlusion": None}, TypeError, r"occlusion: expected a tensor \(B, 1, H, W\), got NoneType"),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), BAD, ids=[next(iter(case[0])) for case in BAD])
def test_errors_name_what_is_wrong(
    generator: FlowGuidedGenerator, wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"FlowGuidedGenerator: {message}"):
        generator(**{**GOOD, **wrong})
