"""The recipes by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from photoflow.errors import InputError
from photoflow.train.config import TrainingConfig, configured
from photoflow.train.recipe import Recipe

RECIPES = (
    "gan", "raft", "dis", "interpolation", "refined", "pyramid", "spectral", "completion", "amt", "mask_rcnn",
    "photomaker",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A recipe and its configurations.

    Args:
        recipe: made by a configuration and a device.
        presets: a configuration for each of its networks, the usual one first.
        others: recipes of networks that have one of their own.
    """

    recipe: Any
    presets: Mapping[str, TrainingConfig]
    others: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, settings: Mapping[str, str]) -> TrainingConfig:
        """Return the configuration described by texts; see `config.configured`."""
        return configured(self.presets, settings)

    def made(self, config: TrainingConfig, device: str) -> Recipe:
        """Make the recipe, its networks on the device."""
        recipe: Recipe = self.others.get(config.network, self.recipe)(config, device)
        return recipe


def entry_of(name: str) -> Entry:
    """Return the recipe called `name`.

    Raises:
        InputError: there is none.
    """
    if name == "gan":
        from photoflow.train.gan import PRESETS as GAN
        from photoflow.train.gan import GanRecipe
        from photoflow.train.paper_gan import PaperConfig, PaperRecipe

        return Entry(GanRecipe, {"paper": PaperConfig(), **GAN}, {"paper": PaperRecipe})
    if name == "raft":
        from photoflow.train.raft import PRESETS as RAFT
        from photoflow.train.raft import RaftRecipe

        return Entry(RaftRecipe, RAFT)
    if name == "dis":
        from photoflow.train.refined_dis import PRESETS as DIS
        from photoflow.train.refined_dis import RefinedDISRecipe

        return Entry(RefinedDISRecipe, DIS)
    if name == "interpolation":
        from photoflow.train.interpolation import PRESETS as INTERPOLATION
        from photoflow.train.interpolation import InterpolationRecipe

        return Entry(InterpolationRecipe, INTERPOLATION)
    if name == "refined":
        from photoflow.train.refined_interpolation import PRESETS as REFINED
        from photoflow.train.refined_interpolation import RefinedInterpolationRecipe

        return Entry(RefinedInterpolationRecipe, REFINED)
    if name == "pyramid":
        from photoflow.train.pyramid import PRESETS as PYRAMID
        from photoflow.train.pyramid import PyramidRecipe

        return Entry(PyramidRecipe, PYRAMID)
    if name == "spectral":
        from photoflow.train.spectral import PRESETS as SPECTRAL
        from photoflow.train.spectral import SpectralRecipe

        return Entry(SpectralRecipe, SPECTRAL)
    if name == "completion":
        from photoflow.train.completion import PRESETS as COMPLETION
        from photoflow.train.completion import CompletionRecipe

        return Entry(CompletionRecipe, COMPLETION)
    if name == "amt":
        from photoflow.train.amt import PRESETS as AMT
        from photoflow.train.amt import AMTRecipe

        return Entry(AMTRecipe, AMT)
    if name == "mask_rcnn":
        from photoflow.train.mask_rcnn import PRESETS as MASK_RCNN
        from photoflow.train.mask_rcnn import MaskRCNNRecipe

        return Entry(MaskRCNNRecipe, MASK_RCNN)
    if name == "photomaker":
        from photoflow.train.photomaker import PRESETS as PHOTOMAKER
        from photoflow.train.photomaker import PhotoMakerRecipe

        return Entry(PhotoMakerRecipe, PHOTOMAKER)
    raise InputError(f"train: expected {' or '.join(RECIPES)}, got {name!r}")
