"""Mask R-CNN (ResNet-50 FPN, COCO): every object of a photo with its mask, by torchvision."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from photoflow.errors import InputError
from photoflow.weights.loading import find, load_weights
from photoflow.weights.registry import WeightsError
from photoflow.weights.safetensors_header import header_bytes, header_of
from photoflow.weights.state_dict import fit, read_state_dict, without_prefix

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSIONS = {"v2": "mask_rcnn", "v1": "mask_rcnn_v1"}
"""The networks, and the names of their published weights."""

_BACKBONE = "resnet50"
_MAX_INSTANCES = 20
_MIN_SCORE = 0.5


@dataclass(frozen=True)
class Instances:
    """Objects found in a photo, best score first.

    Args:
        masks: (N, H, W) float32 in [0, 1], probability that the pixel belongs to the object.
        boxes: (N, 4) float32, left, top, right, bottom in pixels.
        labels: N names of classes.
        scores: (N,) float32 in [0, 1].
    """

    masks: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    scores: npt.NDArray[np.float32]


class MaskRCNN:
    """Instance segmentation into the classes of COCO, or one's own.

    Args:
        weights: name or file of the state dict: "mask_rcnn" is torchvision's `maskrcnn_resnet50_fpn_v2`,
            "mask_rcnn_v1" its `maskrcnn_resnet50_fpn`. A file of a training says its version and classes itself.
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

        if version not in VERSIONS:
            raise InputError(f"version: expected v1 or v2, got '{version}'")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        path = find(weights, offline=offline)
        which, classes = _trained(path) or (version, coco_classes())
        network = make_network(which, len(classes), min_score)
        load_weights(network, path, rename=_renamed if which == "v1" else None)
        self._network = network.eval().to(device)
        self._device = device
        self._categories = classes

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


def coco_classes() -> list[str]:
    """Return the names of COCO's classes by their numbers; the first is the background's."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights

    names: list[str] = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]
    return names


def make_network(version: str, classes: int, min_score: float = _MIN_SCORE) -> nn.Module:
    """Make torchvision's network, with random weights.

    Args:
        version: "v2", or "v1" as its published weights want it: batch norms are frozen, and without epsilon, as in
            training.
        classes: how many it tells apart, the background among them.
        min_score: objects scored lower are left out.
    """
    options = {"num_classes": classes, "box_score_thresh": min_score, "box_detections_per_img": _MAX_INSTANCES}
    network: nn.Module
    if version == "v1":
        from torchvision.models.detection import MaskRCNN as Network
        from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
        from torchvision.ops import FrozenBatchNorm2d

        norm = partial(FrozenBatchNorm2d, eps=0.0)
        backbone = resnet_fpn_backbone(backbone_name=_BACKBONE, weights=None, norm_layer=norm, trainable_layers=5)
        network = Network(backbone, **options)
    else:
        from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

        network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **options)
    return network


# What there is a row of for each class, or four.
_BY_CLASS = re.compile(
    r"roi_heads\.(box_predictor\.(cls_score|bbox_pred)|mask_predictor\.mask_fcn_logits)\.(weight|bias)"
)


def begin_from(network: nn.Module, version: str, classes: Sequence[str], path: Path) -> None:
    """Load COCO's published weights into a network for other classes; those that COCO has, too, keep what it knows.

    Args:
        network: of `make_network`.
        version: its version.
        classes: their names, the background's first.
        path: the published file.

    Raises:
        WeightsError: it is damaged, or another network's.
    """
    state = without_prefix(read_state_dict(path), network)
    state = _renamed(state) if version == "v1" else state
    theirs = coco_classes()
    known = [(number, theirs.index(name)) for number, name in enumerate(classes) if name in theirs]
    for name, own in network.state_dict().items():
        if not _BY_CLASS.fullmatch(name) or name not in state:
            continue
        rows = own.reshape(len(classes), -1).clone()
        published = state[name].reshape(len(theirs), -1)
        for number, row in known:
            rows[number] = published[row]
        state[name] = rows.reshape(own.shape)
    fit(network, state, path)


def _trained(path: Path) -> tuple[str, list[str]] | None:
    """Return version and classes, the background's first, of weights that a training wrote; None of any other file."""
    with open(path, "rb") as file:
        head = file.read(8)
        if file.read(1) != b"{":
            return None
        file.seek(0)
        head = file.read(header_bytes(head))
    try:
        about = header_of(head, path.stat().st_size).about
        if about.get("recipe") != "mask_rcnn":
            return None
        config = json.loads(about["config"])
        return str(config["network"]), [coco_classes()[0], *config["classes"].split(",")]
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # an InputError is a ValueError
        raise WeightsError(f"weights {path}: {error}") from error


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
