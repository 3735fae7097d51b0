"""Networks whose features sets of pictures and of clips are compared by: torchvision's Inception and video ResNets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from photoflow.weights.loading import load_weights
from photoflow.weights.registry import WeightsError

VIDEO_NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18")
_INCEPTION_SIDE = 299  # pixels that Inception v3 was trained at
_VIDEO_SIDE = 112  # that video ResNets were trained at
_MEAN = (0.43216, 0.394666, 0.37645)  # of Kinetics-400, as torchvision trained its video ResNets; so the deviations
_DEVIATION = (0.22803, 0.22145, 0.216989)


class PictureFeatures(nn.Module):
    """The features of Inception v3 before its classifier, for FID and KID.

    Args:
        weights: name in the registry or file, torchvision's checkpoint of the whole network; None leaves it untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016. Deviation: published
        FID has the weights of the first TensorFlow release and its way of resizing.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        from torchvision.models import inception_v3

        self.network = inception_v3(weights=None, aux_logits=False, init_weights=False, transform_input=False)
        self.network.fc = nn.Identity()
        if weights is not None:
            load_weights(self.network, weights, rename=_without("AuxLogits.", "fc."))
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the features of pictures: (B, 3, H, W), RGB in [0, 1] -> (B, 2048) float32."""
        size = (_INCEPTION_SIDE, _INCEPTION_SIDE)
        resized = nn.functional.interpolate(pictures, size=size, mode="bilinear", align_corners=False, antialias=True)
        features: Tensor = self.network(2 * resized - 1).float()
        return features


class VideoFeatures(nn.Module):
    """The features of a video ResNet before its classifier, for Fréchet distances of clips.

    Args:
        version: in `VIDEO_NETWORKS`.
        weights: name in the registry or file, a checkpoint in torchvision's layout; None leaves it untrained.

    Raises:
        WeightsError: the weights cannot be had, or are not this network's.

    Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018. Deviation:
        published FVD and DTFVD have I3D, trained on Kinetics and on dynamic textures.
    """

    def __init__(self, version: str = VIDEO_NETWORKS[0], weights: str | Path | None = None) -> None:
        super().__init__()
        from torchvision.models import video

        self.network: Any = getattr(video, version)(weights=None)
        self.network.fc = nn.Identity()
        if weights is not None:
            load_weights(self.network, weights, rename=_without("fc."))
        self.eval().requires_grad_(False)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the features of clips: (B, 3, T, H, W), RGB in [0, 1] -> (B, 512) float32."""
        count, length, (height, width) = clips.shape[0], clips.shape[2], clips.shape[3:]
        size = (_VIDEO_SIDE, max(_VIDEO_SIDE, round(_VIDEO_SIDE * width / height)))
        frames = clips.transpose(1, 2).flatten(0, 1)
        small = nn.functional.interpolate(frames, size=size, mode="bilinear", align_corners=False, antialias=True)
        mean, deviation = (small.new_tensor(one).reshape(3, 1, 1) for one in (_MEAN, _DEVIATION))
        normal = ((small - mean) / deviation).unflatten(0, (count, length)).transpose(1, 2)
        features: Tensor = self.network(normal).float()
        return features


def video_features(weights: str | Path) -> VideoFeatures:
    """Load the video ResNet that weights belong to.

    Args:
        weights: name in the registry or file.

    Raises:
        WeightsError: the weights cannot be had, or are of none of `VIDEO_NETWORKS`.
    """
    faults = []
    for version in VIDEO_NETWORKS:
        try:
            return VideoFeatures(version, weights)
        except WeightsError as fault:
            faults.append(fault)
    raise faults[0]


def _without(*beginnings: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Return a function that leaves out the entries of a state dict that begin with one of some texts."""
    return lambda state: {name: value for name, value in state.items() if not name.startswith(beginnings)}
