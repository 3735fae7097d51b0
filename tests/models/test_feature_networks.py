"""Feature networks: what they see, what they give, and weights as torchvision publishes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import inception_v3, video

from photoflow.models import feature_networks
from photoflow.models.feature_networks import PictureFeatures, VideoFeatures, video_features
from photoflow.weights.registry import WeightsError


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that are soon gone through."""
    monkeypatch.setattr(feature_networks, "_VIDEO_SIDE", 32)
    monkeypatch.setattr(feature_networks, "_INCEPTION_SIDE", 96)


def saved(network: torch.nn.Module, path: Path) -> Path:
    save_file({name: value.half() if value.is_floating_point() else value for name, value in
               network.state_dict().items()}, path)  # fmt: skip
    return path


def test_video_features_are_those_before_the_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = video.mc3_18(weights=None).eval()
    network = video_features(saved(whole, tmp_path / "mc3.safetensors"))
    clip = torch.rand(1, 3, 2, 28, 56, generator=torch.Generator().manual_seed(1))
    seen: list[torch.Tensor] = []
    network.network.stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        found = network(clip)
        assert found.shape == (1, 512) and seen[0].shape == (1, 3, 2, 32, 64)
        torch.testing.assert_close(whole(seen[0]), whole.fc(found), rtol=0.02, atol=0.02)  # weights in half precision
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_colours_are_brought_to_those_of_kinetics() -> None:
    network, seen = VideoFeatures("r3d_18"), list[torch.Tensor]()
    network.network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten())
    network.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    means = torch.tensor([0.43216, 0.394666, 0.37645])
    assert network(means.reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 16, 16)).abs().max() < 1e-5
    assert network(torch.ones(1, 3, 2, 16, 16))[0].tolist() == pytest.approx(
        [(1 - 0.43216) / 0.22803, (1 - 0.394666) / 0.22145, (1 - 0.37645) / 0.216989], rel=1e-4
    )


def test_picture_features_are_inceptions_before_its_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = inception_v3(weights=None, aux_logits=True, init_weights=False, transform_input=False).eval()
    network = PictureFeatures(saved(whole, tmp_path / "inception.safetensors"))
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    seen: list[torch.Tensor] = []
    network.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        found = network(picture)
        assert found.shape == (1, 2048) and seen[0].shape == (1, 3, 96, 96)
        assert -1.01 < float(seen[0].min()) < -0.5 and 0.5 < float(seen[0].max()) < 1.01
        torch.testing.assert_close(whole(seen[0]), whole.fc(found), rtol=0.02, atol=0.02)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"layer.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    for make in (PictureFeatures, VideoFeatures):
        with pytest.raises(WeightsError, match=r"other\.safetensors"):
            make(weights=tmp_path / "other.safetensors")
