"""Mask R-CNN: loads a state dict of the right network only, and returns objects at the photo's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.models.mask_rcnn import MaskRCNN
from photoflow.weights.loading import WeightsError

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


def quick(network: Any) -> None:
    """Let it see a small picture, and look at few places."""
    network.transform.min_size = (128,)  # instead of 800
    network.rpn._post_nms_top_n = {"training": 50, "testing": 50}  # instead of 1000


def test_runs_and_returns_objects_at_photo_size(state_file: Path) -> None:
    network = MaskRCNN(state_file, min_score=0.0)
    quick(network._network)
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
    with pytest.raises(WeightsError, match="truncated: ") as caught:
        MaskRCNN(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="expected the weights of MaskRCNN, got another network's"):
        MaskRCNN(path)


OLDER_NAMES = {
    **{f"{kind}_blocks.{i}.0.": f"{kind}_blocks.{i}." for kind in ("inner", "layer") for i in range(4)},
    "rpn.head.conv.0.0.": "rpn.head.conv.",
    **{f"mask_head.{i}.0.": f"mask_head.mask_fcn{i + 1}." for i in range(4)},
}


def older(name: str) -> str:
    """The name that a tensor has in the published file of v1."""
    for new, old in OLDER_NAMES.items():
        name = name.replace(new, old)
    return name


@pytest.fixture(scope="module")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights as the published ones of v1 are: under older names, sensitive to the batch norms' epsilon."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)
    state = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91).state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.fill_(1e-4)
            state[name.replace("running_var", "weight")].fill_(1e-2)
    state = {older(name): tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert "roi_heads.mask_head.mask_fcn4.bias" in state and "rpn.head.conv.weight" in state
    path = tmp_path_factory.mktemp("weights") / "v1.pth"
    torch.save(state, path)
    return path


def test_version_1_gives_what_torchvision_gives(first_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn

    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights, "get_state_dict", lambda *_, **__: torch.load(first_version))
    options = {"box_score_thresh": 0.0, "box_detections_per_img": 20}
    theirs = maskrcnn_resnet50_fpn(weights=MaskRCNN_ResNet50_FPN_Weights.COCO_V1, **options).eval()
    ours = MaskRCNN(first_version, min_score=0.0, version="v1")
    for network in (theirs, ours._network):
        quick(network)
    rgb = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found = ours(rgb)
    with torch.inference_mode():
        expected = theirs([torch.from_numpy(rgb).permute(2, 0, 1) / 255.0])[0]
    assert len(found.labels) == len(expected["labels"]) > 0
    np.testing.assert_allclose(found.boxes, expected["boxes"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected["scores"], rtol=1e-4)
    np.testing.assert_allclose(found.masks, expected["masks"][:, 0], rtol=1e-4, atol=1e-5)


def test_one_version_refuses_the_others_weights(first_version: Path) -> None:
    with pytest.raises(WeightsError, match=r"got another network's: .* missing .* unknown"):
        MaskRCNN(first_version)
    with pytest.raises(InputError, match="version: expected v1 or v2, got 'v3'"):
        MaskRCNN(first_version, version="v3")
