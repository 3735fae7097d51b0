"""The recipe of refined DIS: which of the candidates is right is learned from pairs of images with dense flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from photoflow.errors import InputError
from photoflow.models.dis import RefinedDIS
from photoflow.models.dis.flow_candidates import evidence, measured, reduced, reduction
from photoflow.train.config import TrainingConfig
from photoflow.train.pictures import sheet
from photoflow.train.recipe import Recipe, Terms, Turn
from photoflow.train.sampling import drawn, of_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch

_ASKED_MORE = 5.0  # times as often as the rest: pixels where DIS is not sure


@dataclass(frozen=True)
class RefinedDISConfig(TrainingConfig):
    """Settings of refined DIS's recipe beside those of all recipes.

    Args:
        pixels: of each pair that a step looks at.
        worst: pixels; errors of candidates beyond it are as bad as it.
        weight_decay: AdamW's.
    """

    network: str = "small"
    size: tuple[int, int] = (384, 512)
    rate: float = 2e-3
    last_rate: float = 1e-5
    warmup: int = 50
    clip: float = 1.0
    ema: float = 0.99
    pixels: int = 16384
    worst: float = 20.0
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixels < 1:
            raise InputError(f"pixels: expected at least 1, got {self.pixels}")
        by = reduction(self.size)
        if any(side % by for side in self.size):
            raise InputError(f"size: expected multiples of {by}, got {self.size[0]}x{self.size[1]}")


PRESETS = {"small": RefinedDISConfig()}


class RefinedDISRecipe(Recipe):
    """The choice of `RefinedDIS`, trained on the error that is expected of it.

    sum_k p_k (e_k - min e), where p is the softmax of the scores, and e_k how far candidate k is from the true flow,
    `worst` at most: what no candidate has right does not count.
    """

    name = "dis"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "flow")
    ships: RefinedDIS

    def __init__(self, config: RefinedDISConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: RefinedDISConfig = config
        self.ships = RefinedDIS().to(device).train()
        optimiser = torch.optim.AdamW(self.ships.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn("choice", self.ships, optimiser, self.losses)]
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        return "RefinedDIS()"

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the expected error beyond that of the best candidate, and the best candidate's error, pixels."""
        image1, image2, flow = (batch[name] for name in self.needs)
        candidates = measured(image1, image2)
        # A flow that is unknown is NaN, and stays so: such pixels are never asked.
        flows = reduced(candidates.flows.flatten(1, 2)).unflatten(1, (-1, 2))
        errors = (flows - reduced(flow)[:, None]).square().sum(2).sqrt()  # (B, K, h, w)
        sure = reduced(candidates.sure)[:, 0]
        weights = torch.where(errors[:, 0].isfinite(), 1 + (_ASKED_MORE - 1) * (sure < 1), 0)
        places = drawn(weights, self.config.pixels, chance)
        seen = of_places(evidence(image1, image2, candidates), places)
        wrong = of_places(errors.permute(0, 2, 3, 1), places).clamp(max=self.config.worst).nan_to_num(0)
        likely = self.ships.scores(seen, candidates.shares)[:, 0].permute(0, 2, 3, 1).softmax(3)
        best = torch.where(candidates.shares[:, None, None] > 0, wrong, torch.inf).amin(3)
        lost = ((likely * wrong).sum(3) - best).mean()
        return Terms({"lost": lost}, {"best": best.mean()})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show both images, the true flow, and the network's."""
        image1, image2, flow = (batch[name] for name in self.needs)
        return sheet([image1, image2, flow.nan_to_num(), network(image1, image2)])
