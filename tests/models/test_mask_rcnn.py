"""Mask R-CNN: loads a state dict of the right network only, and returns objects at the photo's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photoflow.models.mask_rcnn import MaskRCNN
from photoflow.models.weights import WeightsError

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def state_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, their batch norms at the identity, of the network that the file should hold."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=91).state_dict(), path)
    return path


def test_runs_and_returns_objects_at_photo_size(state_file: Path) -> None:
    network = MaskRCNN(state_file, min_score=0.0)
    rgb = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found = network(rgb)
    count = len(found.labels)
    assert 0 < count <= 20
    assert found.masks.shape == (count, 60, 90) and found.masks.dtype == np.float32
    assert found.masks.min() >= 0.0 and found.masks.max() <= 1.0
    assert found.boxes.shape == (count, 4) and found.scores.shape == (count,)
    assert all(isinstance(label, str) for label in found.labels)
    assert np.all(np.diff(found.scores) <= 0)


def test_a_truncated_file_is_refused_in_one_line(state_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(state_file.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="got an unreadable file") as caught:
        MaskRCNN(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="got those of another network"):
        MaskRCNN(path)
