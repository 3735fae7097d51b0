"""The recipe of the pyramid generator: the later image of a pair from the earlier one and the flow between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from photoflow.errors import InputError
from photoflow.models.dis import DIS
from photoflow.models.pyramid import PyramidGenerator, motion_weight
from photoflow.render.generated import thrown
from photoflow.train.config import TrainingConfig
from photoflow.train.exposure import evenly_lit
from photoflow.train.losses import WITHOUT_VGG, charbonnier, laplacian_l1, psnr, vgg_distance
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch

_LOSSES = ("charbonnier", "laplacian", "vgg")


@dataclass(frozen=True)
class PyramidConfig(TrainingConfig):
    """Settings of the pyramid generator's recipe beside those of all recipes; a loss whose weight is 0 is not computed.

    Args:
        charbonnier: weight of the Charbonnier loss.
        laplacian: weight of the Laplacian pyramid's L1.
        vgg: weight of L1 of VGG-19's features, where its weights are on this machine.
    """

    network: str = "small"
    size: tuple[int, int] = (192, 192)
    batch: int = 4
    rate: float = 4e-4
    last_rate: float = 1e-5
    warmup: int = 40
    clip: float = 1.0
    ema: float = 0.995
    charbonnier: float = 1.0
    laplacian: float = 0.1
    vgg: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(getattr(self, name) for name in _LOSSES):
            raise InputError("expected at least one loss with a weight above 0, got none")


# The small one for an hour or two on a CPU; the paper's for a GPU.
PRESETS = {
    "small": PyramidConfig(),
    "paper": replace(
        PyramidConfig(), network="paper", size=(256, 256), batch=8, rate=2e-4, last_rate=1e-6, warmup=500, ema=0.999
    ),
}


class PyramidRecipe(Recipe):
    """The pyramid generator, on pairs of frames.

    Where the data knows the flow of a pair it is taken, and changes of light are evened out; where it does not, as
    with videos, OpenCV's DIS measures it on the CPU, from image1 to the frame in the middle if there is one: the
    shorter the way, the less is it mistaken.

    Source: "Generative Image Dynamics", section 5: encoder and decoder are trained jointly on pairs of frames of real
    videos, with a flow that is estimated between them. Deviation: distances of colours beside VGG's features; by
    those alone a network could change what a splat has right.

    Raises:
        InputError: no loss would count.
    """

    name = "pyramid"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2")

    def __init__(self, config: PyramidConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: PyramidConfig = config
        self.ships = PyramidGenerator(config.network).to(device).train()
        optimiser = torch.optim.Adam(self.ships.parameters(), config.rate, betas=(0.9, 0.99))
        self.turns = [Turn("frame", self.ships, optimiser, self.losses)]
        self._measured = DIS()
        self._vgg_distance = vgg_distance(device) if config.vgg else None
        self.facts = {"vgg": WITHOUT_VGG} if config.vgg and not self._vgg_distance else {}
        if not self._weights:
            raise InputError("expected at least one loss that counts, got none: vgg needs the weights of VGG-19")

    @property
    def network(self) -> str:
        return f'PyramidGenerator("{self.config.network}")'

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the weighed distances between the drawn and the later image, those whose weight is not 0."""
        image, flow, real = self._pair(batch)
        drawn = self.ships(image, flow)
        distances: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "charbonnier": charbonnier, "laplacian": laplacian_l1,
        }  # fmt: skip
        if self._vgg_distance:
            distances["vgg"] = self._vgg_distance
        terms = {name: weight * distances[name](drawn, real) for name, weight in self._weights.items()}
        return Terms(terms, {"psnr": psnr(drawn, real)})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the photo, its splat, the network's image, the true image, and the error."""
        image, flow, real = self._pair(batch)
        drawn = network(image, flow)
        splat, _ = thrown(image, flow, motion_weight(flow))
        return sheet([image, splat, drawn, real, error(drawn, real)])

    @property
    def _weights(self) -> dict[str, float]:
        """Return the weights of the losses that count; none of them is 0."""
        weights: dict[str, float] = {name: getattr(self.config, name) for name in _LOSSES}
        if self._vgg_distance is None:
            weights["vgg"] = 0.0
        return {name: weight for name, weight in weights.items() if weight}

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the earlier image, the flow, and the later image."""
        if "flow" in batch:
            batch = evenly_lit(batch)
            return batch["image1"], batch["flow"], batch["image2"]
        image, later = batch["image1"], batch.get("middle", batch["image2"])
        return image, self._measured(image, later), later
