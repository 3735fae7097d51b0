"""LPIPS as squared distances of vectors, beside its definition pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import alexnet

from photoflow.models.lpips import LPIPS
from photoflow.weights.registry import WeightsError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Random weights, named as published: of all of AlexNet, whose classifier is cut short, and of LPIPS."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    state = {f"features.{name}": value for name, value in alexnet(weights=None).features.state_dict().items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, folder / "alexnet.pth")
    widths = (64, 192, 384, 256, 256)
    lins = {f"lin{stage}.model.1.weight": torch.rand(1, width, 1, 1) for stage, width in enumerate(widths)}
    torch.save(lins, folder / "lpips.pth")
    return folder / "alexnet.pth", folder / "lpips.pth"


def test_distances_are_those_of_the_definition(files: tuple[Path, Path]) -> None:
    network = LPIPS(*files)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    backbone, lins = torch.load(files[0]), torch.load(files[1])
    first, second = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    whole = alexnet(weights=None).features
    whole.load_state_dict({name[9:]: value for name, value in backbone.items() if name.startswith("features")})
    whole = whole[:12]

    def seen(picture: torch.Tensor) -> list[torch.Tensor]:
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        out, values = [], ((picture * 2 - 1 - shift[:, None, None]) / scale[:, None, None])[None]
        for layer in whole:
            values = layer(values)
            if isinstance(layer, torch.nn.ReLU):
                out.append(values[0].clone())
        return out

    wanted = 0.0
    with torch.no_grad():
        for stage, (one, other) in enumerate(zip(seen(first), seen(second), strict=True)):
            weights, total = lins[f"lin{stage}.model.1.weight"].flatten(), 0.0
            for y in range(one.shape[1]):
                for x in range(one.shape[2]):
                    a, b = one[:, y, x], other[:, y, x]
                    total += float((weights * (a / a.norm() - b / b.norm()) ** 2).sum())
            wanted += total / (one.shape[1] * one.shape[2])
        vectors = network(torch.stack([first, second]))
    assert float((vectors[0] - vectors[1]).square().sum()) == pytest.approx(wanted, rel=1e-4) and wanted > 0.1


def test_what_is_wrong_is_said(files: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="LPIPS: pictures: expected at least 31 pixels a side"):
        LPIPS()(torch.zeros(1, 3, 30, 64))
    assert LPIPS()(torch.zeros(1, 3, 31, 31)).shape[0] == 1
    with pytest.raises(WeightsError, match="expected the weights of ParameterList, got another network's"):
        LPIPS(files[0], files[0])
