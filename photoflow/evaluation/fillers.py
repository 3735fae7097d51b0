"""Ways to fill the holes of a clip: frame by frame, and by a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.evaluation.baselines import filled
from photoflow.render.background import fill_background

_TELEA = 5  # pixels from which Telea's method takes a colour
_WINDOW, _EVERY = 10, 10  # frames of a window, and from one reference to the next


def telea(frames: Sequence[Array], masks: Sequence[Array]) -> Iterator[Array]:
    """Fill each frame, uint8 (H, W, 3), in its mask, bool (H, W), by Telea's method."""
    return (filled(frame, mask, _TELEA) for frame, mask in zip(frames, masks))


def patches(frames: Sequence[Array], masks: Sequence[Array]) -> Iterator[Array]:
    """Fill each frame, uint8 (H, W, 3), in its mask, bool (H, W), as what is behind a subject of a photo is."""
    return (fill_background(frame, mask) for frame, mask in zip(frames, masks))


def by_network(network: Any, device: str, frames: Sequence[Array], masks: Sequence[Array]) -> Iterator[Array]:
    """Fill the frames of a clip by a network, a window at a time, each window half over the one before.

    Args:
        network: `photoflow.models.e2fgvi.E2FGVI`, on `device`.
        device: of the network.
        frames: uint8 (H, W, 3) each.
        masks: bool (H, W) each.

    Returns:
        uint8 (H, W, 3) for each frame, which is the mean of what the windows with it say; outside of the mask, the
        frame as it is.

    Source: Li et al., "Towards An End-to-End Framework for Flow-Guided Video Inpainting", CVPR 2022, section 4: windows
        of 10 frames, and every tenth of the others for reference.
    """
    masked = [
        np.where(mask[..., None], np.float32(0), frame / np.float32(127.5) - 1) for frame, mask in zip(frames, masks)
    ]
    sums, counts = np.zeros((len(frames), *frames[0].shape), np.float32), np.zeros(len(frames), np.int64)
    half = _WINDOW // 2
    for middle in range(0, len(frames), half):
        local = range(max(0, middle - half), min(len(frames), middle + half + 1))
        chosen = [*local, *(at for at in range(0, len(frames), _EVERY) if at not in local)]
        planes = torch.from_numpy(np.stack([masked[at] for at in chosen])).permute(0, 3, 1, 2)[None]
        made, _ = network(planes.contiguous().to(device), len(local))
        sums[local.start : local.stop] += made[: len(local)].float().permute(0, 2, 3, 1).cpu().numpy()
        counts[local.start : local.stop] += 1
    for frame, mask, total, count in zip(frames, masks, sums, counts):
        colours = np.clip((total / count + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
        yield np.where(mask[..., None], colours, frame)
