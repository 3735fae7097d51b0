"""The recipe of the interpolator: the frame between two others, at each of the network's scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from photoflow.models.ifnet import VERSIONS, IFNet
from photoflow.train.config import TrainingConfig
from photoflow.train.losses import laplacian_l1, psnr
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch


@dataclass(frozen=True)
class InterpolationConfig(TrainingConfig):
    """Settings of the interpolator's recipe beside those of all recipes.

    Args:
        levels: of the loss's Laplacian pyramid.
        decay: the frame of each block weighs as much less than the next one's.
        weight_decay: AdamW's.
    """

    network: str = "small"
    size: tuple[int, int] = (256, 256)
    batch: int = 16
    rate: float = 3e-4
    last_rate: float = 3e-6
    warmup: int = 500
    clip: float = 1.0
    levels: int = 5
    decay: float = 0.8
    weight_decay: float = 1e-3


PRESETS = {"small": InterpolationConfig()} | {
    version: replace(InterpolationConfig(), network=version) for version in VERSIONS if version != "small"
}


class InterpolationRecipe(Recipe):
    """IFNet, trained on triplets of frames, or on two with what the one between them must be.

    Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022, sections
    3.3 and 4.1: the Laplacian pyramid's L1; flips, rotations and the reversal of time. Deviation: no teacher; the
    frame of every block is held against the true one instead, so that the coarse flows are supervised as well.
    """

    name = "interpolation"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "middle", "t")

    def __init__(self, config: InterpolationConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: InterpolationConfig = config
        self.ships = IFNet(config.network).to(device).train()
        optimiser = torch.optim.AdamW(self.ships.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn("frame", self.ships, optimiser, self.losses)]
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        return f'IFNet("{self.config.network}")'

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the loss of the last block's frame, and of those before it."""
        img0, img1, middle, time = turned(batch["image1"], batch["image2"], batch["middle"], batch["t"], chance)
        frames = self.ships(img0, img1, time, every_block=True)
        one_by_one = [laplacian_l1(frame, middle, self.config.levels) for frame in frames]
        shares = [self.config.decay**earlier for earlier in reversed(range(len(frames)))]
        coarse = torch.stack([share * loss for share, loss in zip(shares[:-1], one_by_one)]).sum()
        return Terms({"laplacian": one_by_one[-1], "coarse": coarse}, {"psnr": psnr(frames[-1], middle)})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the first frame, the true middle, the network's, its error, and the last frame."""
        img0, img1, middle, time = (batch[name] for name in self.needs)
        drawn = network(img0, img1, time)
        return sheet([img0, middle, drawn, error(drawn, middle), img1])


def turned(
    img0: Tensor, img1: Tensor, middle: Tensor, time: Tensor, chance: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Flip frames along x, y and time, each sample by itself, and transpose them in half of the batches.

    Args:
        img0: (B, 3, H, W), the frame at time 0.
        img1: at time 1.
        middle: at `time`.
        time: (B,), from 0 to 1.
        chance: the generator of random numbers, on the CPU.

    Returns:
        The same four; where time is flipped, the images are exchanged and `time` is 1 - `time`.
    """
    transposed = bool(torch.rand((), generator=chance) < 0.5)
    flips = torch.rand(3, time.shape[0], generator=chance) < 0.5
    along_x, along_y, along_time = flips.to(img0.device).reshape(3, -1, 1, 1, 1)
    frames = []
    for frame in (img0, img1, middle):
        frame = torch.where(along_x, frame.flip(3), frame)
        frame = torch.where(along_y, frame.flip(2), frame)
        frames.append(frame.transpose(2, 3).contiguous() if transposed else frame)
    first, last = torch.where(along_time, frames[1], frames[0]), torch.where(along_time, frames[0], frames[1])
    return first, last, frames[2], torch.where(along_time.flatten(), 1 - time, time)
