"""The recipe of video completion: clips with holes, the same without them, and a network that tells them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.data.clip_folder import LOCAL, REFERENCES
from photoflow.data.holes import random_holes
from photoflow.errors import InputError
from photoflow.models.dis import DIS
from photoflow.models.e2fgvi import E2FGVI, ClipDiscriminator
from photoflow.train.config import TrainingConfig, as_text
from photoflow.train.losses import l1
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch

_REDUCTION = 4  # of the size that flow is estimated at
_ELSEWHERE = 40  # frames that references lie from the others, about


@dataclass(frozen=True)
class CompletionConfig(TrainingConfig):
    """Settings of the completion's recipe beside those of all recipes; a loss whose weight is 0 is not computed.

    Args:
        betas: Adam's.
        local: frames in a row.
        references: frames from elsewhere.
        hole: weight of L1 in the hole.
        valid: weight of L1 outside it.
        adversarial: weight of the discriminator's judgement; 0: there is none.
        adversarial_from: the share of the training from which it counts.
        flow: weight of L1 of the flow.
        critic_width: channels of the discriminator's first convolution.
    """

    network: str = "paper"
    size: tuple[int, int] = (240, 432)
    batch: int = 8
    rate: float = 1e-4
    last_rate: float = 1e-5
    betas: tuple[float, float] = (0.0, 0.99)
    local: int = LOCAL
    references: int = REFERENCES
    hole: float = 1.0
    valid: float = 1.0
    adversarial: float = 0.01
    adversarial_from: float = 0.0
    flow: float = 1.0
    critic_width: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.local <= LOCAL or self.references > REFERENCES:
            raise InputError(f"local, references: expected 1 to {LOCAL} and at most {REFERENCES}, "
                             f"got {self.local} and {self.references}")  # fmt: skip
        if not (self.hole or self.valid):
            raise InputError("hole, valid: expected at least one with a weight above 0, got none")
        if not max(self.betas) < 1:
            raise InputError(f"betas: expected numbers below 1, got {as_text(self.betas)}")
        if self.critic_width < 1:
            raise InputError(f"critic_width: expected at least 1, got {self.critic_width}")
        if self.network == "paper" and self.size != (240, 432):
            raise InputError(f"size: expected 240x432 for the paper's network, got {as_text(self.size)}")


_SMALL = CompletionConfig(
    network="small", size=(120, 216), batch=2, rate=5e-4, last_rate=1e-5, warmup=50, clip=1.0, betas=(0.9, 0.99),
    adversarial_from=0.3, critic_width=8,
)  # fmt: skip
PRESETS = {"small": _SMALL, "paper": CompletionConfig(), "hq": replace(CompletionConfig(), network="hq")}
_NETWORKS: dict[str, dict[str, Any]] = {
    "small": {"hq": True, "size": "small", "published_order": False}, "paper": {}, "hq": {"hq": True},
}  # fmt: skip


class CompletionRecipe(Recipe):
    """E²FGVI, trained to give back what random holes took from clips.

    Source: the video completion framework of E²FGVI, sections 3.2.4 and 3.3.1: L1, the hole's and the rest's, each
    divided by its share of the picture, as in the code; 0.01 times the hinge loss of a temporal PatchGAN with spectral
    norm that sees the frames with their holes filled; L1 of the completed flow. Deviations: the true flow is taken to
    be what DIS measures in the undamaged frames, for lack of the weights of SPyNet, whose copy it is in the paper, and
    the flow network begins without weights; the rate falls by a cosine.
    """

    name = "completion"
    needs: ClassVar[tuple[str, ...]] = ("frames",)
    ships: E2FGVI

    def __init__(self, config: CompletionConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: CompletionConfig = config
        self.ships = E2FGVI(**_NETWORKS[config.network]).to(device).train()
        self._measure = DIS()
        self.turns = []
        if config.adversarial:
            self._critic = ClipDiscriminator(config.critic_width).to(device).train()
            self.turns.append(Turn("critic", self._critic, self._adam(self._critic), self.critic_losses,
                                   begins=config.adversarial_from))  # fmt: skip
        self.turns.append(Turn("generator", self.ships, self._adam(self.ships), self.generator_losses))
        self.facts: dict[str, str] = {}

    @property
    def network(self) -> str:
        options = _NETWORKS[self.config.network]
        return f"E2FGVI({', '.join(f'{name}={value!r}' for name, value in options.items())})".replace("'", '"')

    def critic_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the hinge loss of the discriminator, for true and for completed clips."""
        frames = self._frames(batch)
        holes = self._holes(frames, chance)
        with torch.no_grad():
            drawn, _ = self._drawn(self.ships, frames, holes)
        real, made = (self._critic(clip).float() for clip in (frames, torch.where(holes > 0, drawn, frames)))
        losses = {"real": functional.relu(1 - real).mean() / 2, "drawn": functional.relu(1 + made).mean() / 2}
        return Terms(losses, {})

    def generator_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the weighed losses of the network, those whose weight is not 0."""
        config, frames = self.config, self._frames(batch)
        holes = self._holes(frames, chance)
        drawn, flows = self._drawn(self.ships, frames, holes)
        off = (drawn - frames).abs()
        losses = {
            "hole": config.hole * (off * holes).mean() / holes.mean(),
            "valid": config.valid * (off * (1 - holes)).mean() / (1 - holes).mean(),
        }
        if config.flow and config.local > 1:
            wanted = self._measured(frames[:, : config.local])
            losses["flow"] = config.flow * torch.stack([l1(*both) for both in zip(flows, wanted)]).sum()
        if config.adversarial and progress >= config.adversarial_from:
            judged = self._critic(torch.where(holes > 0, drawn, frames)).float()
            losses["adversarial"] = -config.adversarial * judged.mean()
        losses = {name: loss for name, loss in losses.items() if getattr(config, name)}
        return Terms(losses, {"psnr": _psnr(drawn, frames, holes)})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show a frame with its hole, as the network completes it, the true one, the error, and its flow onwards."""
        frames = self._frames(batch)
        holes = self._holes(frames, torch.Generator().manual_seed(0))
        drawn, (onwards, _) = self._drawn(network, frames, holes)
        shown = [frames * (1 - holes), torch.where(holes > 0, drawn, frames), frames]
        damaged, completed, real = ((one[:, 0] + 1) / 2 for one in shown)
        columns = [damaged, completed, real, error(completed, real)]
        if self.config.local > 1:
            columns.append(functional.interpolate(onwards[:, 0], real.shape[2:], mode="bilinear"))
        return sheet(columns)

    def _frames(self, batch: Batch) -> Tensor:
        """Return the frames of a batch that are looked at, in [-1, 1]."""
        local, references = batch["frames"][:, : self.config.local], batch["frames"][:, LOCAL:]
        return 2 * torch.cat([local, references[:, : self.config.references]], 1) - 1

    def _holes(self, frames: Tensor, chance: torch.Generator) -> Tensor:
        """Draw holes (B, T, 1, H, W) for frames."""
        far = _ELSEWHERE * (1 + torch.arange(self.config.references))
        moments = torch.cat([torch.arange(self.config.local), far])
        size = (frames.shape[3], frames.shape[4])
        return random_holes(len(frames), moments, size, chance).to(frames.device)

    def _drawn(self, network: Any, frames: Tensor, holes: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Complete frames, (B, T, 3, H, W) float32, and the flows between them."""
        drawn, flows = network(frames * (1 - holes), self.config.local)
        return drawn.float().unflatten(0, frames.shape[:2]), flows

    @torch.no_grad()
    def _measured(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Measure the flows between undamaged frames in a row, (B, T - 1, 2, H / 4, W / 4), forwards and backwards."""
        images = (frames + 1) / 2
        earlier, later = images[:, :-1].flatten(0, 1), images[:, 1:].flatten(0, 1)
        flow = self._measure(torch.cat([earlier, later]), torch.cat([later, earlier]))
        small = functional.interpolate(flow, scale_factor=1 / _REDUCTION, mode="area") / _REDUCTION
        there, back = small.unflatten(0, (2, len(frames), -1))
        return there, back

    def _adam(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), self.config.rate, betas=self.config.betas)


def _psnr(drawn: Tensor, real: Tensor, holes: Tensor) -> Tensor:
    """Return the PSNR within the holes of clips in [-1, 1]: a scalar without a gradient."""
    with torch.no_grad():
        squared = ((drawn.clamp(-1, 1) - real) / 2).square() * holes
        return -10 * (squared.sum() / (3 * holes.sum())).clamp_min(1e-10).log10()
