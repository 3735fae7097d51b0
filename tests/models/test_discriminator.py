"""The conditional PatchGAN: its layers are the paper's, its patches 70 pixels wide, its gradients differentiable."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from photoflow.models.discriminator import PatchDiscriminator
from photoflow.models.generator import FLOW_UNIT
from photoflow.weights.loading import WeightsError

CHANNELS = {"image": 3, "flow": 2, "warped": 3, "occlusion": 1, "candidate": 3}


def sample(height: int, width: int, batch: int = 1) -> dict[str, Tensor]:
    planes = {name: torch.rand(batch, channels, height, width) for name, channels in CHANNELS.items()}
    return {**planes, "flow": 50 * planes["flow"] - 25}


@pytest.fixture(scope="module")
def discriminator() -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator()


# shape for 256 by 256 pixels, parameters
LAYERS = [
    ((64, 128, 128), 12_352),
    ((128, 64, 64), 131_072),
    ((256, 32, 32), 524_288),
    ((512, 31, 31), 2_097_152),
    ((1, 30, 30), 8_193),
]


def test_layers_are_the_papers(discriminator: PatchDiscriminator) -> None:
    x, got = torch.rand(1, 12, 256, 256), []
    with torch.no_grad():
        for layer in discriminator.layers:
            x = layer(x)
            got.append((tuple(x.shape[1:]), sum(parameter.numel() for parameter in layer.parameters())))
        assert discriminator(**sample(256, 256, batch=2)).shape == (2, 1, 30, 30)
    assert got == LAYERS
    kinds = [[type(module).__name__ for module in layer.modules()][1:] for layer in discriminator.layers]
    normed = ["Conv2d", "InstanceNorm", "LeakyReLU"]
    assert kinds == [["Conv2d", "LeakyReLU"], normed, normed, normed, []]


def test_a_score_sees_70_pixels(discriminator: PatchDiscriminator) -> None:
    network = deepcopy(discriminator)
    for layer in list(network.layers)[1:4]:
        assert isinstance(layer, nn.Sequential)
        layer[1] = nn.Identity()  # a norm sees the whole picture
    given = sample(128, 128)
    given["candidate"].requires_grad_()
    scores = network(**given)
    (gradient,) = torch.autograd.grad(scores[0, 0, 7, 7], given["candidate"])
    seen = gradient[0].abs().sum(0) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == 70


def test_conventions_of_ranges_and_units(discriminator: PatchDiscriminator) -> None:
    seen: list[Tensor] = []
    hook = discriminator.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    given = sample(32, 40)
    discriminator(**given)
    hook.remove()
    image, flow, warped, occlusion, candidate = seen[0].split([3, 2, 3, 1, 3], 1)
    for name, planes in (("image", image), ("warped", warped), ("candidate", candidate)):
        assert_close(planes, 2 * given[name] - 1)
    assert_close(flow, given["flow"] / FLOW_UNIT)
    assert_close(occlusion, given["occlusion"])


def test_sizes(discriminator: PatchDiscriminator) -> None:
    for height, width in ((24, 24), (37, 51), (63, 24)):
        assert discriminator(**sample(height, width)).shape == (1, 1, height // 8 - 2, width // 8 - 2)


def test_images_of_a_batch_do_not_mix(discriminator: PatchDiscriminator) -> None:
    given = sample(40, 32, batch=3)
    alone = [discriminator(**{name: value[i : i + 1] for name, value in given.items()}) for i in range(3)]
    assert_close(discriminator(**given), torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_a_gradient_penalty_reaches_the_weights(discriminator: PatchDiscriminator) -> None:
    given = sample(40, 40, batch=2)
    given["candidate"].requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(**given).sum(), given["candidate"], create_graph=True)
    weights = [parameter for parameter in discriminator.parameters() if parameter.dim() == 4]
    penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    for by in torch.autograd.grad(penalty, weights):
        assert torch.isfinite(by).all() and by.abs().max() > 0


def test_autocast_dtypes_and_channels_last(discriminator: PatchDiscriminator) -> None:
    given = sample(40, 48)
    expected = discriminator(**given)
    with torch.autocast("cpu", torch.bfloat16):
        scores = discriminator(**given)
    assert scores.dtype == torch.bfloat16 and (scores - expected).abs().mean() < 0.03
    for dtype, near in ((torch.bfloat16, 0.03), (torch.float64, 1e-5)):
        scores = deepcopy(discriminator).to(dtype)(**given)
        assert scores.dtype == dtype and (scores - expected).abs().mean() < near
    last = {name: value.to(memory_format=torch.channels_last) for name, value in given.items()}
    got = deepcopy(discriminator).to(memory_format=torch.channels_last)(**last)
    assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_compiles_without_a_graph_break(discriminator: PatchDiscriminator) -> None:
    compiled = torch.compile(discriminator, fullgraph=True, backend="eager")
    for size in ((32, 40), (29, 31)):
        given = sample(*size)
        assert_close(compiled(**given), discriminator(**given))


def test_learns_one_batch_and_gradients_reach_all() -> None:
    network = PatchDiscriminator()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.0, 0.9))
    given = sample(32, 32, batch=2)
    drawn = {**given, "candidate": torch.rand(2, 3, 32, 32)}
    losses = []
    for _ in range(8):
        loss = network(**drawn).mean() - network(**given).mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.dim() == 1 or parameter.grad.abs().max() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5


def test_weights_are_read_from_a_file(discriminator: PatchDiscriminator, tmp_path: Path) -> None:
    path = tmp_path / "discriminator.pth"
    torch.save(discriminator.state_dict(), path)
    given = sample(32, 32)
    assert torch.equal(PatchDiscriminator(path)(**given), discriminator(**given))
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError) as caught:
        PatchDiscriminator(path)
    assert "\n" not in str(caught.value)


GOOD = sample(24, 24)
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"image": GOOD["flow"]}, ValueError, r"image: expected shape \(B, 3, H, W\), not empty, got \(1, 2, 24, 24\)"),
    ({"flow": GOOD["flow"][:, :1]}, ValueError, r"flow: expected shape \(B, 2, H, W\), not empty, got \(1, 1, 24, 24"),
    ({"warped": GOOD["warped"][0]}, ValueError, r"warped: expected shape \(B, 3, H, W\), not empty, got \(3, 24, 24\)"),
    ({"occlusion": GOOD["occlusion"].int()}, TypeError, r"occlusion: expected a floating-point dtype, got torch.int32"),
    ({"candidate": GOOD["image"].repeat(2, 1, 1, 1)}, ValueError, r"candidate: expected shape \(1, 3, 24, 24\), got"),
    (sample(23, 40), ValueError, r"image: expected at least 24 by 24 pixels, got 23 by 40"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "message"), BAD, ids=[next(iter(case[0])) for case in BAD[:-1]] + ["size"])
def test_errors_name_what_is_wrong(
    discriminator: PatchDiscriminator, wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"PatchDiscriminator: {message}"):
        discriminator(**{**GOOD, **wrong})
