"""The recipe of Mask R-CNN: fine-tuned on pictures and masks of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photoflow.data.things import Things
from photoflow.errors import InputError
from photoflow.models.mask_rcnn import VERSIONS, begin_from, coco_classes, make_network
from photoflow.train.config import TrainingConfig
from photoflow.train.pictures import sheet
from photoflow.train.recipe import Recipe, Terms, Turn
from photoflow.weights.loading import locate

if TYPE_CHECKING:
    from photoflow.data import Batch, Source

FROM_NOTHING = "the weights of Mask R-CNN are not on this machine: trained from nothing"
# torchvision's names of the losses: the paper's three, and the two of the network that proposes regions.
_LOSSES = {
    "classes": "loss_classifier", "boxes": "loss_box_reg", "masks": "loss_mask",
    "proposals": "loss_objectness", "proposed_boxes": "loss_rpn_box_reg",
}  # fmt: skip


@dataclass(frozen=True)
class MaskRCNNConfig(TrainingConfig):
    """Settings of the recipe beside those of all recipes.

    Args:
        momentum: of the gradient descent.
        weight_decay: of it, too.
        classes: names of the classes, with commas between them; the data says them.
    """

    network: str = "v2"
    size: tuple[int, int] = (800, 1088)
    batch: int = 2
    rate: float = 2.5e-3
    last_rate: float = 2.5e-5
    warmup: int = 500
    ema: float = 0.0
    precision: str = "float32"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    classes: str = ""

    def for_data(self, sources: Sequence[Source]) -> MaskRCNNConfig:
        found = []
        for source in sources:
            if not isinstance(source, Things):
                raise InputError(f"data: expected masks:FOLDER or coco:FILE[:FOLDER], got {source.name}")
            if any("," in name or not name.strip() for name in source.classes):
                raise InputError(f"data: expected names of classes without commas, got {source.classes}")
            found.append(",".join(source.classes))
        for names in found:
            if names != (self.classes or found[0]):
                raise InputError(f"data: expected the classes {self.classes or found[0]}, got {names}")
        return replace(self, classes=found[0])


PRESETS = {"v2": MaskRCNNConfig(), "v1": replace(MaskRCNNConfig(), network="v1")}


class MaskRCNNRecipe(Recipe):
    """Mask R-CNN for one's own classes, from the weights published for COCO where they are on this machine.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3: L = L_cls + L_box + L_mask, each with the weight 1, beside
    the losses of the region proposals (Ren et al., "Faster R-CNN", NeurIPS 2015); gradient descent with momentum 0.9,
    weight decay 1e-4 and a rate of 0.02 for 16 pictures, so 0.0025 for 2. What is published keeps the statistics of its
    batch norms, as two pictures have none.
    """

    name = "mask_rcnn"
    needs: ClassVar[tuple[str, ...]] = ("image", "things", "classes")

    def __init__(self, config: MaskRCNNConfig, device: str = "cpu") -> None:
        if not config.classes:
            raise InputError("classes: expected at least one name, got none")
        torch.manual_seed(config.seed)
        self.config: MaskRCNNConfig = config
        names = [coco_classes()[0], *config.classes.split(",")]
        network: Any = make_network(config.network, len(names))
        network.transform.min_size, network.transform.max_size = (min(config.size),), max(config.size)
        self.ships = network.to(device).train()
        self.facts = {}
        if (published := locate(VERSIONS[config.network])) is not None:
            begin_from(self.ships, config.network, names, published)
            for layer in self.ships.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        else:
            self.facts["start"] = FROM_NOTHING
        optimiser = torch.optim.SGD(
            self.ships.parameters(), config.rate, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.turns = [Turn("things", self.ships, optimiser, self.losses)]

    @property
    def network(self) -> str:
        return f'MaskRCNN(weights, version="{self.config.network}")'

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the paper's losses, and those of the region proposals."""
        image = batch["image"]
        targets = [_target(masks, kinds) for masks, kinds in zip(batch["things"], batch["classes"])]
        # torchvision draws the regions that it learns from by torch's own generator.
        seed = int(torch.randint(2**63 - 1, (), generator=chance))
        with torch.random.fork_rng([image.device] if image.is_cuda else []):
            torch.manual_seed(seed)
            found = self.ships([*image], targets)
        return Terms({name: found[theirs] for name, theirs in _LOSSES.items()}, {})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the picture, what is in it, and what the network finds."""
        images = batch["image"]
        found = network([*images])
        seen = torch.stack([_painted(*pair) for pair in zip(images, (one["masks"][:, 0] for one in found))])
        real = torch.stack([_painted(*pair) for pair in zip(images, batch["things"].float())])
        return sheet([images, real, seen])


def _target(masks: Tensor, kinds: Tensor) -> dict[str, Tensor]:
    """Return what torchvision wants to know of a picture: masks (N, H, W), labels (N,), boxes (N, 4)."""
    there = kinds > 0
    masks, kinds = masks[there], kinds[there]
    ends = []
    for axis in (1, 2):  # down the columns: which x, then which y
        any_there = masks.amax(axis) > 0
        places = torch.arange(any_there.shape[1], device=masks.device).expand_as(any_there)
        ends.append((places.masked_fill(~any_there, any_there.shape[1]), places.masked_fill(~any_there, -1)))
    low, high = zip(*ends)
    corners = [low[0].amin(1), low[1].amin(1), high[0].amax(1) + 1, high[1].amax(1) + 1]
    return {"masks": masks, "labels": kinds, "boxes": torch.stack(corners, 1).float()}


def _painted(image: Tensor, masks: Tensor) -> Tensor:
    """Paint masks (N, H, W) over a picture (3, H, W), in a colour each."""
    shown = image.float().clone()
    for number, mask in enumerate(masks):
        colour = shown.new_tensor([(0.9 - 0.37 * number * step) % 1 for step in (1, 2, 3)])[:, None, None]
        shown = torch.lerp(shown, colour.expand_as(shown), 0.6 * (mask > 0.5).float())
    return shown
