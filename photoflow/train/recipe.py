"""What the loop asks of a recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from photoflow.train.config import TrainingConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch


class Terms(NamedTuple):
    """What one batch says of a network.

    Args:
        losses: scalars, weighed; their sum is what is minimised.
        measures: scalars to be looked at.
    """

    losses: dict[str, Tensor]
    measures: dict[str, Tensor]


Losses = Callable[["Batch", torch.Generator, float], Terms]
"""A batch, what to draw from (on the CPU, another for each batch), and the share of the training done -> its terms."""


@dataclass(frozen=True)
class Turn:
    """One kind of update within a step.

    Args:
        name: for messages and files.
        network: what is trained; other networks' weights take no gradient meanwhile.
        optimiser: of its parameters.
        losses: what is minimised.
        updates: how many in a step.
        begins: the share of the training before which there are none.
    """

    name: str
    network: nn.Module
    optimiser: torch.optim.Optimizer
    losses: Losses
    updates: int = 1
    begins: float = 0.0


class Recipe(ABC):
    """How one kind of network is trained.

    Args:
        config: its configuration; its seed makes the first weights.
        device: where.
        turns: the updates of a step, in order.
        ships: the network whose moving average is what a training is for.
        facts: what a person should know of the weights, beside the configuration.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """What a batch has to have."""

    apart: int = 1
    """From the number of one batch that is trained on to the next: those that lie far apart have less in common."""

    config: TrainingConfig
    turns: list[Turn]
    ships: nn.Module
    facts: dict[str, str]

    def look(self, batches: Callable[[int], Batch]) -> None:  # noqa: B027  (most recipes have nothing to look for)
        """Measure the data, batches by their numbers, before the first step; what it found goes on with a training."""

    @property
    @abstractmethod
    def network(self) -> str:
        """The call that makes the network which ships."""

    @abstractmethod
    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """A sheet that shows what the network makes of some samples: uint8 (H, W, 3)."""
