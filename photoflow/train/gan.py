"""The recipe of generators: losses and turns of the paper's, and the preset that keeps what its splat has right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from photoflow.errors import InputError
from photoflow.models.discriminator import PatchDiscriminator
from photoflow.models.networks import load_network
from photoflow.models.splat_generator import SIZES, SplatGenerator
from photoflow.ops import backward_warp
from photoflow.render.generated import moving, thrown
from photoflow.train.config import TrainingConfig, as_text
from photoflow.train.exposure import evenly_lit
from photoflow.train.losses import (
    SPAN,
    WITHOUT_VGG,
    charbonnier,
    gradient_penalty,
    l1,
    laplacian_l1,
    psnr,
    vgg_distance,
)
from photoflow.train.pictures import error, sheet
from photoflow.train.recipe import Recipe, Terms, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch

_LOSSES = ("adversarial", "pixel", "vgg", "cycle", "warp", "charbonnier", "laplacian")


@dataclass(frozen=True)
class GanConfig(TrainingConfig):
    """Settings of the generators' recipe beside those of all recipes; a loss whose weight is 0 is not computed.

    Args:
        betas: Adam's.
        critic_updates: of the discriminator for one of the generator.
        penalty: weight of the gradient penalty.
        adversarial: weight of the discriminator's judgement; 0: there is none.
        adversarial_from: the share of the training from which it counts.
        pixel: weight of L1, on a scale of -1 to 1 as in the paper.
        vgg: weight of L1 of VGG-19's features, where its weights are on this machine.
        cycle: weight of the way back to the photo.
        warp: weight of staying near the moved photo.
        charbonnier: weight of the Charbonnier loss, on a scale of 0 to 1.
        laplacian: weight of the Laplacian pyramid's L1, on a scale of 0 to 1.
        masks: the share of samples whose mask is shown; the others have ones, as where nobody knows what moves.
        start: a file of weights that the training begins with, and whose widths the network takes; "": random ones.
    """

    network: str = "splat"
    rate: float = 1e-4
    last_rate: float = 1e-6
    betas: tuple[float, float] = (0.0, 0.9)
    critic_updates: int = 5
    penalty: float = 10.0
    adversarial: float = 1.0
    adversarial_from: float = 0.0
    pixel: float = 10.0
    vgg: float = 10.0
    cycle: float = 100.0
    warp: float = 50.0
    charbonnier: float = 0.0
    laplacian: float = 0.0
    masks: float = 1.0
    start: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(getattr(self, name) for name in _LOSSES):
            raise InputError("expected at least one loss with a weight above 0, got none")
        if not max(self.betas) < 1:
            raise InputError(f"betas: expected numbers below 1, got {as_text(self.betas)}")


# The splat's colours are right where they are kept, so what is left to learn is where, and what fills the holes:
# plain distances for both; what a discriminator adds has to be measured first.
_SPLAT = GanConfig(
    size=(256, 256), batch=8, rate=2e-4, warmup=200, clip=1.0, betas=(0.9, 0.99), adversarial=0.0,
    adversarial_from=0.3, pixel=0.0, vgg=0.0, cycle=0.0, warp=0.0, charbonnier=1.0, laplacian=0.1, masks=0.5,
)  # fmt: skip
PRESETS = {"splat": _SPLAT, "splat_small": replace(_SPLAT, network="splat_small")}
_SPLATS = {"splat": "large", "splat_small": "small"}


@dataclass(frozen=True)
class Condition:
    """The input of a generator and a discriminator: section 3 of the paper, "executor".

    Args:
        image: I1 (B, 3, H, W), RGB in [0, 1].
        mask: M (B, 1, H, W) in [0, 1].
        flow: F, from I1 to I2 (B, 2, H, W), float32, pixels.
        moved: I1' and M_occ; None: the splat along the flow, larger motion in front, as the renderer has it.
    """

    image: Tensor
    mask: Tensor
    flow: Tensor
    moved: tuple[Tensor, Tensor] | None = None

    @property
    def warped(self) -> Tensor:
        """Return I1' (B, 3, H, W)."""
        return self._thrown[0]

    @property
    def occlusion(self) -> Tensor:
        """Return M_occ (B, 1, H, W): 1 where I1' shows nothing of I1, of a splat less than half a pixel."""
        return self._thrown[1]

    @cached_property
    def _thrown(self) -> tuple[Tensor, Tensor]:
        # Only once asked for: the splat generator throws the photo itself.
        return self.moved or thrown(self.image, self.flow)


class Prepared(NamedTuple):
    """The input of the networks, and I2_real (B, 3, H, W), which the generator is to draw."""

    seen: Condition
    real: Tensor


def conditioned(batch: Batch) -> Condition:
    """Collect the networks' inputs from image1, flow and mask of a batch; without a mask, mark the moving pixels."""
    image, flow = batch["image1"], batch["flow"]
    mask = batch["mask"] if "mask" in batch else moving(flow)
    return Condition(image, mask, flow)


class GanRecipe(Recipe):
    """A generator of the moved photo, and the discriminator that judges it.

    Source: photo animation by an explicit flow blueprint: WGAN-GP with penalty 10 and five updates of the
    discriminator for one of the generator;

        L_G = L_adv + 10 L_pixel + 10 L_vgg + 100 L_flow_cycle + 50 L_warp,

    Adam with betas (0, 0.9), the rate from 1e-4 to 1e-6 by a cosine, batches of 2 at 384 by 512.

    Raises:
        InputError: no loss would count in the first step.
    """

    name = "gan"
    needs: ClassVar[tuple[str, ...]] = ("image1", "image2", "flow")
    kind: ClassVar[type[nn.Module]] = SplatGenerator

    def __init__(self, config: GanConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: GanConfig = config
        self.ships = (self._begun() if config.start else self._made()).to(device).train()
        self.turns = []
        if config.adversarial:
            self._critic = PatchDiscriminator().to(device).train()
            self.turns.append(Turn("critic", self._critic, self._adam(self._critic), self.critic_losses,
                                   config.critic_updates, config.adversarial_from))  # fmt: skip
        self.turns.append(Turn("generator", self.ships, self._adam(self.ships), self.generator_losses))
        self._vgg_distance = vgg_distance(device) if config.vgg else None
        self.facts = {"vgg": WITHOUT_VGG} if config.vgg and not self._vgg_distance else {}
        if not self._weights(0.0):
            raise InputError(
                "expected at least one loss that counts from the start, got none: adversarial begins later, vgg needs "
                "the weights of VGG-19"
            )

    @property
    def network(self) -> str:
        return f'SplatGenerator(**SIZES["{_SPLATS[self.config.network]}"])'

    def critic_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the discriminator's distance between real and drawn, to be made large, and its gradient penalty."""
        seen, real = self._seen(batch, chance)
        with torch.no_grad():
            drawn = self._draw(self.ships, seen)
        score = self._score(seen)
        share = torch.rand(real.shape[0], 1, 1, 1, generator=chance).to(real.device)
        losses = {
            "wasserstein": score(drawn).float().mean() - score(real).float().mean(),
            "penalty": self.config.penalty * gradient_penalty(score, real, drawn, share),
        }
        return Terms(losses, {})

    def generator_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the weighed losses of the generator, those whose weight is not 0."""
        seen, real = self._seen(batch, chance)
        drawn = self._draw(self.ships, seen)
        losses: dict[str, Callable[[], Tensor]] = {
            "adversarial": lambda: -self._score(seen)(drawn).float().mean(),
            "pixel": lambda: SPAN * l1(drawn, real),
            "cycle": lambda: SPAN * _cycle(drawn, seen),
            "warp": lambda: SPAN * _staying(drawn, seen),
            "charbonnier": lambda: charbonnier(drawn, real),
            "laplacian": lambda: laplacian_l1(drawn, real),
        }
        if vgg := self._vgg_distance:
            losses["vgg"] = lambda: vgg(drawn, real)
        terms = {name: weight * losses[name]() for name, weight in self._weights(progress).items()}
        return Terms(terms, {"psnr": psnr(drawn, real)})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the photo, the moved photo, the network's image, the true image, and the error."""
        seen, real = self.prepared(batch, torch.Generator().manual_seed(0))
        drawn = self._draw(network, seen)
        return sheet([seen.image, seen.warped, drawn, real, error(drawn, real)])

    def _weights(self, progress: float) -> dict[str, float]:
        """Return the weights, none of them 0, of the losses that count once a share of the training is done."""
        weights: dict[str, float] = {name: getattr(self.config, name) for name in _LOSSES}
        if self._vgg_distance is None:
            weights["vgg"] = 0.0
        if progress < self.config.adversarial_from:
            weights["adversarial"] = 0.0
        return {name: weight for name, weight in weights.items() if weight}

    def prepared(self, batch: Batch, chance: torch.Generator) -> Prepared:
        """Return what the networks see of a batch, and what is to be drawn."""
        return Prepared(conditioned(batch), batch["image2"])

    def _made(self) -> nn.Module:
        """Make the generator."""
        size = SIZES[_SPLATS[self.config.network]]
        return SplatGenerator(size["width"], size["blocks"])

    def _begun(self) -> nn.Module:
        """Load the generator that the training begins with."""
        begun: nn.Module = load_network("gan", self.config.start)
        if not isinstance(begun, self.kind):
            wanted, got = self.config.network, type(begun).__name__
            raise InputError(f"start: expected weights of network={wanted}, got a {got}'s")
        return begun

    def _lit(self, batch: Batch) -> Batch:
        """Even out the light of a batch: nothing tells a generator how it changes."""
        return evenly_lit(batch)

    def _seen(self, batch: Batch, chance: torch.Generator) -> Prepared:
        """Prepare a batch with its light evened out, and the masks of some samples hidden."""
        seen, real = self.prepared(self._lit(batch), chance)
        shown = torch.rand(seen.mask.shape[0], 1, 1, 1, generator=chance) < self.config.masks
        return Prepared(replace(seen, mask=torch.where(shown.to(seen.mask.device), seen.mask, 1.0)), real)

    def _draw(self, network: Any, seen: Condition) -> Tensor:
        """Draw the generator's I2_pred, float32."""
        drawn: Tensor = network(seen.image, seen.mask, seen.flow)
        return drawn.float()

    def _score(self, seen: Condition) -> Callable[[Tensor], Tensor]:
        """Return the discriminator's scores D(I1, F, I1', M_occ, candidate) as a function of the candidate."""
        return lambda candidate: self._critic(seen.image, seen.flow, seen.warped, seen.occlusion, candidate)

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), self.config.rate, betas=self.config.betas)


def _cycle(drawn: Tensor, seen: Condition) -> Tensor:
    """Compute L_flow_cycle = L1(Warp(I2_pred, -F), I1).

    Warp(X, F) moves X along F, so that Warp(X, -F) brings the moved image back: read backwards, pixel p of it is
    X[p + F(p)]. That is exact where p is seen in I2; where it is hidden there, or has left the image (0, as the paper
    has it), the paper compares nevertheless, and so does this.
    """
    return l1(backward_warp(drawn, seen.flow), seen.image)


def _staying(drawn: Tensor, seen: Condition) -> Tensor:
    """Compute L_warp = 0.5 L1(I2_pred, I1')."""
    return 0.5 * l1(drawn, seen.warped)
