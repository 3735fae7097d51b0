"""The recipe of RAFT: supervised by the true flow, update by update."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from photoflow.errors import InputError
from photoflow.models.raft import PRESETS as NETWORKS
from photoflow.models.raft import RAFT
from photoflow.train.augment import erased, jittered, placed
from photoflow.train.config import TrainingConfig
from photoflow.train.losses import sequence_l1
from photoflow.train.pictures import sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch


@dataclass(frozen=True)
class RaftConfig(TrainingConfig):
    """Settings of RAFT's recipe beside those of all recipes.

    Args:
        updates: of the flow in training.
        gamma: the loss of each update weighs as much less than the next one's.
        longest: true flows beyond it, pixels, are left out.
        occluded: the weight of pixels of the first image that the second does not show, where the data says which:
            their flow can only be guessed from their surroundings.
        weight_decay: AdamW's.
        room: how many times as large as `size` the data's pictures are, so that they can be scaled down, too.
    """

    network: str = "small"
    size: tuple[int, int] = (256, 320)
    batch: int = 8
    rate: float = 4e-4
    last_rate: float = 1e-6
    warmup: int = 500
    clip: float = 1.0
    updates: int = 12
    gamma: float = 0.8
    longest: float = 400.0
    occluded: float = 1.0
    weight_decay: float = 1e-4
    room: float = 1.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.updates < 1:
            raise InputError(f"updates: expected at least 1, got {self.updates}")

    @property
    def data_size(self) -> tuple[int, int]:
        height, width = (max(side, round(self.room * side)) for side in self.size)
        return height, width


PRESETS = {
    "small": RaftConfig(),
    "large": replace(RaftConfig(), network="large"),
}


class RaftRecipe(Recipe):
    """RAFT, trained on pairs of images with dense flow.

    Source: Teed and Deng, "RAFT", ECCV 2020, section 3.4 and 4: AdamW, gradients clipped to norm 1, the loss over all
    12 updates. Deviation: the rate falls by a cosine, not linearly, so that the time of a training need not be known
    in steps.
    """

    name = "raft"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "flow")

    def __init__(self, config: RaftConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: RaftConfig = config
        self.ships = RAFT(NETWORKS[config.network]).to(device).train()
        optimiser = torch.optim.AdamW(self.ships.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn("flow", self.ships, optimiser, self.losses)]
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        return f"RAFT.{self.config.network}()"

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the flow's loss, and the last update's end point error."""
        flow = batch["flow"]
        weight = torch.ones_like(flow[:, :1])
        if "visible" in batch:
            weight = torch.lerp(torch.full_like(weight, self.config.occluded), weight, batch["visible"])
        # NaN is a flow that is unknown, and is not below anything.
        weight = torch.where(flow.norm(dim=1, keepdim=True) < self.config.longest, weight, 0)
        images, flow, weight = placed([batch["image1"], batch["image2"]], flow, weight, self.config.size, chance)
        image1, image2 = jittered(images[0], images[1], chance)
        flows = self.ships(image1, erased(image2, chance), self.config.updates, True)
        with torch.no_grad():
            known = weight > 0
            errors = torch.where(known, (flows[-1].float() - flow).norm(dim=1, keepdim=True), 0)
            epe = errors.sum() / known.sum().clamp_min(1)
        return Terms({"sequence": sequence_l1(flows, flow, weight, self.config.gamma)}, {"epe": epe})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show both images, the true flow, and the network's."""
        image1, image2, flow = (batch[name] for name in self.needs)
        return sheet([image1, image2, flow.nan_to_num(), network(image1, image2)])
