"""Distances between sets of clips by the features of networks: FID, KID, FVD and DTFVD, as a whole and over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.metrics import frechet_distance, kernel_distance
from photoflow.weights.loading import locate

Network = Callable[[Tensor], Tensor]

KINDS = ("picture", "video", "texture")
WINDOWS = (16, 32)  # frames of the clips that FVD and DTFVD compare
SLIDING = {"picture": 30, "texture": 16}  # frames of the windows in which FID and DTFVD are followed over time
_TOGETHER = 16  # pictures or clips that a network sees at once
_KNOWN = {"picture": "inception_v3", "video": "r3d_18"}


@dataclass(frozen=True)
class Features:
    """The networks whose features are compared; each may be missing.

    Args:
        picture: (B, 3, H, W), RGB in [0, 1] -> (B, D), for FID and KID.
        video: (B, 3, T, H, W) -> (B, D), for FVD.
        texture: like `video`, trained on dynamic textures, for DTFVD.
    """

    picture: Network | None = None
    video: Network | None = None
    texture: Network | None = None


def open_features(files: Sequence[str], notes: list[str], device: str = "cpu") -> Features:
    """Load the feature networks whose weights are given or at hand. Nothing is fetched that is not named.

    Args:
        files: KIND=NAME or KIND=FILE each, with a kind of `KINDS`.
        notes: list to which is added what is left out, and how what is there differs from the published measure.
        device: where they run.

    Raises:
        InputError: a text has another form, or weights cannot be used.
    """
    from photoflow.models.feature_networks import PictureFeatures, video_features

    given: dict[str, str | Path] = {}
    for text in files:
        kind, separator, file = text.partition("=")
        if kind not in KINDS or not separator or not file:
            raise InputError(f"features: expected {' or '.join(f'{kind}=FILE' for kind in KINDS)}, got {text!r}")
        given[kind] = file
    for kind, name in _KNOWN.items():
        at_hand = locate(name)
        if kind not in given and at_hand is not None:
            given[kind] = at_hand
    make: dict[str, Callable[[str | Path], torch.nn.Module]] = {
        "picture": PictureFeatures, "video": video_features, "texture": video_features,
    }  # fmt: skip
    notes += [_NOTES[kind][kind in given] for kind in KINDS]
    return Features(**{kind: make[kind](file).to(device) for kind, file in given.items()})


_NOTES = {
    "picture": (
        "FID and KID are left out: expected weights of Inception v3 (photoflow weights get inception_v3, or --features "
        "picture=FILE).",
        "FID and KID by torchvision's Inception v3; published ones have TensorFlow's first weights.",
    ),
    "video": (
        "FVD is left out: expected weights of a video ResNet (photoflow weights get r3d_18, or --features video=FILE).",
        "FVD by a video ResNet of torchvision's; published FVD has I3D, trained on Kinetics, so that numbers cannot be "
        "compared with it.",
    ),
    "texture": (
        "DTFVD is left out: expected weights of a video ResNet that is trained on dynamic textures (--features "
        "texture=FILE); none are published.",
        "DTFVD by a video ResNet; published DTFVD has I3D, trained on the dynamic-texture data base, so that numbers "
        "cannot be compared with it.",
    ),
}  # fmt: skip


class FeatureSet:
    """The features of a set of clips, which are added one after the other.

    Args:
        features: the networks.
        device: where they run.
    """

    def __init__(self, features: Features, device: str = "cpu") -> None:
        self._networks, self._device = features, device
        self._found: dict[tuple[str, int], list[Array]] = {}

    def add(self, frames: Sequence[Array]) -> None:
        """Add a clip: uint8 (H, W, 3) each."""
        if self._networks.picture is not None:
            stills = (_planes(frame) for frame in frames)
            self._keep("picture", 1, self._seen(self._networks.picture, stills))
        for kind, network in (("video", self._networks.video), ("texture", self._networks.texture)):
            for length in WINDOWS:
                if network is not None and length <= len(frames):
                    self._keep(kind, length, self._seen(network, _windows(frames, length)))

    def all_of(self, kind: str, length: int = 1) -> Array | None:
        """Return the features of all windows of `length` frames, (N, D), or None if there are none."""
        found = self._found.get((kind, length))
        return np.concatenate(found) if found else None

    def between(self, kind: str, length: int, first: int, last: int) -> Array:
        """Return the features of the windows from number `first` to before `last` of each clip, (N, D)."""
        return np.concatenate([own[first:last] for own in self._found[kind, length]])

    def count(self, kind: str, length: int) -> int:
        """Return the number of windows of the shortest clip."""
        return min(len(own) for own in self._found[kind, length])

    def _keep(self, kind: str, length: int, features: Array) -> None:
        self._found.setdefault((kind, length), []).append(features)

    def _seen(self, network: Network, inputs: Iterable[Tensor]) -> Array:
        batches, waiting = list[Array](), list[Tensor]()
        with torch.inference_mode():
            for one in inputs:
                waiting.append(one)
                if len(waiting) == _TOGETHER:
                    batches.append(self._batch(network, waiting))
                    waiting = []
            if waiting:
                batches.append(self._batch(network, waiting))
        return np.concatenate(batches)

    def _batch(self, network: Network, inputs: list[Tensor]) -> Array:
        seen = network(torch.stack(inputs).to(self._device).float() / 255)
        return np.asarray(seen.float().cpu().numpy())


def set_distances(made: FeatureSet, true: FeatureSet) -> dict[str, float]:
    """Compare a set of clips with the true ones: `fid`, `kid` (times 100), `fvd`, `fvd32`, `dtfvd`, `dtfvd32`.

    Also the FID of the first and of the last 30 frames and the DTFVD of the first and of the last 16, each against all
    true frames: see `over_time`. What needs a network that is missing is left out.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 7 and table 1.
    """
    found: dict[str, float] = {}
    stills, photos = made.all_of("picture"), true.all_of("picture")
    if stills is not None and photos is not None:
        found["fid"] = frechet_distance(stills, photos)
        found["kid"] = 100 * kernel_distance(stills, photos)
    for kind, name in (("video", "fvd"), ("texture", "dtfvd")):
        for length, suffix in zip(WINDOWS, ("", "32")):
            own, other = made.all_of(kind, length), true.all_of(kind, length)
            if own is not None and other is not None and min(len(own), len(other)) > 1:
                found[name + suffix] = frechet_distance(own, other)
    for name, curve in over_time(made, true).items():
        found |= {f"{name}_begin": curve[0], f"{name}_end": curve[-1]}
    return found


def over_time(made: FeatureSet, true: FeatureSet) -> dict[str, list[float]]:
    """Compute distances window after window: `fid` of 30 frames, `dtfvd` of 16.

    The made clips of one window are compared with the true clips as a whole: what drifts away from them shows.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, figure 6.
    """
    curves: dict[str, list[float]] = {}
    for kind, name in (("picture", "fid"), ("texture", "dtfvd")):
        unit = 1 if kind == "picture" else SLIDING[kind]
        step = SLIDING[kind] // unit
        whole, own = true.all_of(kind, unit), made.all_of(kind, unit)
        if whole is None or own is None:
            continue
        parts = [made.between(kind, unit, at, at + step) for at in range(0, made.count(kind, unit) - step + 1, step)]
        if parts and min(len(part) for part in parts) > 1 and len(whole) > 1:
            curves[name] = [frechet_distance(part, whole) for part in parts]
    return curves


def _planes(frame: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))


def _windows(frames: Sequence[Array], length: int) -> Iterable[Tensor]:
    """Yield windows that follow each other, uint8 (3, length, H, W)."""
    for first in range(0, len(frames) - length + 1, length):
        yield torch.stack([_planes(frame) for frame in frames[first : first + length]], 1)
