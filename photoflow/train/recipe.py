"""The interface of recipes to the training loop."""

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

    from photoflow.data import Batch, Source


class Terms(NamedTuple):
    """Losses and measures of a network for one batch.

    Args:
        losses: scalars, weighed; their sum is what is minimised.
        measures: scalars to be looked at.
    """

    losses: dict[str, Tensor]
    measures: dict[str, Tensor]


Losses = Callable[["Batch", torch.Generator, float], Terms]
"""A batch, a generator of random numbers (on the CPU, another for each batch), and the share of the training done ->
its terms."""


@dataclass(frozen=True)
class Turn:
    """One kind of update within a step.

    Args:
        name: for messages and files.
        network: what is trained; other networks' weights take no gradient meanwhile.
        optimiser: of its parameters; a group of them with a "share" has that share of the learning rate.
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
    """The training of one kind of network.

    Args:
        config: its configuration; its seed makes the first weights.
        device: where.
        turns: the updates of a step, in order.
        ships: the network whose moving average is the result of a training.
        facts: for people who use the weights, beside the configuration.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """Names of the tensors that a batch has to have."""

    apart: int = 1
    """Difference of the numbers of two batches in a row: those that lie far apart have less in common."""

    config: TrainingConfig
    turns: list[Turn]
    ships: nn.Module
    facts: dict[str, str]

    def look(self, batches: Callable[[int], Batch], source: Source) -> None:  # noqa: B027  (most look for nothing)
        """Measure the data before the first step; the results stay with the training.

        Args:
            batches: returns the batch of a number.
            source: what the batches are of.
        """

    @property
    @abstractmethod
    def network(self) -> str:
        """Return the call that makes the shipped network, as text."""

    @abstractmethod
    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Draw a sheet of the network's results for some samples: uint8 (H, W, 3)."""
