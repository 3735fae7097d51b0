"""The recipe of refined interpolation: how much each way of moving counts is learned from triplets of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from photoflow.errors import InputError
from photoflow.models.dis.flow_candidates import measured, reduced, reduction
from photoflow.models.dis.frame_candidates import way_evidence, way_planes, ways_at
from photoflow.models.dis.refined_interpolation import RefinedInterpolation, readings, shares_of, split
from photoflow.train.config import TrainingConfig
from photoflow.train.interpolation import turned
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn
from photoflow.train.sampling import drawn, of_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch

_ASKED_AT_LEAST = (
    0.02  # of what is off where DIS interpolation draws: places where nothing is are asked, too, if less often
)
_BY_DISTANCE = 0.5  # of the training


@dataclass(frozen=True)
class RefinedInterpolationConfig(TrainingConfig):
    """Beside what all recipes have:

    Args:
        pixels: places of each triplet that a step looks at.
        least: differences, of values in [0, 1], below which the loss hardly falls any more: a step of 8 bits.
        weight_decay: AdamW's.
    """

    network: str = "small"
    size: tuple[int, int] = (256, 384)
    batch: int = 2
    rate: float = 3e-3
    last_rate: float = 1e-5
    warmup: int = 50
    clip: float = 1.0
    ema: float = 0.99
    pixels: int = 4096
    least: float = 4e-3
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixels < 1:
            raise InputError(f"pixels: expected at least 1, got {self.pixels}")
        if self.least <= 0:
            raise InputError(f"least: expected more than 0, got {self.least:g}")
        by = reduction(self.size)
        if any(side % by for side in self.size):
            raise InputError(f"size: expected multiples of {by}, got {self.size[0]}x{self.size[1]}")


PRESETS = {"small": RefinedInterpolationConfig()}


class RefinedInterpolationRecipe(Recipe):
    """The shares of `RefinedInterpolation`, trained on the errors of the colours that they make.

    In the first half of the training by their mean distance, sqrt(d^2 + least^2), in which what no way has right
    hardly counts: ways are learned to be told apart. Then by decibels, 10 log10(1 + e / least^2), e the mean squared
    error of a triplet: where it cannot be known what moves how, colours come to lie between those that may be right,
    and a triplet in which nothing helps does not count for all. More places are drawn where DIS interpolation is off,
    and count as much less.
    """

    name = "refined"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "middle", "t")
    ships: RefinedInterpolation

    def __init__(self, config: RefinedInterpolationConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: RefinedInterpolationConfig = config
        self.ships = RefinedInterpolation().to(device).train()
        optimiser = torch.optim.AdamW(self.ships.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn("frame", self.ships, optimiser, self.losses)]
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        return "RefinedInterpolation()"

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the frame's error, by distance and in decibels, and that of DIS interpolation, in decibels."""
        img0, img1, middle, t = turned(batch["image1"], batch["image2"], batch["middle"], batch["t"], chance)
        time = t.view(-1, 1, 1, 1)
        candidates = measured(img0, img1)
        ways = ways_at(img0, img1, time, candidates)
        brought = torch.stack(
            [torch.stack(readings(img0, img1, motion, time), 1) for motion in ways.motions.unbind(1)], 2
        )  # (B, 2, K, 3, H, W)
        alone = self.ships.plainly(img0, img1, time, flows=(candidates.flows[:, 0], candidates.back))
        weights = _ASKED_AT_LEAST + reduced((alone - middle).abs().mean(1, keepdim=True))[:, 0]
        places = drawn(weights, self.config.pixels, chance)
        planes = way_planes(img0, img1, time, ways, candidates).mapped(
            lambda one: of_places(one.permute(0, 2, 3, 1), places).permute(0, 3, 1, 2)
        )
        seen = way_evidence(planes, ways.shares)
        likely, none = split(self.ships.logits(seen, ways.shares))
        shares = torch.stack(shares_of(likely, time), 1)[:, :, :, 0]  # (B, 2, K, P)
        wanted, plain = (self._at(planes, places) for planes in (middle, alone))
        colours = (shares[..., None, None] * self._at(brought, places).permute(0, 2, 3, 1, 4, 5)).sum((1, 2))
        colours = colours + none[:, 0, 0, :, None, None] * plain
        counts = 1 / of_places(weights, places)[:, 0]
        off = {"distance": self._distance(colours, wanted, counts), "decibels": self._decibels(colours, wanted, counts)}
        loss = "distance" if progress < _BY_DISTANCE else "decibels"
        return Terms({loss: off.pop(loss)}, off | {"alone": self._decibels(plain, wanted, counts)})

    def _at(self, planes: Tensor, places: Tensor) -> Tensor:
        """Cut out the pixels (B, ..., 3, H, W) of each place: (B, P, ..., 3, r r)."""
        by = reduction(planes.shape[-2:])
        blocks = planes.unfold(-2, by, by).unfold(-2, by, by).flatten(-2)  # (B, ..., 3, h, w, r r)
        last = blocks.dim() - 3
        return of_places(blocks.movedim((last, last + 1), (1, 2)), places)[:, 0]

    def _distance(self, colours: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
        """Return the mean distance of colours (B, P, 3, r r) from the wanted ones, weighed by `counts` (B, P)."""
        distance = ((colours - wanted).square().mean(2) + self.config.least**2).sqrt()
        return (distance.mean(2) * counts).sum() / counts.sum()

    def _decibels(self, colours: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
        """Return the mean squared error of each triplet, in decibels above the least that counts, on average."""
        squared = ((colours - wanted).square().mean((2, 3)) * counts).sum(1) / counts.sum(1)
        return (10 * torch.log10(1 + squared / self.config.least**2)).mean()

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the first frame, the true middle, the network's, its error, and the last frame."""
        img0, img1, middle, t = (batch[name] for name in self.needs)
        made = network(img0, img1, t)
        return sheet([img0, middle, made, error(made, middle), img1])
