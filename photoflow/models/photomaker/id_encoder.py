"""The ID encoder of PhotoMaker: photos of a person -> fused embeddings in the place of the class word."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.errors import InputError
from photoflow.weights.registry import WeightsError
from photoflow.weights.state_dict import fit, refuse

_HEAD = 64  # channels of CLIP's heads


@dataclass(frozen=True)
class IDEncoderConfig:
    """Numbers of an ID encoder; the default is PhotoMaker's, with the image tower of CLIP ViT-L/14.

    Args:
        width: channels of the transformer.
        hidden: channels of its MLPs.
        layers: how many.
        heads: of attention.
        patch: side of a patch, pixels.
        side: of the photos, pixels.
        projections: widths of the two text encoders' hidden states, to which an embedding is projected.
    """

    width: int = 1024
    hidden: int = 4096
    layers: int = 24
    heads: int = 16
    patch: int = 14
    side: int = 224
    projections: tuple[int, int] = (768, 1280)

    @property
    def text_width(self) -> int:
        """Return the width of a prompt's embeddings, which is that of an ID embedding, too."""
        return sum(self.projections)


SIZES: dict[str, IDEncoderConfig] = {"v1": IDEncoderConfig()}


class MLP(nn.Module):
    """Layer norm, two linear layers with a GELU between them, and, where asked for, the input added."""

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(inputs)
        self.fc1 = nn.Linear(inputs, outputs)
        self.fc2 = nn.Linear(outputs, outputs)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(self.layernorm(x))))
        return x + out if self.residual else out


class IDFusion(nn.Module):
    """Two MLPs that fuse the class word's vector with the embedding of a photo.

    Source: PhotoMaker, section 3.2 ("Stacking"); residuals and norms are those of the published code.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1 = MLP(2 * width, width, residual=False)
        self.mlp2 = MLP(width, width, residual=True)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, photos: Tensor) -> Tensor:
        """Return fused embeddings: words (M, D), photos (M, D) -> (M, D)."""
        fused: Tensor = self.layer_norm(self.mlp2(words + self.mlp1(torch.cat([words, photos], dim=-1))))
        return fused


class IDEncoder(nn.Module):
    """Photos of a person -> a stacked ID embedding in the place of a prompt's class word.

    The image tower of CLIP, whose embedding is projected to the widths of both of SDXL's text encoders; each photo's
    embedding is fused with the class word's vector, and the results take the word's places in the prompt.

    Args:
        size: in `SIZES`, or a configuration.

    Raises:
        WeightsError: transformers is not installed.
        InputError: there is no such size.

    Source: Li et al., "PhotoMaker: Customizing Realistic Human Photos via Stacked ID Embedding", CVPR 2024, section
        3.2; layout and numbers of the published v1.
    """

    def __init__(self, size: str | IDEncoderConfig = "v1") -> None:
        super().__init__()
        if isinstance(size, str) and size not in SIZES:
            raise InputError(f"IDEncoder: expected one of {', '.join(SIZES)}, got {size!r}")
        if importlib.util.find_spec("transformers") is None:
            raise WeightsError("PhotoMaker: expected transformers; install it with: pip install 'photoflow[portrait]'")
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        self.config = config = SIZES[size] if isinstance(size, str) else size
        first, second = config.projections
        clip = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=config.width, intermediate_size=config.hidden, num_hidden_layers=config.layers,
                num_attention_heads=config.heads, patch_size=config.patch, image_size=config.side, projection_dim=first,
            )
        )  # fmt: skip
        self.vision_model = clip.vision_model
        self.visual_projection = clip.visual_projection
        self.visual_projection_2 = nn.Linear(config.width, second, bias=False)
        self.fuse_module = IDFusion(config.text_width)

    def embed(self, photos: Tensor) -> Tensor:
        """Return the embeddings of photos by themselves.

        Args:
            photos: (M, 3, S, S), normalised as CLIP's pictures are; S is the configuration's side.

        Returns:
            (M, D), both projections side by side.
        """
        shared = self.vision_model(photos).pooler_output
        return torch.cat([self.visual_projection(shared), self.visual_projection_2(shared)], dim=-1)

    def forward(
        self,
        id_pixel_values: Tensor,
        prompt_embeds: Tensor,
        class_tokens_mask: Tensor,
        coefficients: Tensor | None = None,
    ) -> Tensor:
        """Return the prompt's embeddings with the stacked ID embedding in the class word's places.

        Args:
            id_pixel_values: (B, N, 3, S, S), photos normalised as CLIP's pictures are. Where a prompt has fewer than N
                places, its first photos count, and the others are padding.
            prompt_embeds: (B, L, D), hidden states of both text encoders side by side. They stay as they are.
            class_tokens_mask: (B, L) bool, the class word's places, one for each photo.
            coefficients: (B, N), by which each photo's fused embedding is multiplied, to mix identities; None: 1.

        Returns:
            (B, L, D), the type of `prompt_embeds`.

        Raises:
            InputError: a shape is another one, or a prompt has no place for a photo, or more places than photos.

        Source: PhotoMaker, equation 1 and section 3.2; coefficients: its section on identity mixing ("prompt
            weighting").
        """
        count, width = id_pixel_values.shape[1], self.config.text_width
        places = class_tokens_mask.bool()
        self._check(id_pixel_values, prompt_embeds, places)
        counts = places.sum(dim=1)
        used = torch.arange(count, device=counts.device) < counts[:, None]
        photos = self.embed(id_pixel_values[used]).to(prompt_embeds.dtype)
        fused = self.fuse_module(prompt_embeds[places].view(-1, width), photos)
        if coefficients is not None:
            fused = fused * coefficients[used][:, None].to(fused.dtype)
        updated = prompt_embeds.clone()
        updated[places] = fused.to(prompt_embeds.dtype)
        return updated

    def _check(self, photos: Tensor, prompts: Tensor, places: Tensor) -> None:
        side, width = self.config.side, self.config.text_width
        if photos.ndim != 5 or photos.shape[2:] != (3, side, side):
            raise InputError(f"id_pixel_values: expected (B, N, 3, {side}, {side}), got {tuple(photos.shape)}")
        if prompts.ndim != 3 or prompts.shape[2] != width or prompts.shape[0] != photos.shape[0]:
            raise InputError(f"prompt_embeds: expected ({photos.shape[0]}, L, {width}), got {tuple(prompts.shape)}")
        if places.shape != prompts.shape[:2]:
            raise InputError(f"class_tokens_mask: expected {tuple(prompts.shape[:2])}, got {tuple(places.shape)}")
        counts = places.sum(dim=1).tolist()
        if min(counts) < 1 or max(counts) > photos.shape[1]:
            raise InputError(f"class_tokens_mask: expected 1 to {photos.shape[1]} places in each prompt, got {counts}")


def encoder_of(state: Mapping[str, Tensor], path: Path) -> IDEncoder:
    """Make the ID encoder of a state dict, of the numbers that its shapes tell.

    Args:
        state: as `read_photomaker` returns it. Heads are of 64 channels, as CLIP's, and at least two.
        path: the file it came from, for messages.

    Raises:
        WeightsError: it is no ID encoder's.
    """
    try:
        size = _size_of(state)
    except (KeyError, ValueError, IndexError) as error:
        refuse(path, f"expected the weights of an IDEncoder, got another network's ({error})")
    encoder = IDEncoder(size)
    fit(encoder, dict(state), path)
    return encoder


def _size_of(state: Mapping[str, Tensor]) -> IDEncoderConfig:
    """Return the configuration that the shapes of a state dict tell."""
    width, _, patch, _ = state["vision_model.embeddings.patch_embedding.weight"].shape
    patches = state["vision_model.embeddings.position_embedding.weight"].shape[0] - 1
    layers = 1 + max(int(name.split(".")[3]) for name in state if name.startswith("vision_model.encoder.layers."))
    return IDEncoderConfig(
        width=width,
        hidden=state["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        layers=layers,
        heads=max(2, width // _HEAD),
        patch=patch,
        side=patch * math.isqrt(patches),
        projections=(state["visual_projection.weight"].shape[0], state["visual_projection_2.weight"].shape[0]),
    )
