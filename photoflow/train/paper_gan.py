"""The recipe of the flow-guided generator, as its paper has it: a photo, and its copy shifted by a preset motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from photoflow.errors import InputError
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.networks import load_network
from photoflow.ops import backward_warp, occlusion
from photoflow.render.generated import moving
from photoflow.segment.subject import prominence
from photoflow.train.gan import Condition, GanConfig, GanRecipe, Prepared
from photoflow.weights.loading import locate

if TYPE_CHECKING:
    from photoflow.data import Batch
    from photoflow.models.mask_rcnn import MaskRCNN

WITHOUT_RAFT = "the weights of RAFT are not on this machine: the flow of the blueprint is that of refined DIS"
WITHOUT_MASK_RCNN = "the weights of Mask R-CNN are not on this machine: trained with the masks of the data"


@dataclass(frozen=True)
class PaperConfig(GanConfig):
    """The paper's settings of the generators' recipe, and where its first two stages come from.

    Args:
        flow: weights of the network that measures the flow: a name or a file; "": RAFT's published ones where they are
            on this machine, else those of refined DIS.
        mask_rcnn: weights of Mask R-CNN, which finds the subject: a name or a file; "": the published ones where they
            are on this machine, else the masks of the data are taken.
        shift: whole pixels by which the photo is shifted at most, along each axis.
    """

    network: str = "paper"
    size: tuple[int, int] = (384, 512)
    batch: int = 2
    ema: float = 0.0
    flow: str = ""
    mask_rcnn: str = ""
    shift: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shift < min(self.size):
            raise InputError(f"shift: expected less than the shorter side, {min(self.size)}, got {self.shift}")

    @property
    def whole(self) -> bool:
        return True


class PaperRecipe(GanRecipe):
    """The flow-guided generator, which learns to move a photo by what its flow says.

    Of a photo I1 a copy is shifted by (dx, dy), whole pixels, each uniform in [-50, 50]; beyond the border it is 0.
    The flow F is measured from I1 to the copy, M is the subject that Mask R-CNN finds, I1' is I1 read backwards
    along F, and M_occ is 1 where the copy shows nothing of I1. Half of the samples are mirrored.

    The paper does not say what I2_real is. Here it is the shifted copy, whose flow from I1 is F: L_pixel then agrees
    with L_flow_cycle and L_warp. FlyingChairs' second image, the other reading, moves otherwise than F says; nothing
    that the generator sees tells it how.

    Source: photo animation by an explicit flow blueprint, sections 2.2.1 to 2.2.3.
    """

    needs: ClassVar[tuple[str, ...]] = ("image1",)
    kind: ClassVar[type[nn.Module]] = FlowGuidedGenerator
    config: PaperConfig

    def __init__(self, config: PaperConfig, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._measure = load_network("flow", config.flow or _published_raft()).to(device)
        self._subjects = _subjects(config.mask_rcnn, device)
        if not config.flow and not _published_raft():
            self.facts["flow"] = WITHOUT_RAFT
        if self._subjects is None:
            self.facts["mask"] = WITHOUT_MASK_RCNN

    @property
    def network(self) -> str:
        return "FlowGuidedGenerator()"

    def prepared(self, batch: Batch, chance: torch.Generator) -> Prepared:
        """Make the blueprint of the photos of a batch; the image to be drawn is the shifted one."""
        image = batch["image1"]
        most = self.config.shift
        shift = torch.randint(-most, most + 1, (len(image), 2, 1, 1), generator=chance).float().to(image.device)
        mirrored = (torch.rand(len(image), generator=chance) < 0.5).to(image.device)
        shifted = moved(image, shift.expand(-1, -1, *image.shape[2:]))
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            flow, back = (self._measure(*pair).float() for pair in ((image, shifted), (shifted, image)))
        mask = _known_mask(batch) if self._subjects is None else self._subjects(image)
        hidden = 1 - occlusion(flow, back)[1]
        seen = Condition(image, mask, flow, (moved(image, flow), hidden))
        return Prepared(_mirrored(seen, mirrored), _flipped(shifted, mirrored))

    def _made(self) -> nn.Module:
        return FlowGuidedGenerator()

    def _lit(self, batch: Batch) -> Batch:
        return batch

    def _draw(self, network: Any, seen: Condition) -> Tensor:
        drawn: Tensor = network(seen.image, seen.mask, seen.flow, seen.warped, seen.occlusion)
        return drawn.float()


def moved(image: Tensor, flow: Tensor) -> Tensor:
    """Return the paper's Warp(I, F), the image (B, C, H, W) moved along a flow (B, 2, H, W), pixels; 0 from beyond.

    Read backwards, pixel p of it is I[p - F(p)]: exact where F is the same at p as where p comes from, as it is for a
    shift.
    """
    return backward_warp(image, -flow)


def _published_raft() -> Path | None:
    return locate("raft_large") or locate("raft_small")


def _subjects(weights: str, device: str) -> Callable[[Tensor], Tensor] | None:
    """Return a function from photos (B, 3, H, W) to the masks (B, 1, H, W) of their subjects; None without weights."""
    found = weights or locate("mask_rcnn")
    if not found:
        return None
    from photoflow.models.mask_rcnn import MaskRCNN

    network = MaskRCNN(found, device)
    return lambda images: torch.stack([_subject(network, image) for image in images]).to(images.device)


def _subject(network: MaskRCNN, image: Tensor) -> Tensor:
    """Find the most prominent object of a photo (3, H, W): its mask (1, H, W); ones where there is none."""
    found = network((image * 255).round().byte().permute(1, 2, 0).cpu().numpy())
    ranks = [prominence(mask > 0.5) * score for mask, score in zip(found.masks, found.scores)]
    if not ranks:
        return torch.ones(1, *image.shape[1:])
    return torch.from_numpy(found.masks[int(np.argmax(ranks))])[None]


def _known_mask(batch: Batch) -> Tensor:
    """Return the mask of the data; without one what its flow moves; ones where there is no flow either."""
    if "mask" in batch:
        return batch["mask"]
    return moving(batch["flow"]) if "flow" in batch else torch.ones_like(batch["image1"][:, :1])


def _mirrored(seen: Condition, which: Tensor) -> Condition:
    """Mirror some samples (B,) bool from left to right; the flow's x changes its sign."""
    sign = torch.where(which[:, None, None, None], seen.flow.new_tensor([-1.0, 1.0]).reshape(2, 1, 1), 1.0)
    image, mask, flow, warped, hidden = (
        _flipped(planes, which) for planes in (seen.image, seen.mask, sign * seen.flow, seen.warped, seen.occlusion)
    )
    return Condition(image, mask, flow, (warped, hidden))


def _flipped(planes: Tensor, which: Tensor) -> Tensor:
    return torch.where(which[:, None, None, None], planes.flip(-1), planes)
