"""Mask R-CNN (ResNet-50 FPN v2, COCO): every object of a photo with its mask, by torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photoflow.models.weights import WeightsError

_CLASSES = 91
_MAX_INSTANCES = 20
_MIN_SCORE = 0.5


@dataclass(frozen=True)
class Instances:
    """Objects found in a photo, best score first.

    Args:
        masks: (N, H, W) float32 in [0, 1], probability that the pixel belongs to the object.
        boxes: (N, 4) float32, left, top, right, bottom in pixels.
        labels: N names of COCO classes.
        scores: (N,) float32 in [0, 1].
    """

    masks: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    scores: npt.NDArray[np.float32]


class MaskRCNN:
    """Instance segmentation into the classes of COCO.

    Args:
        path: state dict of torchvision's `maskrcnn_resnet50_fpn_v2`, `weights.fetch("mask_rcnn")`.
        device: where torch runs it; "auto" is CUDA where torch has it.
        min_score: objects scored lower are left out.

    Raises:
        WeightsError: the file does not hold that network's weights.

    Source: He et al., "Mask R-CNN", ICCV 2017; Li et al., "Benchmarking detection transfer learning with
    vision transformers", 2021, for the v2 heads. At most 20 objects are kept: a photo's masks stay small.
    """

    def __init__(self, path: str | Path, device: str = "cpu", min_score: float = _MIN_SCORE) -> None:
        import torch
        from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2

        network = maskrcnn_resnet50_fpn_v2(
            weights=None,
            weights_backbone=None,
            num_classes=_CLASSES,
            box_score_thresh=min_score,
            box_detections_per_img=_MAX_INSTANCES,
        )
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        network.load_state_dict(_read_state_dict(path, network))
        self._network = network.eval().to(device)
        self._device = device
        self._categories: list[str] = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> Instances:
        """Find the objects in a picture.

        Args:
            rgb: (H, W, 3) uint8. The network sees it with a short side of about 800; masks come back at
                H × W, so hand it a reduced copy of a very large photo.

        Returns:
            The objects, best score first; none is a valid answer.
        """
        import torch

        picture = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).to(self._device)
        with torch.inference_mode():
            found = self._network([picture.float() / 255.0])[0]
        return Instances(
            masks=found["masks"][:, 0].float().cpu().numpy(),
            boxes=found["boxes"].float().cpu().numpy(),
            labels=tuple(self._categories[index] for index in found["labels"].tolist()),
            scores=found["scores"].float().cpu().numpy(),
        )


def _read_state_dict(path: str | Path, network: Any) -> dict[str, Any]:
    """The weights in `path`, checked against the network's names and shapes before anything is loaded."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different one for a cut zip, a foreign pickle, no file
        raise WeightsError(f"{_expected(path)}, got an unreadable file") from error
    expected = network.state_dict()
    fits = isinstance(state, dict) and state.keys() == expected.keys()
    if not fits or any(tuple(state[key].shape) != tuple(expected[key].shape) for key in expected):
        raise WeightsError(f"{_expected(path)}, got those of another network")
    return dict(state)


def _expected(path: str | Path) -> str:
    return f"Mask R-CNN: expected weights of maskrcnn_resnet50_fpn_v2 in {path}"
