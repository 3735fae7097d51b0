"""SDXL for a training: loaded frozen, with residuals of its attention matrices that learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photoflow.models.photomaker import IDEncoder, read_photomaker
from photoflow.models.photomaker.base import find_base, open_base
from photoflow.weights.loading import find
from photoflow.weights.registry import REGISTRY, WeightsError
from photoflow.weights.state_dict import fit

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")  # the matrices of each attention layer
_ADAPTER = "default"


def load_base(base: str, dtype: torch.dtype) -> Any:
    """Load an SDXL from a folder, or by a name of the hub whose files are at hand; nothing is fetched.

    Args:
        base: as diffusers saves it; only its safetensors are read.
        dtype: of its networks; the autoencoder is float32, which it needs.

    Returns:
        The pipeline of diffusers, on the CPU, frozen.

    Raises:
        WeightsError: a library is missing, or it is not at hand, damaged or no SDXL that predicts noise.
    """
    pipeline = open_base(find_base(base), {"default": dtype, "vae": torch.float32})
    if pipeline.scheduler.config.prediction_type != "epsilon":
        raise WeightsError(
            f"base {base}: expected an SDXL that predicts noise, got one that predicts "
            f"{pipeline.scheduler.config.prediction_type}"
        )
    for network in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        network.requires_grad_(False)
    return pipeline


def add_residuals(unet: Any, rank: int) -> Residuals:
    """Add residuals of low rank to all attention matrices of a UNet, at first 0: W + B A.

    Args:
        unet: diffusers', which uses them from now on.
        rank: of them.

    Returns:
        A module that holds nothing but them, float32. Its state dict has the names that diffusers loads:
        "unet.….to_q.lora_A.weight".

    Source: Hu et al., "LoRA", ICLR 2022, section 4.1; the scale is 1, which files without one mean.
    """
    from peft import LoraConfig

    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ATTENTION)), adapter_name=_ADAPTER)
    found = {
        f"unet.{name.replace(f'.{_ADAPTER}.', '.')}": value
        for name, value in unet.named_parameters()
        if "lora_" in name
    }
    for value in found.values():
        value.data = value.data.float()
    return _nested(found)


def begin_with(begin: str, encoder: IDEncoder, residuals: Residuals) -> None:
    """Load what a training begins with.

    Args:
        begin: a PhotoMaker, a name in the registry or a file, of which all is taken; or CLIP, a folder or a name of the
            hub whose files are at hand, of which the image tower and its projection are.
        encoder: takes them.
        residuals: those of `add_residuals`.

    Raises:
        WeightsError: it is not at hand or does not fit.
    """
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    if begin in REGISTRY or Path(begin).expanduser().is_file():
        path = find(begin, offline=True)
        weights = read_photomaker(path)
        fit(encoder, weights.id_encoder, path)
        fit(residuals, convert_unet_state_dict_to_peft(weights.lora), path)  # published: "….processor.to_q_lora.down"
        return
    from transformers import CLIPVisionModelWithProjection

    make: Any = CLIPVisionModelWithProjection
    try:
        clip, about = make.from_pretrained(begin, local_files_only=True, output_loading_info=True)
    except Exception as error:  # of the hub's library or of a file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"begin: expected a PhotoMaker's file, or CLIP as a folder or a name whose files are at hand, got {begin} "
            f"({reason})"
        ) from error
    if about["missing_keys"]:
        raise WeightsError(f"begin: expected CLIP's image tower, got {begin}, which lacks {min(about['missing_keys'])}")
    own = encoder.state_dict()
    fit(encoder, own | _known(clip.state_dict(), own), Path(begin))


def _known(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name in own}


class Residuals(nn.Module):
    """Parameters of a UNet's residuals, and nothing that is computed with them."""


def _nested(parameters: Mapping[str, nn.Parameter]) -> Residuals:
    """Return a module whose parameters have these names, points and all."""
    root = Residuals()
    for name, parameter in parameters.items():
        *path, last = name.split(".")
        place: nn.Module = root
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(last, parameter)
    return root
