"""A photo's frames by a spectral volume, in the ways that evaluations compare."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from photoflow import ops
from photoflow.arrays import Array
from photoflow.evaluation.pictures import as_bytes, as_planes
from photoflow.models.push_pull import push_pull
from photoflow.motion import Spectral, SpectralVolume
from photoflow.render.layered import LayeredRenderer, SubjectLayer

RENDERS = ("layers", "softmax", "average")
_NEAR = 2.0  # how soon near pixels decide what fills a hole


def photo_frames(
    photo: Array, volume: SpectralVolume, times: Sequence[float], render: str, device: str = "cpu"
) -> list[Array]:
    """Draw a photo that is moved as a whole.

    Args:
        photo: uint8 (H, W, 3).
        volume: its motion, over its pixels.
        times: seconds of the frames.
        render: "layers": as photoflow draws them; "softmax": the colours splatted with the paper's weights, the mean
            length of each pixel's displacements; "average": without weights. Both fill holes from around.
        device: where frames are drawn.

    Returns:
        uint8 (H, W, 3) each.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 5. Deviation: the paper splats features of
        several scales, and a network draws the frame.
    """
    if render == "layers":
        return _by_layers(photo, volume, times, device)
    flows = volume.trajectories(times)
    weight = torch.from_numpy(np.hypot(flows[:, 0], flows[:, 1]).mean(0))[None, None].to(device)
    planes, frames = as_planes(photo, device), list[Array]()
    for flow in flows:
        there = torch.from_numpy(flow)[None].to(device)
        metric = weight if render == "softmax" else None
        moved, coverage = ops.forward_splat(planes, there, metric, mode=render)
        frames.append(as_bytes(push_pull(moved, coverage.clamp(0, 1), _NEAR)))
    return frames


def _by_layers(photo: Array, volume: SpectralVolume, times: Sequence[float], device: str) -> list[Array]:
    everything = np.ones(photo.shape[:2], np.float32)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "volume.safetensors")
        volume.save(file)
        layer = SubjectLayer(
            photo, everything, Spectral(str(file)), scale=1.0, seconds=max(times) + 1e-3, loop=False, device=device
        )
        renderer = LayeredRenderer(photo, [layer], device)
        return [renderer.frame(time) for time in times]
