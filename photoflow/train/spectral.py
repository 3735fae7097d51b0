"""The recipe of the prior of natural motion, in four stages: autoencoder, one frequency, all frequencies together,
and the amplitudes of what is drawn.

    photoflow train spectral --data spectral:CLIPS --minutes 5 --out runs/vae
    photoflow train spectral --data spectral:CLIPS --minutes 20 --out runs/slice --set stage=slice \
        --set begin=runs/vae/weights.safetensors
    photoflow train spectral --data spectral:CLIPS --minutes 10 --out runs/prior --set stage=coordinated \
        --set begin=runs/slice/weights.safetensors
    photoflow train spectral --data spectral:CLIPS --steps 64 --out runs/calibrated --set stage=calibrated \
        --set begin=runs/prior/weights.safetensors --set rate=0.03 --set warmup=0 --set ema=0.97
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from photoflow.data.spectral_volumes import SAMPLES
from photoflow.errors import InputError
from photoflow.models.spectral.prior import VERSIONS, SpectralPrior, amplitudes, displacement
from photoflow.models.spectral.vae import LATENTS, LEAST_SCALE
from photoflow.train.config import TrainingConfig
from photoflow.train.losses import l1, multi_scale_gradient
from photoflow.train.pictures import sheet
from photoflow.train.recipe import Losses, Recipe, Terms, Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from photoflow.data import Batch, Source

STAGES = ("vae", "slice", "coordinated", "calibrated")
NORMALISATIONS = ("adaptive", "size")
_LOOKED_AT = 64  # samples, for the spreads of latents
_ROOM = 1.25  # what may come is larger than what was looked at
_PERCENTILE = 95.0  # section 4.2 of the paper
_FINENESS = 0.005  # of amplitudes that are counted, as a logarithm
_SHOWN_STEPS = 25  # of the samples on a sheet
_DRAWN_STEPS = 80  # of the samples that are calibrated: what more would change is small
_LEAST_AMPLITUDE = 1e-4  # pixels; smaller ones are no motion
_MOMENTS = (0.1, 0.3)  # shares of a record at which a sheet shows displacements


@dataclass(frozen=True)
class SpectralConfig(TrainingConfig):
    """Settings of the prior's recipe beside those of all recipes.

    Args:
        stage: "vae", "slice", "coordinated" or "calibrated".
        begin: weights of the stage before, or of the same one, to go on from with other data; "": none.
        normalisation: "adaptive": each frequency by its own percentile; "size": all by the mean side of the pictures,
            the paper's ablation.
        slices: frequencies of each sample that a step of the first two stages looks at.
        l1: weight of the autoencoder's L1.
        gradient: weight of its multi-scale gradient loss.
        kl: weight of the divergence of its latents from the standard normal.
        dropped: the share of samples whose picture is hidden, for guidance without a classifier.
        weight_decay: AdamW's.

    Raises:
        InputError: a value is out of its range.
    """

    network: str = "small"
    stage: str = "vae"
    begin: str = ""
    size: tuple[int, int] = (64, 96)
    batch: int = 8
    rate: float = 5e-4
    last_rate: float = 1e-5
    warmup: int = 100
    clip: float = 1.0
    normalisation: str = "adaptive"
    slices: int = 4
    l1: float = 1.0
    gradient: float = 0.2
    kl: float = 1e-6
    dropped: float = 0.1
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage not in STAGES:
            raise InputError(f"stage: expected {' or '.join(STAGES)}, got {self.stage!r}")
        if self.stage != "vae" and not self.begin:
            before = STAGES[STAGES.index(self.stage) - 1]
            raise InputError(f"stage={self.stage}: expected begin=FILE, the weights of a training with stage={before}")
        if self.normalisation not in NORMALISATIONS:
            raise InputError(f"normalisation: expected {' or '.join(NORMALISATIONS)}, got {self.normalisation!r}")
        if self.slices < 1:
            raise InputError(f"slices: expected at least 1, got {self.slices}")
        if self.dropped > 1:
            raise InputError(f"dropped: expected a share from 0 to 1, got {self.dropped}")


PRESETS = {
    "small": SpectralConfig(),
    "paper": SpectralConfig(network="paper", size=VERSIONS["paper"].size, rate=1e-4, warmup=1000, ema=0.9999),
}


class SpectralRecipe(Recipe):
    """The learned prior: each stage trains its own part, what the stages before it have trained stays as it is.

    "vae": L1 1, multi-scale gradient 0.2, KL 1e-6. "slice": the noise in the latents of one frequency, the picture
    hidden in a tenth of the samples. "coordinated": the noise in those of all frequencies at one step, by attention
    over the frequencies alone. "calibrated": the factors by which the amplitudes of what is drawn are as often larger
    as smaller than the true ones.

    Raises:
        InputError: the weights to begin with cannot be read, are another network's, or lack an earlier stage.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, sections 4.2 and 7.
    """

    name = "spectral"
    needs: ClassVar[tuple[str, ...]] = ("image", "volume")
    ships: SpectralPrior

    def __init__(self, config: SpectralConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: SpectralConfig = config
        self.ships = SpectralPrior(config.network)
        if config.begin:
            self._begin_with(config.begin)
        self.ships.to(device).train().requires_grad_(False)
        parts: dict[str, tuple[nn.Module, Losses]] = {
            "vae": (self.ships.vae, self.vae_losses),
            "slice": (self.ships.unet, self.slice_losses),
            "coordinated": (self.ships.coordination, self.coordinated_losses),
            "calibrated": (self.ships.calibration, self.calibrated_losses),
        }
        trained, losses = parts[config.stage]
        optimiser = torch.optim.AdamW(trained.parameters(), config.rate, weight_decay=config.weight_decay)
        self.turns = [Turn(config.stage, trained, optimiser, losses)]
        if config.stage == "calibrated":  # its few batches are of as many different records as they can be
            self.apart = max(1, SAMPLES // config.batch)
        self.facts: dict[str, str] = {}

    def _begin_with(self, weights: str) -> None:
        self.ships.load(weights)
        stage = STAGES.index(self.config.stage)
        lacking = "vae" if stage > 0 and not self._scaled else "slice" if stage > 1 and not self._spread else ""
        if lacking:
            raise InputError(f"begin: expected the weights of a training with stage={lacking}, got {weights}")

    @property
    def _scaled(self) -> bool:
        """Return whether the first stage has been begun."""
        return bool((self.ships.vae.scales != 1).any())

    @property
    def _spread(self) -> bool:
        """Return whether the second stage has been begun."""
        return bool((self.ships.unet.latent_spread != 1).any())

    @property
    def network(self) -> str:
        return f'SpectralPrior("{self.config.network}")'

    def look(self, batches: Callable[[int], Batch], source: Source) -> None:
        """Measure amplitudes before the first stage, latents before the second, unless begun with."""
        if self._spread or (self._scaled and self.config.stage == "vae"):
            return
        if self.config.stage == "vae":
            size = self._volume(batches(0)).shape[3:]
            self.ships.vae.size.copy_(torch.tensor(size))
            by_size = self.config.normalisation == "size"
            self.ships.vae.scales.copy_(torch.tensor(sum(size) / 2) if by_size else self._percentiles(source))
            return
        volumes = [self._volume(batches(number)) for number in range(-(-_LOOKED_AT // self.config.batch))]
        with torch.no_grad():
            latents = torch.cat([self.ships.latents(volume).flatten(0, 1) for volume in volumes])
        unet, mean, spread = self.ships.unet, latents.mean((0, 2, 3)), latents.std((0, 2, 3)).clamp(min=1e-3)
        farthest = (latents - mean[:, None, None]).abs().amax((0, 2, 3))
        unet.latent_mean.copy_(mean)
        unet.latent_spread.copy_(spread)
        unet.latent_bound.copy_(_ROOM * farthest / spread)

    def _percentiles(self, source: Source) -> Tensor:
        """Return the 95th percentile of each frequency's amplitudes over the whole training set, (K,), pixels.

        Of several sources each counts as much, as a training draws them equally often.
        """
        counted, sources = [], cast("Sequence[Any]", getattr(source, "sources", (source,)))
        for one in sources:
            counts = AmplitudeCounts(self.ships.config.frequencies)
            for volume in one.volumes():
                counts.add(volume[:, : self.ships.config.frequencies])
            counted.append(counts.shares())
        return AmplitudeCounts.percentile(np.mean(counted, 0), _PERCENTILE)

    def vae_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the distance between normalised parts and their decoding, and the divergence of the latents."""
        parts, _ = self._slices(batch, chance)
        height, width = (-(-side // self.ships.vae.factor) for side in parts.shape[2:])
        noise = torch.randn((parts.shape[0], LATENTS, height, width), generator=chance).to(parts.device)
        back, mean, spread = self.ships.vae(parts, noise)
        divergence = (mean.square() + spread.exp() - 1 - spread).mean() / 2
        apart = l1(back, parts)
        losses = {
            "l1": self.config.l1 * apart,
            "gradient": self.config.gradient * multi_scale_gradient(back, parts),
            "kl": self.config.kl * divergence,
        }
        return Terms(losses, {"error": apart / l1(parts, torch.zeros_like(parts)).clamp(min=1e-6)})

    def slice_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the error of the noise predicted in some frequencies, each by itself."""
        parts, numbers = self._slices(batch, chance)
        with torch.no_grad():
            latents = self.ships.encoded(parts)
        return self._noise_losses(latents[:, None], batch["image"], chance, numbers.reshape(-1, 1))

    def coordinated_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the error of the noise predicted in all frequencies together."""
        with torch.no_grad():
            latents = self.ships.latents(self._volume(batch))
        return self._noise_losses(latents, batch["image"], chance, None)

    def calibrated_losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Measure the distance between the logarithms of the drawn and the true amplitudes for the pictures.

        Each drawn one is compared with every true one: their distributions are to be alike, and with the factors half
        of the drawn ones are larger.
        """
        drawn, wanted = (
            amplitudes(volume).clamp(min=_LEAST_AMPLITUDE).log()
            for volume in (self.ships(batch["image"], _DRAWN_STEPS, chance=chance), self._volume(batch))
        )
        factors = self.ships.calibration.logarithms  # drawing has no gradient
        fitted = drawn + factors - factors.detach()
        return Terms({"amplitudes": (fitted[:, None] - wanted[None]).abs().mean()}, {})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the picture, and displacements at two moments of the true and of the decoded or drawn volume."""
        image, volume = batch["image"], self._volume(batch)
        if self.config.stage == "vae":
            drawn = network.volume(network.latents(volume), (volume.shape[3], volume.shape[4]))
        else:
            chance = torch.Generator().manual_seed(self.config.seed)
            drawn = network(image, _SHOWN_STEPS, chance=chance)
        return sheet([image, *(displacement(one, moment) for one in (volume, drawn) for moment in _MOMENTS)])

    def _volume(self, batch: Batch) -> Tensor:
        """Return as many frequencies of a batch as the network has, (B, K, 4, H, W)."""
        volume, count = batch["volume"], self.ships.config.frequencies
        if volume.shape[1] < count:
            raise InputError(f"data: expected volumes of at least {count} frequencies, got {volume.shape[1]}")
        return volume[:, :count]

    def _slices(self, batch: Batch, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw normalised parts of some frequencies of each sample (B S, 4, H, W), and their numbers (B, S)."""
        parts = self.ships.vae.normalised(self._volume(batch))
        samples, count = parts.shape[:2]
        numbers = torch.rand((samples, count), generator=chance).argsort(1)[:, : self.config.slices].to(parts.device)
        rows = torch.arange(samples, device=parts.device)[:, None]
        return parts[rows, numbers].flatten(0, 1), numbers

    def _noise_losses(self, latents: Tensor, image: Tensor, chance: torch.Generator, numbers: Tensor | None) -> Terms:
        """Compute the mean squared error of the noise, for latents (N, K, 4, h, w), N / B of each picture.

        Equation (3) is the measure. The loss has it divided by the share a_n that is left of the sample: otherwise
        steps with much noise, which decide what moves and how far, hardly count, and a short training does not learn
        them.
        """
        prior, samples = self.ships, latents.shape[0]
        step = torch.randint(prior.schedule.steps, (samples,), generator=chance)
        noise = torch.randn(latents.shape, generator=chance).to(latents.device)
        shown = (torch.rand(samples, generator=chance) >= self.config.dropped).to(latents.device)
        features = prior.unet.encoded(image).repeat_interleave(samples // image.shape[0], 0)
        features = features * shown[:, None, None, None]
        noisy = prior.schedule.noised(latents, noise, step)
        found = prior.noise_of(noisy, step.to(latents.device), features, numbers)
        wrong = (found - noise).square().mean((1, 2, 3, 4))
        left = prior.schedule.kept[step].to(wrong)
        return Terms({"noise": (wrong / left).mean()}, {"unweighed": wrong.mean()})


class AmplitudeCounts:
    """Counts of a training set's amplitudes at each frequency, by their logarithms: no set is too large for it.

    Args:
        frequencies: K.
    """

    SMALLEST, LARGEST = LEAST_SCALE, 1e6  # pixels

    def __init__(self, frequencies: int) -> None:
        self._edges = np.arange(np.log(self.SMALLEST), np.log(self.LARGEST), _FINENESS)
        self._counts = np.zeros((frequencies, len(self._edges) + 1), np.int64)

    def add(self, volumes: Tensor) -> None:
        """Count the amplitudes of volumes (B, K, 4, H, W), pixels, over pixels and axes."""
        amplitudes = volumes.unflatten(2, (2, 2)).norm(dim=3).transpose(0, 1).flatten(1)  # (K, B 2 H W)
        for counts, own in zip(self._counts, amplitudes.clamp(min=1e-30).log().cpu().numpy()):
            counts += np.bincount(np.searchsorted(self._edges, own), minlength=len(counts))

    def shares(self) -> NDArray[np.float64]:
        """Return the share of the amplitudes in each bin, (K, N)."""
        shares: NDArray[np.float64] = self._counts / np.maximum(self._counts.sum(1, keepdims=True), 1)
        return shares

    @classmethod
    def percentile(cls, shares: NDArray[np.float64], percent: float) -> Tensor:
        """Return the percentile of each frequency, (K,) float32, pixels, to within half a percent of itself."""
        found = [np.searchsorted(np.cumsum(own), percent / 100) for own in shares]
        return torch.tensor([cls.SMALLEST * np.exp(_FINENESS * (number - 0.5)) for number in found]).float()
