"""The recipe of PhotoMaker: an ID encoder and residuals of SDXL's attention, from photos of the same people.

    photoflow train photomaker --data portraits:FOLDER --minutes 60 --out runs/photomaker
    photoflow portrait --weights runs/photomaker/weights.safetensors --photo a.jpg --prompt "a woman img in the rain"

FOLDER is what `photoflow portrait-data` made; SDXL and CLIP are at hand, or said by `--set base=` and `--set begin=`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from photoflow.data.portraits import PortraitFolder, find_class_words
from photoflow.data.texts import texts_of
from photoflow.errors import InputError
from photoflow.models.photomaker import IDEncoder
from photoflow.models.photomaker.pixels import DEVIATION, MEAN
from photoflow.models.photomaker.prompt import MarkedPrompt, encode
from photoflow.train.config import TrainingConfig
from photoflow.train.loop import settled_precision
from photoflow.train.pictures import sheet
from photoflow.train.recipe import Recipe, Terms, Turn
from photoflow.train.sdxl import Residuals, add_residuals, begin_with, load_base
from photoflow.weights.registry import WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photoflow.data import Batch, Source

_SHOWN = 0.5  # share of the noising after which a sheet shows what the network takes a picture for


@dataclass(frozen=True)
class PhotoMakerConfig(TrainingConfig):
    """Settings of the recipe beside those of all recipes.

    Args:
        base: SDXL, a folder as diffusers saves it, or a name of the hub whose files are at hand.
        begin: the image tower's weights, CLIP as a folder or a name whose files are at hand; or a PhotoMaker, a name or
            file, that is trained further.
        encoder_rate: the learning rate of the ID encoder, at its highest; `rate` is that of the residuals.
        rank: of the residuals.
        layers: how many of the image tower's layers, the last ones, are trained.
        dropped: the share of samples whose text is the empty one, for guidance without a classifier.
        masked: the share of samples whose loss counts in the person alone.
        recompute: 1: what the UNet computes on the way there is computed again on the way back, which takes a third
            more time and a fraction of the memory; 0: it is kept.

    Raises:
        InputError: a value is out of its range.
    """

    network: str = "v1"
    size: tuple[int, int] = (1024, 1024)
    batch: int = 2
    accumulation: int = 24
    rate: float = 1e-4
    last_rate: float = 1e-4
    ema: float = 0.0
    base: str = "stabilityai/stable-diffusion-xl-base-1.0"
    begin: str = "openai/clip-vit-large-patch14"
    encoder_rate: float = 1e-5
    rank: int = 64
    layers: int = 6
    dropped: float = 0.1
    masked: float = 0.5
    recompute: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dropped", "masked"):
            if getattr(self, name) > 1:
                raise InputError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        if self.recompute not in (0, 1):
            raise InputError(f"recompute: expected 0 or 1, got {self.recompute}")
        if self.rank < 1 or self.rate <= 0:
            raise InputError(f"rank, rate: expected numbers above 0, got {self.rank} and {self.rate}")
        if self.size[0] % 8 or self.size[1] % 8:
            raise InputError(f"size: expected multiples of 8, got {self.size[0]}x{self.size[1]}")

    def for_data(self, sources: Sequence[Source]) -> PhotoMakerConfig:
        for source in sources:
            if not isinstance(source, PortraitFolder):  # said before SDXL is loaded
                raise InputError(f"data: expected portraits:FOLDER, got {source.name}")
        return self


PRESETS = {"v1": PhotoMakerConfig()}


class Weights(nn.Module):
    """The two parts of a PhotoMaker, so that its state dict has the names of the published file.

    Args:
        id_encoder: the first.
        residuals: the second, see `photoflow.train.sdxl.add_residuals`.
    """

    def __init__(self, id_encoder: IDEncoder, residuals: Residuals) -> None:
        super().__init__()
        self.id_encoder, self.lora_weights = id_encoder, residuals


class PhotoMakerRecipe(Recipe):
    """PhotoMaker: SDXL stays as it is; residuals of its attention and a part of the ID encoder learn.

    That part are its projections and its fusion, and the last layers of its image tower.

    The mean squared error of the noise, in half of the samples in the person alone (mask times error, over all places);
    in a tenth of them with the embedding of the empty text, which is what guidance takes away. Adam, 1e-4 and 1e-5,
    constant; batches of 48, here as 24 forward passes of 2.

    Raises:
        WeightsError: SDXL or what is begun with is not at hand, or does not fit.

    Source: Li et al., "PhotoMaker", CVPR 2024, sections 3.2 and 4.1; masked loss: Avrahami et al., "Break-A-Scene",
        SIGGRAPH Asia 2023, equation (1). Not said there and chosen here: how many of the image tower's layers learn
        (the last 6 of 24), that SDXL is told that pictures have the size that they are trained at and are not cropped.
    """

    name = "photomaker"
    needs: ClassVar[tuple[str, ...]] = ("image", "mask", "caption", "class_word", "id_images", "id_count")
    ships: Weights

    def __init__(self, config: PhotoMakerConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config: PhotoMakerConfig = config
        self._device = device
        self._base = load_base(config.base, settled_precision(config.precision, device))
        self._unet, self._vae = self._base.unet, self._base.vae
        encoder = IDEncoder(config.network)
        width = self._unet.config.cross_attention_dim
        if encoder.config.text_width != width:
            raise WeightsError(
                f"base {config.base}: expected prompts of width {encoder.config.text_width}, as the ID encoder "
                f"{config.network} has them, got {width}"
            )
        self.ships = Weights(encoder, add_residuals(self._unet, config.rank))
        begin_with(config.begin, encoder, self.ships.lora_weights)
        self._base.to(device)
        self.ships.to(device).train()
        self._unet.train()
        self._vae.enable_slicing()
        if config.recompute:
            self._unet.enable_gradient_checkpointing()
        self._schedule = _schedule(self._base.scheduler)
        self._empty = self._embedding_of_nothing()
        self.facts = {"base": f"residuals of {config.base}"}
        self.turns = [self._turn()]

    @property
    def network(self) -> str:
        return f'IDEncoder("{self.config.network}")'

    def losses(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        """Compute the mean squared error of the noise, in some samples in the person alone."""
        latents = self._latents(batch["image"], chance)
        count = len(latents)
        step = torch.randint(self._schedule.config.num_train_timesteps, (count,), generator=chance)
        noise = torch.randn(latents.shape, generator=chance).to(latents)
        dropped = torch.rand(count, generator=chance) < self.config.dropped
        masked = torch.rand(count, generator=chance) < self.config.masked
        noisy = self._schedule.add_noise(latents, noise, step.to(latents.device))
        found = self._noise_in(noisy, step, *self._conditions(self.ships.id_encoder, batch, dropped))
        wrong = (found.float() - noise).square()
        person = nn.functional.adaptive_avg_pool2d(batch["mask"].float(), (latents.shape[2], latents.shape[3])) >= 0.5
        counts = person | ~masked.to(person.device)[:, None, None, None]
        return Terms({"noise": (wrong * counts).mean()}, {"everywhere": wrong.mean()})

    def picture(self, network: Any, batch: Batch) -> NDArray[np.uint8]:
        """Show the picture, the person's first other photo, the picture half noised, and what it is taken for."""
        chance = torch.Generator().manual_seed(self.config.seed)
        latents = self._latents(batch["image"], chance)
        step = torch.full((len(latents),), int(_SHOWN * self._schedule.config.num_train_timesteps))
        noise = torch.randn(latents.shape, generator=chance).to(latents)
        noisy = self._schedule.add_noise(latents, noise, step.to(latents.device))
        with _residuals_of(self.ships, network):
            none = torch.zeros(len(latents), dtype=torch.bool)
            found = self._noise_in(noisy, step, *self._conditions(network.id_encoder, batch, none)).float()
        left = self._schedule.alphas_cumprod[int(step[0])].to(latents)
        taken_for = (noisy - (1 - left).sqrt() * found) / left.sqrt()
        side = batch["image"].shape[2:]
        photo = nn.functional.interpolate(batch["id_images"][:, 0], side, mode="bilinear", antialias=True)
        return sheet([batch["image"], photo, *(self._decoded(one) for one in (noisy, taken_for))])

    def _turn(self) -> Turn:
        """Return the update of what learns, in two groups of parameters with a rate each."""
        encoder, config = self.ships.id_encoder, self.config
        tower = encoder.vision_model
        if config.layers > len(tower.encoder.layers):
            raise InputError(f"layers: expected at most {len(tower.encoder.layers)}, got {config.layers}")
        parts = [encoder.visual_projection, encoder.visual_projection_2, encoder.fuse_module]
        if config.layers:
            parts += [*tower.encoder.layers[-config.layers :], tower.post_layernorm]
        encoder.requires_grad_(False)
        learning = nn.ModuleList([self.ships.lora_weights, *parts]).requires_grad_(True)
        groups: list[dict[str, Any]] = [
            {"params": [*self.ships.lora_weights.parameters()]},
            {"params": [*nn.ModuleList(parts).parameters()], "share": config.encoder_rate / config.rate},
        ]
        return Turn("photomaker", learning, torch.optim.Adam(groups, config.rate), self.losses)

    def _latents(self, image: Tensor, chance: torch.Generator) -> Tensor:
        """Encode pictures (B, 3, H, W) in [0, 1] as latents (B, 4, H / 8, W / 8), float32, drawn from their spread."""
        with torch.no_grad(), self._in_float32():
            spread = self._vae.encode(2 * image.float() - 1).latent_dist
            drawn = spread.mean + spread.std * torch.randn(spread.mean.shape, generator=chance).to(spread.mean)
        scaled: Tensor = self._vae.config.scaling_factor * drawn
        return scaled

    def _decoded(self, latents: Tensor) -> Tensor:
        with torch.no_grad(), self._in_float32():
            decoded: Tensor = self._vae.decode(latents / self._vae.config.scaling_factor).sample / 2 + 0.5
        return decoded

    def _noise_in(self, noisy: Tensor, step: Tensor, embeds: Tensor, pooled: Tensor) -> Tensor:
        """Predict the noise in latents at diffusion steps (B,)."""
        height, width = self.config.size
        sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=noisy.dtype, device=noisy.device)
        found: Tensor = self._unet(
            noisy.to(self._unet.dtype), step.to(noisy.device), embeds.to(self._unet.dtype),
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes.expand(len(noisy), -1)},
        ).sample  # fmt: skip
        return found

    def _conditions(self, encoder: IDEncoder, batch: Batch, dropped: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prompts' embeddings with the person in them, or the empty text's where `dropped` (B,) says so."""
        texts, places = texts_of(batch["caption"]), batch["class_word"].tolist()
        encoded = [
            encode(self._base, _halves(text, place), count)
            for text, place, count in zip(texts, places, batch["id_count"].tolist())
        ]
        embeds = torch.cat([one.embeds for one in encoded]).float()
        pooled = torch.cat([one.pooled for one in encoded])
        person = encoder(self._photos(batch["id_images"]), embeds, torch.cat([one.places for one in encoded]))
        # The ID encoder has a gradient also where every text is dropped: processes that train together wait for it.
        there = ~dropped.to(person.device)
        nothing, nothing_pooled = self._empty
        embeds = torch.where(there[:, None, None], person, nothing.to(person.dtype))
        return embeds, torch.where(there[:, None], pooled, nothing_pooled)

    def _photos(self, photos: Tensor) -> Tensor:
        """Return photos (B, N, 3, S, S) in [0, 1] as CLIP's are, at the image tower's size."""
        side = self.ships.id_encoder.config.side
        flat = photos.flatten(0, 1).float()
        if flat.shape[-1] != side:
            flat = nn.functional.interpolate(flat, (side, side), mode="bilinear", antialias=True)
        mean, deviation = (flat.new_tensor(one).view(3, 1, 1) for one in (MEAN, DEVIATION))
        normal: Tensor = ((flat - mean) / deviation).unflatten(0, (photos.shape[0], photos.shape[1]))
        return normal

    def _embedding_of_nothing(self) -> tuple[Tensor, Tensor]:
        """Return what guidance takes for the empty text, (1, L, D) and (1, P); SDXL's own are zeros."""
        with torch.no_grad():
            _, embeds, _, pooled = self._base.encode_prompt("", do_classifier_free_guidance=True, device=self._device)
        return embeds, pooled

    def _in_float32(self) -> torch.autocast:
        return torch.autocast(self._device.partition(":")[0], enabled=False)


def _halves(caption: str, index: int) -> MarkedPrompt:
    """Split a caption after its class word, the word of that number."""
    end = next(place.end for place in find_class_words(caption) if place.index == index)
    return MarkedPrompt(caption[:end], caption[end:])


def _schedule(scheduler: Any) -> Any:
    """Return the noising that an SDXL was trained with, whatever it samples with."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler.config)


@contextmanager
def _residuals_of(own: Weights, other: Weights) -> Iterator[None]:
    """Have the UNet use the residuals of another copy of the weights meanwhile."""
    pairs = [*zip(own.lora_weights.parameters(), other.lora_weights.parameters(), strict=True)]
    kept = [mine.data for mine, _ in pairs]
    for mine, theirs in pairs:
        mine.data = theirs.data
    try:
        yield
    finally:
        for (mine, _), data in zip(pairs, kept):
            mine.data = data
