"""The recipe of AMT: the frame at a time between two others, and the flows that it is read along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from photoflow.errors import InputError
from photoflow.models.amt import AMT
from photoflow.models.frame_pair import Interpolated
from photoflow.models.networks import load_network
from photoflow.train.config import TrainingConfig, as_text
from photoflow.train.interpolation import turned
from photoflow.train.losses import census, charbonnier, distilled, psnr
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch


@dataclass(frozen=True)
class AMTTrainingConfig(TrainingConfig):
    """Settings of AMT's recipe beside those of all recipes; a loss whose weight is 0 is not computed.

    Args:
        charbonnier: weight of the frame's Charbonnier distance.
        census: weight of the distance of its census transform.
        flow: weight of the distance of the coarse flows to measured ones.
        weight_decay: AdamW's.
    """

    network: str = "S"
    size: tuple[int, int] = (224, 224)
    batch: int = 24
    rate: float = 2e-4
    last_rate: float = 2e-5
    charbonnier: float = 1.0
    census: float = 1.0
    flow: float = 0.002
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(side % 16 for side in self.size):
            raise InputError(f"size: expected multiples of 16, got {as_text(self.size)}")
        if not (self.charbonnier or self.census):
            raise InputError("charbonnier, census: expected at least one with a weight above 0, got none")


PRESETS = {size: replace(AMTTrainingConfig(), network=size) for size in ("S", "L", "G")}


class AMTRecipe(Recipe):
    """AMT, trained on triplets of frames, or on two with what the one between them must be, at any time.

    Source: Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", CVPR 2023: its
    losses, which are Charbonnier, census, and IFRNet's distillation of flow on all flows but the finest, and its
    training by AdamW with a cosine, flips, rotations and the reversal of time. Deviations: the flow that is distilled
    is refined DIS's, measured as training goes, from the true frame to either image, for lack of the weights of
    LiteFlowNet; what ships is the moving average of the weights.
    """

    name = "amt"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "middle", "t")

    def __init__(self, config: AMTTrainingConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: AMTTrainingConfig = config
        self.ships = AMT(config.network).to(device).train()
        self._measure = load_network("flow", None).to(device) if config.flow else None
        optimiser = torch.optim.AdamW(self.ships.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn("frame", self.ships, optimiser, self.losses)]
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        return f'AMT("{self.config.network}")'

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the losses of the frame, and of the flows at 1/8, 1/4 and 1/2 of its size."""
        img0, img1, middle, time = turned(batch["image1"], batch["image2"], batch["middle"], batch["t"], chance)
        made, coarse = self.ships(img0, img1, time, every_flow=True)
        weights, losses = self.config, {}
        if weights.charbonnier:
            losses["charbonnier"] = weights.charbonnier * charbonnier(made.frame, middle)
        if weights.census:
            losses["census"] = weights.census * census(made.frame, middle)
        if self._measure:
            with torch.autocast(middle.device.type, enabled=False):
                measured = self._measure(torch.cat([middle, middle]), torch.cat([img0, img1])).chunk(2)
            losses["flow"] = weights.flow * _distance(made, coarse, *measured)
        return Terms(losses, {"psnr": psnr(made.frame, middle)})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the first frame, the true middle, the network's, its error, and the last frame."""
        img0, img1, middle, time = (batch[name] for name in self.needs)
        drawn = network(img0, img1, time)
        return sheet([img0, middle, drawn, error(drawn, middle), img1])


def _distance(made: Interpolated, coarse: list[Tensor], measured0: Tensor, measured1: Tensor) -> Tensor:
    """Compute the distance of coarse flows to those that were measured from the true frame to both images."""
    coarse0, coarse1 = zip(*(flow.chunk(2, dim=1) for flow in coarse))
    return distilled(coarse0, made.flow0, measured0) + distilled(coarse1, made.flow1, measured1)
