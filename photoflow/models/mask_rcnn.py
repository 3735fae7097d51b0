"""Mask R-CNN (ResNet-50 FPN, COCO): every object of a photo with its mask, by torchvision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.weights.loading import load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

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
        weights: name or file of the state dict: "mask_rcnn" is torchvision's `maskrcnn_resnet50_fpn_v2`,
            "mask_rcnn_v1" its `maskrcnn_resnet50_fpn`.
        device: where torch runs it; "auto" is CUDA where torch has it.
        min_score: objects scored lower are left out.
        version: "v2", or the paper's heads "v1" (box AP 37.9 instead of 47.4 on COCO, for 40 % of the arithmetic).
        offline: never fetch weights that are given by name.

    Raises:
        InputError: unknown version.
        WeightsError: the weights cannot be had or are not that network's.

    Source: He et al., "Mask R-CNN", ICCV 2017; Li et al., "Benchmarking detection transfer learning with
    vision transformers", 2021, for the v2 heads. At most 20 objects are kept: a photo's masks stay small.
    """

    def __init__(
        self,
        weights: str | Path,
        device: str = "cpu",
        min_score: float = _MIN_SCORE,
        *,
        version: Literal["v1", "v2"] = "v2",
        offline: bool = False,
    ) -> None:
        import torch
        from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights

        if version not in ("v1", "v2"):
            raise InputError(f"version: expected v1 or v2, got '{version}'")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        network = _network_v1(min_score) if version == "v1" else _network_v2(min_score)
        load_weights(network, weights, rename=_renamed if version == "v1" else None, offline=offline)
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


def _network_v1(min_score: float) -> nn.Module:
    """Make the paper's network as its published weights want it.

    Batch norms are frozen, and without epsilon, as in training.
    """
    from torchvision.models.detection import MaskRCNN as Network
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    norm = partial(FrozenBatchNorm2d, eps=0.0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=5)
    network: nn.Module = Network(
        backbone, num_classes=_CLASSES, box_score_thresh=min_score, box_detections_per_img=_MAX_INSTANCES
    )
    return network


def _network_v2(min_score: float) -> nn.Module:
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    network: nn.Module = maskrcnn_resnet50_fpn_v2(
        weights=None,
        weights_backbone=None,
        num_classes=_CLASSES,
        box_score_thresh=min_score,
        box_detections_per_img=_MAX_INSTANCES,
    )
    return network


# The published v1 file is older than torchvision's present names: old pattern, new name.
_OLD_NAMES = (
    (re.compile(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)"), r"\1.0.\2"),
    (re.compile(r"(rpn\.head\.conv)\.(weight|bias)"), r"\1.0.0.\2"),
    (re.compile(r"(roi_heads\.mask_head)\.mask_fcn(\d+)\.(weight|bias)"), lambda m: f"{m[1]}.{int(m[2]) - 1}.0.{m[3]}"),
)


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state dict to torchvision's present names, without the counts that a frozen batch norm does not use."""
    names = {name: name for name in state if not name.endswith("num_batches_tracked")}
    for old, new in _OLD_NAMES:
        names = {name: old.sub(new, present) if old.fullmatch(present) else present for name, present in names.items()}
    return {present: state[name] for name, present in names.items()}
