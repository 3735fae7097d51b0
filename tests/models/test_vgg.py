"""VGG-19 up to relu4_4: torchvision's features from torchvision's weights."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torchvision.models.vgg import cfgs, make_layers
from torchvision.transforms.functional import normalize

from photoflow.models.vgg import VGG19Features, rename
from photoflow.weights.loading import WeightsError


@pytest.fixture(scope="module")
def theirs() -> nn.Sequential:
    """torchvision's layers, filled so that features neither vanish nor grow."""
    torch.manual_seed(0)
    layers = make_layers(cfgs["E"])
    for module in layers.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            assert module.bias is not None
            nn.init.normal_(module.bias, std=0.1)
    return layers


@pytest.fixture(scope="module")
def checkpoint(theirs: nn.Sequential) -> dict[str, Tensor]:
    """A state dict as torchvision's `vgg19` has it, its classifier of other sizes."""
    state = {f"features.{name}": value for name, value in theirs.state_dict().items()}
    return {**state, **{f"classifier.{i}.{kind}": torch.zeros(2) for i in (0, 3, 6) for kind in ("weight", "bias")}}


@pytest.fixture(scope="module")
def network(checkpoint: dict[str, Tensor]) -> VGG19Features:
    vgg = VGG19Features()
    vgg.load_state_dict(rename(checkpoint))
    return vgg.eval()


@pytest.mark.parametrize("size", [(32, 48), (37, 51), (8, 8)])
def test_features_are_torchvisions(network: VGG19Features, theirs: nn.Sequential, size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size)
    expected = theirs[:27](normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    got = network(image)
    assert got.shape == (2, 512, size[0] // 8, size[1] // 8)
    assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert got.min() == 0 and got.std() > 0.01


def test_layout_is_torchvisions_up_to_relu4_4(network: VGG19Features, checkpoint: dict[str, Tensor]) -> None:
    names = [
        f"features.{i}.{kind}" for i in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25) for kind in ("weight", "bias")
    ]
    assert list(network.state_dict()) == names
    assert all(value.shape == checkpoint[name].shape for name, value in network.state_dict().items())
    assert len(checkpoint) == 16 * 2 + 6 and list(rename(checkpoint)) == names


def test_gradients_reach_the_image_alone(network: VGG19Features) -> None:
    image = torch.rand(1, 3, 24, 24, requires_grad=True)
    network(image).square().mean().backward()
    assert image.grad is not None and image.grad.abs().min() > 0
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


def test_a_picture_is_found_again_by_its_features(network: VGG19Features) -> None:
    target = network(torch.rand(1, 3, 16, 16))
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    optimiser = torch.optim.Adam([image], lr=0.03)
    losses = []
    for _ in range(15):
        loss = (network(image) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_autocast_dtypes_and_channels_last(network: VGG19Features) -> None:
    image = torch.rand(2, 3, 24, 32)
    expected = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        features = network(image)
    near = 0.03 * float(expected.mean())
    assert features.dtype == torch.bfloat16 and (features - expected).abs().mean() < near
    features = deepcopy(network).bfloat16()(image)
    assert features.dtype == torch.bfloat16 and (features - expected).abs().mean() < near
    features = deepcopy(network).double()(image)
    assert features.dtype == torch.float64
    assert_close(features.float(), expected, rtol=1e-3, atol=1e-3)
    last = deepcopy(network).to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last))
    assert_close(last, expected, rtol=1e-3, atol=1e-3)


def test_compiles_without_a_graph_break(network: VGG19Features) -> None:
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    for size in ((16, 24), (19, 21)):
        image = torch.rand(1, 3, *size)
        assert_close(compiled(image), network(image))


def test_the_whole_checkpoint_is_read_from_a_file(
    network: VGG19Features, checkpoint: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "vgg19.pth"
    torch.save(checkpoint, path)
    image = torch.rand(1, 3, 16, 16)
    assert torch.equal(VGG19Features(path)(image), network(image))
    torch.save({name: value for name, value in checkpoint.items() if not name.startswith("features.2.")}, path)
    with pytest.raises(WeightsError) as caught:
        VGG19Features(path)
    assert "\n" not in str(caught.value)


BAD: list[tuple[Any, type[Exception], str]] = [
    (torch.rand(3, 16, 16), ValueError, r"image: expected shape \(B, 3, H, W\), not empty, got \(3, 16, 16\)"),
    (torch.rand(1, 1, 16, 16), ValueError, r"image: expected shape \(B, 3, H, W\), not empty, got \(1, 1, 16, 16\)"),
    (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), TypeError, r"image: expected a floating-point dtype, got torch.ui"),
    (torch.rand(1, 3, 7, 16), ValueError, r"image: expected at least 8 by 8 pixels, got 7 by 16"),
    ("cat.jpg", TypeError, r"image: expected a tensor \(B, 3, H, W\), got str"),
]


@pytest.mark.parametrize(("image", "kind", "message"), BAD, ids=["batch", "grey", "bytes", "size", "path"])
def test_errors_name_what_is_wrong(network: VGG19Features, image: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"VGG19Features: {message}"):
        network(image)
